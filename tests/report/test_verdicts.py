"""Verdicts on claims: words and sentences by hand, for numbers whose intervals scipy gives."""

import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.settings import build
from report.verdicts import judge
from studies.study import Claim

COMMON = {"text": "t", "source": "s", "of": "reimpl/default/selflabel"}
ABOVE = Claim(kind="above", than="reimpl/default/scan", **COMMON)
EXCEEDS = Claim(kind="above", value=80.0, **COMMON)
EQUAL = Claim(kind="equal", value=87.6, margin=1.0, **COMMON)
SAME = Claim(kind="same", than="reimpl/default/scan", margin=1.0, **COMMON)
COLLAPSES = Claim(kind="collapses", **COMMON)


def by_seed(*values):
    return {str(seed): value for seed, value in enumerate(values)}


def standard(n, mean, std):
    """n values of exactly this mean and sample deviation, by seed."""
    values = np.arange(n) - (n - 1) / 2
    return by_seed(*(mean + std * values / values.std(ddof=1)).tolist())


def test_a_claim_is_read_as_settings_are():
    assert build(Claim, {**COMMON, "kind": "equal", "value": 87, "margin": "0.5"}, "w").value == 87.0
    with pytest.raises(UserError, match="w: margin is 0.0, and should be above 0 where kind is equal"):
        build(Claim, {**COMMON, "kind": "equal", "value": 87.6}, "w")


@pytest.mark.parametrize("changes, message", [
    ({"kind": "below"}, "kind is 'below', and should be above, equal, same or collapses"),
    ({"kind": "above"}, "than is '', and should be a step, or a value given instead"),
    ({"kind": "above", "than": "x", "value": 80.0}, "than is 'x', and should be a step, or a value"),
    ({"kind": "above", "than": "x", "margin": 1.0}, "margin is 1.0, and should be left out where kind is above"),
    ({"kind": "above", "than": COMMON["of"]}, "another step"),
    ({"kind": "above", "value": 876.0}, "value is 876.0, and should be a percentage"),
    ({"kind": "equal", "margin": 1.0}, "value is 0.0, and should be the published mean"),
    ({"kind": "equal", "value": 87.6, "margin": -1.0}, "margin is -1.0, and should be above 0"),
    ({"kind": "equal", "value": 87.6, "margin": 1.0, "than": "x"}, "than is 'x', and should be left out where kind is equal"),
    ({"kind": "same", "margin": 1.0}, "than is '', and should be a step where kind is same"),
    ({"kind": "same", "than": "x"}, "margin is 0.0, and should be above 0"),
    ({"kind": "same", "than": "x", "margin": 1.0, "value": 5.0}, "value is 5.0, and should be left out"),
    ({"kind": "collapses", "than": "x"}, "than is 'x', and should be left out"),
    ({"kind": "collapses", "value": 5.0}, "value is 5.0, and should be left out"),
    ({"kind": "collapses", "margin": 5.0}, "margin is 5.0, and should be left out"),
    ({"kind": "collapses", "text": ""}, "text is '', and should be some text"),
    ({"kind": "collapses", "figure": ""}, "figure is '', and should be some text"),
])
def test_a_claim_has_what_its_kind_needs_and_no_more(changes, message):
    with pytest.raises(ValueError, match=message):
        Claim(**{**COMMON, **changes})


def test_above_is_supported_where_the_whole_interval_is():
    # differences 6, 6.3, 6.6: mean 6.3, deviation 0.3, and 4.302653 * 0.3 / sqrt(3) = 0.745
    found = judge(ABOVE, by_seed(86.0, 87.3, 88.6), by_seed(80.0, 81.0, 82.0))
    assert found.word == "supported"
    assert found.reason == ("+6.3 points [5.6, 7.0] over 3 seeds; higher in 3 of 3; "
                            "exact sign-flip p = 0.25, the smallest that 3 seeds allow")
    assert found.ours == "87.3 ± 1.3 against 81.0 ± 1.0" and found.n == 3 and found.mean == pytest.approx(6.3)
    assert found.interval == pytest.approx(tuple(stats.ttest_rel([86.0, 87.3, 88.6], [80, 81, 82]).confidence_interval()))


def test_above_is_contradicted_where_the_whole_interval_is_below():
    found = judge(ABOVE, by_seed(80.0, 81.0, 82.0), by_seed(86.0, 87.3, 88.6))
    assert found.word == "contradicted" and found.reason.startswith("-6.3 points [-7.0, -5.6] over 3 seeds; higher in 0 of 3;")


def test_above_is_undecided_with_the_seeds_that_would_decide_it():
    # mean and deviation 1: 4.302653 / sqrt(3) = 2.484; 7 seeds are the first with t / sqrt(n) below 1
    found = judge(ABOVE, by_seed(80.0, 81.0, 82.0), by_seed(80.0, 80.0, 80.0))
    assert found.word == "undecided"
    assert found.reason == ("+1.0 points [-1.5, 3.5] over 3 seeds; higher in 2 of 3; exact sign-flip p = 0.5; "
                            "at this spread 7 seeds would decide it")
    # +-1: nothing to decide; 0.01 with a deviation of 1: beyond 1000
    assert judge(ABOVE, by_seed(81.0, 79.0), by_seed(80.0, 80.0)).reason.endswith(
        "exact sign-flip p = 1; the mean difference is 0, and no number of seeds would decide it")
    many = judge(ABOVE, standard(4, 80.01, 1.0), by_seed(*[80.0] * 4))
    assert many.reason.endswith("at this spread more than 1000 seeds would be needed")
    assert judge(ABOVE, standard(4, 79.99, 1.0), by_seed(*[80.0] * 4)).reason.startswith("+0.0 points [-1.6, 1.6]")  # not -0.0
    equal = judge(ABOVE, by_seed(80.0, 80.0), by_seed(80.0, 80.0))
    assert equal.word == "undecided" and equal.reason.startswith("+0.0 points [0.0, 0.0] over 2 seeds; higher in 0 of 2")


def test_many_seeds_have_drawn_signs_and_small_p():
    found = judge(ABOVE, standard(20, 86.0, 1.0), by_seed(*[80.0] * 20))
    assert found.reason == "+6.0 points [5.5, 6.5] over 20 seeds; higher in 20 of 20; sign-flip p < 0.001"
    five = judge(ABOVE, standard(5, 86.0, 1.0), by_seed(*[80.0] * 5))
    assert five.reason.endswith("exact sign-flip p = 0.0625, the smallest that 5 seeds allow")


def test_above_a_fixed_value_needs_no_other_step():
    found = judge(EXCEEDS, by_seed(86.0, 86.3, 86.6), None)
    assert found.word == "supported" and found.ours == "86.3 ± 0.3"
    assert found.reason.startswith("+6.3 points against 80.0 [5.6, 7.0] over 3 seeds; higher in 3 of 3;")
    assert found.mean == pytest.approx(6.3) and found.interval == pytest.approx((6.3 - 0.745, 6.3 + 0.745), abs=0.001)
    assert judge(EXCEEDS, by_seed(70.0, 71.0), {}).reason.startswith("-9.5 points against 80.0 [-15.9, -3.1] over 2 seeds")


@pytest.mark.parametrize("claim, after, before, reason", [
    (ABOVE, {"0": 86.3}, {"0": 80.0}, "+6.3 points; one seed has no spread"),
    (ABOVE, {"0": 86.3, "1": 80.0}, {"0": 80.0, "2": 80.0}, "+6.3 points; one seed has no spread"),
    (EXCEEDS, {"0": 76.0}, None, "-4.0 points against 80.0; one seed has no spread"),
    (EQUAL, {"0": 87.6}, None, "87.6; one seed has no spread"),
    (SAME, {"0-0": 80.0}, {"0": 80.0}, "+0.0 points; one seed has no spread"),
])
def test_one_seed_decides_nothing(claim, after, before, reason):
    found = judge(claim, after, before)
    assert (found.word, found.reason, found.n, found.interval) == ("undecided", reason, 1, None)


def test_runs_on_one_pretext_seed_are_not_called_seeds():
    """Each is compared with the k-means of its pretext seed; that they share one is said."""
    found = judge(ABOVE, {"0-0": 86.0, "0-1": 86.3, "1-0": 87.6}, by_seed(80.0, 81.0))
    assert found.n == 3 and found.mean == pytest.approx(6.3)
    assert found.reason == ("+6.3 points [5.6, 7.0] over 3 runs on 2 pretext seeds, counted as independent; higher in 3 of 3; "
                            "exact sign-flip p = 0.25, the smallest that 3 runs allow")
    assert "over 2 runs on 1 pretext seed, counted" in judge(EQUAL, {"0-0": 87.6, "0-1": 87.7}, None).reason
    assert "over 2 seeds," in judge(EQUAL, {"0-0": 87.6, "1-0": 87.7}, None).reason
    assert "over 2 runs on 1 pretext seed, counted" in judge(SAME, {"0": 80.0}, {"0-0": 80.1, "0-1": 79.9}).reason


def test_equal_is_supported_where_the_narrower_interval_is_inside():
    # deviation 0.2: one-sided t of 2 degrees of freedom 2.919986 * 0.2 / sqrt(3) = 0.337
    values = [87.1, 87.3, 87.5]
    found = judge(EQUAL, by_seed(*values), None)
    p = max(stats.ttest_1samp(values, 86.6, alternative="greater").pvalue,
            stats.ttest_1samp(values, 88.6, alternative="less").pvalue)
    assert found.word == "supported"
    assert found.reason == f"87.3 [87.0, 87.6] at 90 % over 3 seeds, inside 87.6 ± 1.0; two one-sided t tests, p = {p:.3g}"
    assert found.ours == "87.3 ± 0.2" and found.mean == pytest.approx(87.3)
    assert found.interval == pytest.approx((87.3 - 0.4968, 87.3 + 0.4968), abs=0.001)  # at 95 %


def test_equal_can_be_supported_where_the_wider_interval_is_not_inside():
    """Of 3 values with deviation 0.5 about the target, 0.843 either side at 90 % and 1.242 at 95 %."""
    assert judge(EQUAL, standard(3, 87.6, 0.5), None).word == "supported"


def test_equal_is_contradicted_where_the_wider_interval_is_wholly_outside():
    # deviation 1 over 3: 2.484 either side
    found = judge(EQUAL, standard(3, 84.0, 1.0), None)
    assert (found.word, found.reason) == ("contradicted", "84.0 [81.5, 86.5] at 95 % over 3 seeds, wholly outside 87.6 ± 1.0")
    assert judge(EQUAL, standard(3, 91.2, 1.0), None).word == "contradicted"
    # at 90 %, 1.686 either side, 84.6 would be wholly outside too; at 95 % it reaches 87.1
    assert judge(EQUAL, standard(3, 84.6, 1.0), None).word == "undecided"


def test_equal_is_undecided_with_the_seeds_that_would_show_it():
    # at the target, deviation 1: 5 seeds are the first with one-sided t / sqrt(n) below 1
    found = judge(EQUAL, standard(3, 87.6, 1.0), None)
    assert found.word == "undecided"
    assert found.reason == ("87.6 [85.9, 89.3] at 90 % over 3 seeds, partly outside 87.6 ± 1.0; "
                            "at this spread 5 seeds would show it to be inside")
    assert judge(EQUAL, standard(3, 88.59, 1.0), None).reason.endswith("at this spread more than 1000 seeds would be needed")
    # 1 beyond the margin on either side, deviation 1: 7 seeds, as for a mean of 1
    for mean in (89.6, 85.6):
        outside = judge(EQUAL, standard(3, mean, 1.0), None)
        assert outside.word == "undecided" and " at 95 % over 3 seeds, partly inside 87.6 ± 1.0" in outside.reason
        assert outside.reason.endswith("at this spread 7 seeds would show it to be outside")
    edge = judge(EQUAL, by_seed(88.6, 88.6), None)
    assert edge.reason.endswith("the mean is at the edge, and no number of seeds would decide it")


def test_same_is_equal_of_the_differences_to_nothing():
    before = by_seed(80.0, 70.0, 60.0)
    found = judge(SAME, by_seed(80.1, 70.3, 60.5), before)  # differences 0.1, 0.3, 0.5: as above, 0.337 either side
    assert found.word == "supported" and found.mean == pytest.approx(0.3)
    assert found.reason == "+0.3 points [0.0, 0.6] at 90 % over 3 seeds, inside 0.0 ± 1.0; two one-sided t tests, p = 0.0131"
    far = judge(SAME, by_seed(84.0, 75.0, 66.0), before)
    assert (far.word, far.reason) == ("contradicted", "+5.0 points [2.5, 7.5] at 95 % over 3 seeds, wholly outside 0.0 ± 1.0")
    open_still = judge(SAME, by_seed(79.0, 70.0, 61.0), before)
    assert open_still.word == "undecided" and open_still.reason.endswith("at this spread 5 seeds would show it to be inside")


def test_collapses_counts_degenerate_seeds():
    broken = {"0": ["8 of 10 clusters are empty"], "1": ["8 of 10 clusters are empty", "the loss is not finite"]}
    found = judge(COLLAPSES, by_seed(10.0, 11.0), None, broken)
    assert (found.word, found.ours, found.n, found.interval) == ("supported", "2 of 2 degenerate", 2, None)
    assert found.reason == "2 of 2 degenerate: 8 of 10 clusters are empty; the loss is not finite"
    assert judge(COLLAPSES, None, None, broken).word == "supported"  # scores are not needed
    some = judge(COLLAPSES, by_seed(10.0, 11.0, 80.0), None, {**broken, "2": []})
    assert some.word == "undecided" and some.reason.startswith("2 of 3 degenerate: ")
    assert judge(COLLAPSES, by_seed(10.0, 11.0, 80.0), None, broken).word == "undecided"
    none = judge(COLLAPSES, by_seed(80.0, 81.0), None)
    assert (none.word, none.reason) == ("contradicted", "0 of 2 degenerate")


@pytest.mark.parametrize("claim, after, before", [
    (ABOVE, {}, by_seed(80.0, 81.0)), (ABOVE, by_seed(80.0, 81.0), None), (ABOVE, by_seed(80.0, 81.0), {}),
    (EXCEEDS, None, None), (EQUAL, {}, {}), (SAME, {}, {}), (COLLAPSES, {}, None),
])
def test_what_was_not_run_is_not_tested(claim, after, before):
    assert (judge(claim, after, before).word, judge(claim, after, before).reason) == ("not tested", "no record")
    assert judge(claim, after, before, not_run="no network").reason == "no network"


def test_steps_without_a_seed_in_common_are_not_tested():
    found = judge(ABOVE, {"0": 80.0}, {"1": 80.0})
    assert (found.word, found.reason, found.n) == ("not tested", "no seed that both steps have", 0)


def test_a_claim_about_another_data_set_is_not_tested():
    claim = Claim(kind="equal", value=87.6, margin=1.0, dataset="cifar10", **COMMON)
    found = judge(claim, by_seed(87.6, 87.6), None, dataset="digits")
    assert (found.word, found.reason) == ("not tested", "the claim is about cifar10, and digits was run here")
    assert judge(claim, by_seed(87.6, 87.6), None, dataset="cifar10").word == "supported"
    assert judge(EQUAL, by_seed(87.6, 87.6), None, dataset="digits").word == "supported"


def test_the_probability_of_improvement_stands_beside_a_verdict_on_two_steps():
    """By hand: of the nine pairs of 81, 79, 85 and 80, 80, 82, five are higher: 81 twice, 85 three times."""
    found = judge(ABOVE, by_seed(81.0, 79.0, 85.0), by_seed(80.0, 80.0, 82.0)).improvement
    assert found.probability == pytest.approx(5 / 9) and found.low < 5 / 9 < found.high
    assert judge(Claim(**COMMON, kind="above", value=61.7), by_seed(81.0, 82.0), None).improvement is None
    assert judge(Claim(**COMMON, kind="same", than="x", margin=1.0), by_seed(81.0, 82.0), by_seed(81.0, 82.0)).improvement is None
