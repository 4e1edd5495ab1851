"""Intervals and shares of variance against scipy, against naive derivations, and by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from report.aggregates import improvement, interquartile_mean
from report.estimates import estimate
from report.statistics import (
    bootstrap_interval,
    higher,
    paired,
    pairs,
    spread,
    t_interval,
    variance_shares,
)

SHROUT_FLEISS = {  # Shrout & Fleiss 1979, table 2: 6 targets, 4 ratings of each
    "0": (9, 2, 5, 8), "1": (6, 1, 3, 2), "2": (8, 4, 6, 8), "3": (7, 1, 2, 6), "4": (10, 5, 6, 9), "5": (6, 2, 4, 7),
}


def draw(n, seed=0, mean=0.5):
    return np.random.default_rng(seed).normal(mean, 1, n).tolist()


def standard(n, mean, std):
    """n values of exactly this mean and sample deviation."""
    values = np.arange(n) - (n - 1) / 2
    return mean + std * values / values.std(ddof=1)


def test_equal_differences_are_told_from_lower_ones():
    assert higher([1.0, 0.0, -1.0, 0.0]) == "higher in 1 of 4, equal in 2" and higher((-1.0, 2.0)) == "higher in 1 of 2"


def test_t_interval_by_hand_and_as_scipy():
    # mean 2, deviation 1, and t of 2 degrees of freedom is 4.302653: 4.302653 / sqrt(3) = 2.484138
    assert t_interval([1, 2, 3]) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    for n, level in itertools.product((2, 5, 30), (0.5, 0.95)):
        oracle = stats.ttest_1samp(draw(n), 0).confidence_interval(level)
        assert t_interval(draw(n), level) == pytest.approx((oracle.low, oracle.high))
        by_parts = stats.t.interval(level, n - 1, loc=np.mean(draw(n)), scale=stats.sem(draw(n)))
        assert t_interval(draw(n), level) == pytest.approx(by_parts)
    assert t_interval([0.1] * 3) == (0.1, 0.1)
    assert t_interval([1.0]) is None and t_interval([]) is None


def test_bootstrap_of_few_values_by_hand():
    # means of the 4 resamples of 0 and 1: 0, 1/2, 1/2, 1. A quarter lies at or below 0: the quartile is between 0 and 1/2
    assert bootstrap_interval([0, 1]) == (0, 1)
    assert bootstrap_interval([0, 1], 0.5) == (0.25, 0.75)
    # of the 27 resamples of 0, 3, 6 the means 0 ... 6 come up 1, 3, 6, 7, 6, 3, 1 times: a tenth of 27 is 2.7, the third
    assert bootstrap_interval([6, 0, 3], 0.8) == (1, 5)
    assert bootstrap_interval([6, 0, 3]) == (0, 6)
    assert bootstrap_interval([4.0]) is None
    with pytest.raises(ValueError, match="nan among the values"):
        bootstrap_interval([1.0, math.nan])


@pytest.mark.parametrize("value", (math.nan, math.inf))
@pytest.mark.parametrize("function", (
    spread, t_interval, bootstrap_interval, lambda values: paired(dict(zip("01", values)), {"0": 1.0, "1": 1.0}),
    lambda values: estimate(values, 0.0), lambda values: improvement([(values, [1.0])]),
    lambda values: interquartile_mean([values]), lambda values: variance_shares({"0": values, "1": [1.0, 2.0]})))
def test_a_value_that_is_not_finite_is_refused(function, value):
    with pytest.raises(ValueError, match=f"{value} among the values, which should be finite"):
        function([1.0, value])


@pytest.mark.parametrize("n", (5, 6, 7, 20))
def test_bootstrap_is_as_scipys(n):
    """scipy draws at random; 100,000 draws place its ends to about a hundredth of the deviation."""
    oracle = stats.bootstrap((draw(n),), np.mean, n_resamples=100_000, batch=10_000, method="percentile", rng=1)
    found = bootstrap_interval(draw(n))
    assert found == pytest.approx(tuple(oracle.confidence_interval), abs=0.03)
    assert found == bootstrap_interval(draw(n))


def test_pairs_are_by_seed_in_the_order_of_before():
    assert paired({"0": 5.0, "1": 7.0, "2": 1.0}, {"2": 3.0, "0": 1.0, "9": 0.0}) == (-2.0, 4.0)
    assert paired({"0-0": 5.0, "0-1": 6.0}, {"0-1": 1.0, "0-0": 2.0, "1-0": 0.0}) == (4.0,)  # 3 and 5, of one pretext seed
    assert paired({"0": 1.0}, {}) == ()


def test_k_means_of_a_pretext_seed_pairs_with_each_clustering_run_on_it():
    runs = {"1-0": 8.0, "0-0": 5.0, "0-1": 6.0, "10-0": 9.0}
    assert paired(runs, {"0": 1.0, "1": 2.0}) == (4.5, 6.0)
    assert pairs(runs, {"0": 1.0, "1": 2.0}) == (("0-0", "0"), ("0-1", "0"), ("1-0", "1"))
    assert paired({"0": 1.0, "1": 2.0}, runs) == (-6.0, -4.5)


def test_variance_shares_of_a_textbook_example():
    """Shrout & Fleiss 1979, table 4: mean squares 11.24 and 6.26, ICC(1, 1) 0.17; its 95 % interval is -0.13 to 0.72."""
    found = variance_shares(SHROUT_FLEISS)
    assert (found.groups, found.per_group) == (6, 4)
    assert found.within == pytest.approx(6.26, abs=0.005) and found.between == pytest.approx((11.24 - 6.26) / 4, abs=0.005)
    assert found.share == pytest.approx(0.17, abs=0.005)
    assert found.low == 0 and found.high == pytest.approx(0.72, abs=0.005)


def test_variance_shares_by_explicit_sums():
    # means 2 and 6 about 4: among 3 * (4 + 4) / 1 = 24; within (1 + 0 + 1 + 4 + 0 + 4) / 4 = 2.5
    found = variance_shares({"0": [1, 2, 3], "1": [4, 6, 8]})
    assert (found.within, found.between) == pytest.approx((2.5, (24 - 2.5) / 3))
    assert found.share == pytest.approx((24 - 2.5) / (24 + 2 * 2.5))
    # equal means leave nothing between, and the estimate below 0 is cut
    flat = variance_shares({"0": [1, 3], "1": [1, 3]})
    assert (flat.between, flat.within, flat.share) == (0, 2, 0)
    whole = variance_shares({"0": [1, 1], "1": [3, 3]})  # means 1 and 3 about 2: among 2 * (1 + 1) = 4, over groups of 2
    assert (whole.between, whole.within, whole.share, whole.low, whole.high) == (2, 0, 1, 1, 1)
    none = variance_shares({"0": [0.1] * 3, "1": [0.1] * 3})
    assert (none.between, none.within, none.share, none.low, none.high) == (0, 0, None, None, None)


def test_variance_shares_of_groups_that_differ_in_size():
    # n0 = (5 - (4 + 9) / 5) / 1 = 2.4; total mean (1 + 3 + 4 + 6 + 8) / 5 = 4.4, group means 2 and 6:
    # among 2 * 2.4^2 + 3 * 1.6^2 = 19.2; within (1 + 1 + 4 + 0 + 4) / 3 = 10 / 3
    found = variance_shares({"0": [1, 3], "1": [4, 6, 8]})
    assert found.per_group == pytest.approx(2.4) and found.within == pytest.approx(10 / 3)
    assert found.between == pytest.approx((19.2 - 10 / 3) / 2.4)
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("groups, message", [
    ({"0": [1, 2]}, "1 groups"), ({}, "0 groups"), ({"0": [1, 2], "7": [1]}, "group 7 has 1 values"),
    ({"0": [1, math.inf], "1": [1, 2]}, "inf among the values"),
])
def test_variance_shares_needs_groups_of_two(groups, message):
    with pytest.raises(ValueError, match=message):
        variance_shares(groups)


def test_the_interval_of_the_share_is_where_f_would_be_as_far_out_as_seen():
    """At a share of rho, the quotient of mean squares is F times 1 + m rho / (1 - rho): solved for both tails."""
    generator = np.random.default_rng(4)
    groups = {str(key): (generator.normal(0, 2) + generator.normal(0, 1, 3)).tolist() for key in range(7)}
    found = variance_shares(groups)
    quotient = stats.f_oneway(*groups.values()).statistic
    assert (found.between * 3 + found.within) / found.within == pytest.approx(quotient)
    for end, tail in ((found.low, 0.025), (found.high, 0.975)):
        rho = optimize.brentq(lambda rho, tail=tail: stats.f.sf(quotient / (1 + 3 * rho / (1 - rho)), 6, 14) - tail, 0, 0.9999)
        assert end == pytest.approx(rho, abs=1e-6)
    assert 0 < found.low < found.share < found.high < 1


@pytest.mark.parametrize("tail, empty", [(0.02, True), (0.03, False)])
def test_means_closer_together_than_nearly_all_draws_leave_no_share_in_the_interval(tail, empty):
    """Three groups of ten whose quotient of mean squares is the quantile `tail` of F: below 2.5 % no share fits."""
    quotient = stats.f.ppf(tail, 2, 27)
    means = standard(3, 0, np.sqrt(quotient / 10))  # with a variance of 1 within
    found = variance_shares({str(mean): standard(10, mean, 1) for mean in means})
    assert found.share == 0 and found.within == pytest.approx(1)
    if empty:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low == 0 <= found.high < 0.03


def test_variance_shares_find_known_components_and_cover_the_share():
    """Variances 4 between and 1 within, 6 groups of 4. Over 1,000 draws, means are good to 0.1 and the coverage to 0.007."""
    generator = np.random.default_rng(5)
    found = [variance_shares({key: generator.normal(0, 2) + generator.normal(0, 1, 4) for key in "abcdef"})
             for _ in range(1000)]
    assert np.mean([one.between for one in found]) == pytest.approx(4, abs=0.3)
    assert np.mean([one.within for one in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([one.low <= 0.8 <= one.high for one in found]) == pytest.approx(0.95, abs=0.025)
