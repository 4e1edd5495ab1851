"""Aggregates over data sets against SciPy, against rliable's published example, and by hand."""

import numpy as np
import pytest
from scipy import stats

from report.aggregates import Aggregate, improvement, interquartile_mean

RLIABLE = [[1, 2, 1, 2], [2, 2, 1, 1]], [[1, 2, 3], [1, 2, 3]]
"""Of its tests/rliable/metrics_test.py: two tasks, four runs of one method and three of another."""


def draw(n, seed, mean=0.5):
    return np.round(np.random.default_rng(seed).normal(mean, 1, n), 1)


def test_rliables_example():
    one, other = RLIABLE
    assert interquartile_mean(one).value == pytest.approx(1.5) and interquartile_mean(other).value == pytest.approx(2)
    assert improvement(list(zip(one, other))).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("sets, seeds", [(1, 4), (2, 10), (4, 5), (3, 20)])
def test_the_interquartile_mean_is_scipys_trimmed_mean_where_a_quarter_is_whole(sets, seeds):
    strata = [draw(seeds, number, 10 * number) for number in range(sets)]
    assert interquartile_mean(strata).value == pytest.approx(stats.trim_mean(np.concatenate(strata), 0.25))


def test_a_value_on_a_quartile_counts_in_part_and_each_data_set_alike():
    # 1 2 3 4 5: a quarter is 1.25, so that 3/4 of 2, 3, and 3/4 of 4 are left
    assert interquartile_mean([[5, 3, 1, 2, 4]]).value == pytest.approx(3)
    assert interquartile_mean([[0, 0, 3, 4, 9]]).value == pytest.approx((0.75 * 0 + 3 + 0.75 * 4) / 2.5)
    # 0 and 10 weigh a quarter each, the four others an eighth each: all of these are in the middle, and nothing else
    assert interquartile_mean([[0, 10], [1, 2, 3, 6]]).value == pytest.approx(3)
    # weights of a half and a sixth, in order 1, 2, 3, 8: half of the 2 is left, all of the 3, and half of the 8
    assert interquartile_mean([[8], [1, 2, 3]]).value == pytest.approx(2 * (2 / 12 + 3 / 6 + 8 / 4))


def test_weights_are_those_of_repeated_seeds():
    """Four seeds and eight: with the four taken twice, both are of one size, and of 16 values 4 are cut on either side."""
    few, many = draw(4, 1), draw(8, 2)
    repeated = np.concatenate([np.repeat(few, 2), many])
    assert interquartile_mean([few, many]).value == pytest.approx(stats.trim_mean(repeated, 0.25))


def test_the_interval_of_the_interquartile_mean_resamples_within_data_sets():
    """As SciPy's bootstrap of two samples, each by itself; both draw at random, 10,000 and 50,000 times."""
    one, other = draw(6, 1, 0.0), draw(10, 2, 3.0)

    def middle(few, many, axis):
        repeated = np.concatenate([np.repeat(few, 5, -1), np.repeat(many, 3, -1)], -1)
        return stats.trim_mean(repeated, 0.25, axis=-1)

    found = interquartile_mean([one, other])
    oracle = stats.bootstrap((one, other), middle, n_resamples=50_000, batch=5_000, method="percentile", rng=1)
    # repeated values, 60 of them: 15 are cut, so that SciPy's is the weighted mean itself
    assert found.value == pytest.approx(float(middle(one, other, -1)))
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.04)  # 3 % of a deviation
    assert found == interquartile_mean([one, other])


def test_data_sets_that_lie_apart_do_not_widen_the_interval():
    """No seed of the one can be drawn for the other: 0 and 100 keep their halves in every draw."""
    found = interquartile_mean([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]])
    assert (found.value, found.low, found.high) == pytest.approx((50, 50, 50))


def test_improvement_by_hand():
    # 2 > 1, 2 = 2, 4 > 1, 4 > 2: three and a half of four
    assert improvement([([2, 4], [1, 2])]).value == 3.5 / 4
    assert improvement([([1, 2], [2, 4])]).value == 0.5 / 4
    assert improvement([([2, 4], [1, 2]), ([1], [5])]).value == 3.5 / 8  # data sets count alike
    assert improvement([([5, 6, 7], [1, 2])]) == Aggregate(1, 1, 1)
    assert improvement([(range(10, 20), range(6))]) == Aggregate(1, 1, 1)  # exactly, as a sum of tenths and sixths is not
    assert improvement([([5, 6, 7], [1, 2]), ([1, 2], [3, 4])]) == Aggregate(0.5, 0.5, 0.5)


def test_improvement_is_mann_whitneys_u_and_its_interval_scipys_bootstrap():
    sides = [(draw(9, 1, 1.0), draw(7, 2, 0.0)), (draw(5, 3, 0.5), draw(6, 4, 0.0))]
    found = improvement(sides)
    us = [stats.mannwhitneyu(after, before).statistic / len(after) / len(before) for after, before in sides]
    assert found.value == pytest.approx(np.mean(us))

    def share(*arrays, axis):
        return np.mean([(np.sign(one[..., :, None] - other[..., None, :]).mean((-2, -1)) + 1) / 2
                        for one, other in zip(arrays[::2], arrays[1::2])], 0)

    oracle = stats.bootstrap(sum(sides, ()), share, n_resamples=50_000, batch=5_000, method="percentile", rng=1)
    # both draw at random, and a share moves in steps of a 126th
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.02)
    assert found == improvement(sides)


def test_a_single_value_has_no_spread_and_none_is_refused():
    assert interquartile_mean([[1.0, 2.0], [3.0]]) == Aggregate(pytest.approx(2.5))
    assert improvement([([5, 6, 7], [6]), ([1, 2], [3, 4])]) == Aggregate(0.25)
    for function, nothing in ((interquartile_mean, [[1.0], []]), (improvement, [([], [1.0])]), (interquartile_mean, [])):
        with pytest.raises(ValueError, match="no values"):
            function(nothing)
