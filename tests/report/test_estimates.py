"""Intervals and tests of two errors against scipy where there is one alone, and by hand; the images' error by naive sums."""

import itertools

import numpy as np
import pytest
from scipy import stats

from report.estimates import Estimate, estimate, image_error, shares_error
from report.multiplicity import corrected
from report.power import chance_to_differ, chance_to_equate, seeds_to_differ, seeds_to_equate, visible


def draw(n, seed=0, mean=0.5):
    return np.random.default_rng(seed).normal(mean, 1, n)


@pytest.mark.parametrize("n", (2, 3, 5, 20))
@pytest.mark.parametrize("mean", (0.5, -3.0))
def test_without_an_error_of_the_images_interval_and_p_are_students(n, mean):
    found = estimate(draw(n, mean=mean), 0.0)
    oracle = stats.ttest_1samp(draw(n, mean=mean), 0.2)
    assert found.interval() == pytest.approx(tuple(oracle.confidence_interval()))
    assert found.p_differs(0.2) == pytest.approx(oracle.pvalue, rel=1e-6)


@pytest.mark.parametrize("target, margin", [(0.5, 1.0), (0.0, 0.3), (2.0, 1.0), (0.4, 5.0)])
@pytest.mark.parametrize("n", (2, 5, 20))
def test_within_is_the_larger_of_scipys_one_sided_tests(n, target, margin):
    oracle = max(stats.ttest_1samp(draw(n), target - margin, alternative="greater").pvalue,
                 stats.ttest_1samp(draw(n), target + margin, alternative="less").pvalue)
    assert estimate(draw(n), 0.0).p_within(target, margin) == pytest.approx(oracle, rel=1e-6)


def test_outside_is_the_test_of_the_nearer_edge():
    found = estimate(draw(5, mean=4.0), 0.0)
    assert found.p_outside(0.0, 1.0) == pytest.approx(stats.ttest_1samp(draw(5, mean=4.0), 1.0).pvalue, rel=1e-6)
    assert found.p_outside(9.0, 1.0) == pytest.approx(stats.ttest_1samp(draw(5, mean=4.0), 8.0).pvalue, rel=1e-6)
    assert estimate(draw(5), 0.0).p_outside(0.5, 2.0) == 1


def test_without_a_spread_of_seeds_the_error_of_the_images_is_left():
    found = estimate([0.1] * 3, 0.5)
    assert found.std == 0 and found.interval() == pytest.approx((0.1 - 0.98, 0.1 + 0.98), abs=1e-3)  # 1.96 * 0.5
    assert found.p_differs(0.0) == pytest.approx(2 * stats.norm.sf(0.2))
    assert estimate([1.0], 0.5) is None and estimate([], 0.5) is None


def test_both_errors_add_as_legs_of_a_triangle():
    # deviation 1 of 4 seeds: 3.182446 / 2 = 1.591; of the images 1.959964; together sqrt(1.591^2 + 1.960^2) = 2.525
    found = Estimate(10.0, 1.0, 4, 1.0)
    assert found.half_width() == pytest.approx(2.5246, abs=1e-4)
    assert found.p_differs(10 - 2.5246) == pytest.approx(0.05, abs=1e-4)


def test_p_is_where_the_interval_just_reaches():
    for mean, std, error in itertools.product((0.3, -2.0), (0.5, 2.0), (0.1, 1.0)):
        found = Estimate(mean, std, 5, error)
        assert found.half_width(1 - found.p_differs()) == pytest.approx(abs(mean), rel=1e-6)
        p = found.p_within(0.0, 3.0)
        assert found.half_width(1 - 2 * p) == pytest.approx(3.0 - abs(mean), rel=1e-6)


def test_arrays_give_what_their_elements_give():
    many = Estimate(np.array([0.1, 2.0]), np.array([1.0, 0.5]), 5, np.array([0.3, 0.0]))
    for index in range(2):
        one = Estimate(many.mean[index], many.std[index], 5, many.image_error[index])
        for test in ("p_differs", "p_within", "p_outside"):
            arguments = () if test == "p_differs" else (0.0, 0.5)
            assert getattr(many, test)(*arguments)[index] == pytest.approx(float(getattr(one, test)(*arguments)))


def test_the_error_of_the_images_by_naive_sums():
    """Two units, four images: image means 1, 0.5, 0, 0.5; unit means 0.75 and 0.25, and 0.5 in all."""
    right = np.array([[1, 1, 0, 1], [1, 0, 0, 0]], float)
    between_images = ((0.5**2 + 0 + 0.5**2 + 0) / 3)
    rest = sum((right[i, j] - right[i].mean() - right[:, j].mean() + 0.5) ** 2 for i in range(2) for j in range(4)) / (1 * 3)
    assert image_error(right) == pytest.approx((max(0, between_images - rest / 2) / 4 + 1 / 36) ** 0.5)
    # one unit: the deviation of 1, 1, 0, 1 is 0.5
    assert image_error(right[:1]) == pytest.approx((0.25 / 4 + 1 / 36) ** 0.5)
    assert image_error(np.ones((3, 98))) == pytest.approx(0.01)  # nothing wrong anywhere: one image of 98 + 2


def test_images_that_differ_alike_in_each_unit_count_in_full_and_chance_alone_hardly():
    rng = np.random.default_rng(0)
    same = np.repeat(rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(1, 4000)), 10, axis=0)
    assert image_error(same) == pytest.approx((0.1 / 4000) ** 0.5, rel=0.1)  # its variance is 0.1, known to 5 %
    chance = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(10, 4000))
    assert image_error(chance) < 0.3 * image_error(same)


def test_the_error_from_shares_alone_is_the_binomial_one():
    assert shares_error([0.9], 100) == pytest.approx((0.09 / 100 + 1 / 102**2) ** 0.5)
    assert shares_error([0.9, 0.5], 100) == pytest.approx((0.42 / 100 + 1 / 102**2) ** 0.5)  # 0.7 together: 2 * 0.7 * 0.3
    assert shares_error([1.0, 0.5], [10, 30]) == pytest.approx((0.625 * 0.375 * (1 / 10 + 1 / 30) + 1 / 12**2) ** 0.5)


def test_p_of_one_test_each_are_corrected_as_by_holm():
    # 4 * 0.01; 3 * 0.02; 2 * 0.03, no smaller than the one before; 0.5
    assert sum(corrected([[0.5], [0.01], [0.03], [0.02]]), []) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert corrected([]) == [] and corrected([[0.9], [0.8]]) == [[1.0], [1.0]]


def test_a_claim_counts_until_both_of_its_tests_are_past():
    # in order 0.001 (of 3 claims), 0.004 (still 3), 0.01 (the first claim is done: 2), 0.2 (2), 0.3 (1), 0.9
    found = corrected([[0.001, 0.004], [0.2, 0.01], [0.9, 0.3]])
    assert sum(found, []) == pytest.approx([0.003, 0.012, 0.4, 0.02, 0.9, 0.4])


@pytest.mark.parametrize("n", (3, 5, 10, 34))
@pytest.mark.parametrize("distance", (0.5, 1.0, 2.0))
def test_without_an_error_of_the_images_the_chance_is_the_noncentral_ts(n, distance):
    """The spread is averaged over 100 quantiles: good to half a percent."""
    critical = stats.t.isf(0.025, n - 1)
    below = np.nan_to_num(stats.nct.cdf(-critical, n - 1, distance * n**0.5))  # nan where it is too small for SciPy
    oracle = stats.nct.sf(critical, n - 1, distance * n**0.5) + below
    assert chance_to_differ(distance, 1.0, 0.0, n, 0.05) == pytest.approx(oracle, abs=0.005)


def test_without_any_spread_a_chance_is_all_or_nothing():
    assert chance_to_differ(1.0, 0.0, 0.5, 5, 0.05) == 1 and chance_to_differ(0.9, 0.0, 0.5, 5, 0.05) == 0  # 0.98 is reached
    assert chance_to_equate(0.1, 1.0, 0.0, 0.5, 5, 0.05) == 1 and chance_to_equate(0.2, 1.0, 0.0, 0.5, 5, 0.05) == 0  # 0.82


def test_the_fewest_seeds_are_the_first_with_a_chance_of_80_percent():
    for distance, std, error in ((1.0, 1.0, 0.0), (0.7, 1.0, 0.2), (3.0, 4.0, 0.5)):
        n = seeds_to_differ(distance, std, error, 0.05)
        chances = [chance_to_differ(distance, std, error, other, 0.05) for other in (n - 1, n)]
        assert chances[0] < 0.8 <= chances[1]
        assert visible(n, std, error, 0.05) <= distance < visible(n - 1, std, error, 0.05)
    n = seeds_to_equate(0.2, 1.0, 1.0, 0.1, 0.05)
    assert chance_to_equate(0.2, 1.0, 1.0, 0.1, n - 1, 0.05) < 0.8 <= chance_to_equate(0.2, 1.0, 1.0, 0.1, n, 0.05)
    assert seeds_to_differ(9.0, 1.0, 0.0, 0.05) == 3  # no decision takes fewer
    assert seeds_to_differ(1.0, 1.0, 0.6, 0.05) is None  # 1.96 * 0.6 is beyond 1
    assert seeds_to_differ(0.01, 1.0, 0.0, 0.05) is None and seeds_to_equate(1.0, 1.0, 1.0, 0.0, 0.05) is None
