"""Verdicts on claims: words and sentences by hand, for numbers whose intervals and p scipy gives."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.pipeline.study import Claim
from harness.validation import build
from report.verdicts import Side, decide, judge, over_looks

COMMON = {"text": "t", "source": "s", "of": "reimpl/default/selflabel"}
ABOVE = Claim(kind="above", than="reimpl/default/scan", **COMMON)
EXCEEDS = Claim(kind="above", value=80.0, **COMMON)
EQUAL = Claim(kind="equal", value=87.6, margin=1.0, **COMMON)
SAME = Claim(kind="same", than="reimpl/default/scan", margin=1.0, **COMMON)
VARIES = Claim(kind="varies", than="reimpl/default/scan", **COMMON)
COLLAPSES = Claim(kind="collapses", **COMMON)


IMAGES = 10**8
"""So many that their error does not show in a sentence."""


def by_seed(*values):
    return {str(seed): value for seed, value in enumerate(values)}


def standard(n, mean, std):
    """n values of exactly this mean and sample deviation, by seed."""
    values = np.arange(n) - (n - 1) / 2
    return by_seed(*(mean + std * values / values.std(ddof=1)).tolist())


def found(claim, after, before=None, images=IMAGES, **other):
    """The Verdict on a claim that is the only one of its page."""
    sides = (Side(side, images=images) if side is not None else None for side in (after, before))
    return decide([judge(claim, *sides, **other)])[0]


def p_of(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def test_a_claim_is_read_as_settings_are():
    assert build(Claim, {**COMMON, "kind": "equal", "value": 87, "margin": "0.5"}, "w").value == 87.0
    with pytest.raises(UserError, match="w: value is 0.0, and should be the published mean in percent where kind is equal"):
        build(Claim, {**COMMON, "kind": "equal", "margin": 1.0}, "w")


@pytest.mark.parametrize("changes, message", [
    ({"kind": "below"}, "kind is 'below', and should be above, equal, same, varies or collapses"),
    ({"kind": "above"}, "than is '', and should be a step, or a value given instead"),
    ({"kind": "above", "than": "x", "value": 80.0}, "than is 'x', and should be a step, or a value"),
    ({"kind": "above", "than": COMMON["of"]}, "another step"),
    ({"kind": "above", "value": 876.0}, "value is 876.0, and should be a percentage"),
    ({"kind": "equal", "margin": 1.0}, "value is 0.0, and should be the published mean"),
    ({"kind": "equal", "value": 87.6, "margin": -1.0}, "margin is -1.0, and should be above 0, or left out"),
    ({"kind": "equal", "value": 87.6, "margin": 1.0, "than": "x"}, "than is 'x', and should be left out where kind is equal"),
    ({"kind": "above", "value": 80.0, "value_error": 0.1}, "value_error is 0.1, and should be in points above 0, where"),
    ({"kind": "varies"}, "than is '', and should be a step where kind is varies"),
    ({"kind": "varies", "than": "x", "margin": 1.0}, "margin is 1.0, and should be left out where kind is varies"),
    ({"kind": "same", "margin": 1.0}, "than is '', and should be a step where kind is same"),
    ({"kind": "same", "than": "x", "margin": 1.0, "value": 5.0}, "value is 5.0, and should be left out"),
    ({"kind": "collapses", "than": "x"}, "than is 'x', and should be left out"),
    ({"kind": "collapses", "value": 5.0}, "value is 5.0, and should be left out"),
    ({"kind": "collapses", "margin": 5.0}, "margin is 5.0, and should be left out"),
    ({"kind": "collapses", "text": ""}, "text is '', and should be some text"),
    ({"kind": "collapses", "figure": ""}, "figure is '', and should be some text"),
    ({"kind": "collapses", "figure": "nmi"}, "figure is 'nmi', and should be a share of images: acc, "),
])
def test_a_claim_has_what_its_kind_needs_and_no_more(changes, message):
    with pytest.raises(ValueError, match=message):
        Claim(**{**COMMON, **changes})


def test_above_is_supported_where_the_difference_is_not_nothing():
    # differences 6, 6.3, 6.6: mean 6.3, deviation 0.3, and 4.302653 * 0.3 / sqrt(3) = 0.745
    verdict = found(ABOVE, by_seed(86.0, 87.3, 88.6), by_seed(80.0, 81.0, 82.0))
    oracle = stats.ttest_rel([86.0, 87.3, 88.6], [80, 81, 82])
    assert verdict.word == "supported" and verdict.p == pytest.approx(oracle.pvalue, rel=1e-3) == verdict.corrected
    assert verdict.reason == f"+6.3 points [5.6, 7.0] over 3 seeds, higher in 3 of 3; not 0: {p_of(oracle.pvalue)}"
    finding = verdict.finding
    assert finding.ours == "87.3 ± 1.3 against 81.0 ± 1.0" and finding.n == 3
    assert finding.estimate.interval() == pytest.approx(tuple(oracle.confidence_interval()), abs=1e-3)


def test_steps_are_compared_on_the_seeds_that_both_have():
    """Of 86, 87.3, 88.6 and 20, the last has nothing to be compared with: it is in no mean, and in no pair of runs."""
    finding = found(ABOVE, by_seed(86.0, 87.3, 88.6, 20.0), by_seed(80.0, 81.0, 82.0)).finding
    assert (finding.ours, finding.n, finding.improvement.value) == ("87.3 ± 1.3 against 81.0 ± 1.0", 3, 1.0)
    assert finding.estimate.mean == pytest.approx(87.3 - 81.0)


def test_above_is_contradicted_where_it_is_below():
    verdict = found(ABOVE, by_seed(80.0, 81.0, 82.0), by_seed(86.0, 87.3, 88.6))
    assert verdict.word == "contradicted"
    assert verdict.reason.startswith("-6.3 points [-7.0, -5.6] over 3 seeds, higher in 0 of 3; not 0: p")


def test_there_is_no_difference_where_it_is_smaller_than_what_matters_even_if_it_is_one():
    before = by_seed(*[80.0] * 5)
    verdict = found(ABOVE, standard(5, 80.1, 0.3), before)
    p = stats.ttest_1samp(list(standard(5, 0.1, 0.3).values()), 1.0, alternative="less").pvalue
    assert verdict.word == "no difference"
    assert verdict.reason == ("+0.1 points [-0.3, 0.5] over 5 seeds, higher in 3 of 5; "
                              f"within ± 1.0, so no difference that matters: {p_of(p)}")
    assert found(ABOVE, standard(5, 80.3, 0.1), before).word == "no difference"  # 0.3 [0.2, 0.4]
    assert found(ABOVE, standard(5, 80.3, 0.1), before, matters=0.2).word == "supported"
    narrow = Claim(kind="above", than="reimpl/default/scan", margin=0.2, **COMMON)
    assert found(narrow, standard(5, 80.3, 0.1), before).word == "supported"


def test_an_undecided_claim_says_how_many_seeds_have_a_chance_of_80_percent():
    # mean and deviation 1.5: ten seeds are the first for which the noncentral t gives 80 %
    verdict = found(ABOVE, standard(3, 81.5, 1.5), by_seed(*[80.0] * 3))
    assert stats.nct.sf(stats.t.isf(0.025, 9), 9, 10**0.5) > 0.8 > stats.nct.sf(stats.t.isf(0.025, 8), 8, 3)
    assert verdict.word == "undecided"
    assert verdict.reason == ("+1.5 points [-2.2, 5.2] over 3 seeds, higher in 2 of 3, equal in 1; that it is not 0: p = 0.23; "
                              "at this mean and spread 10 seeds would decide it with a chance of 80 %")
    # nothing between them, deviation 1: to show less than a point takes 11
    nothing = found(ABOVE, standard(4, 80.0, 1.0), by_seed(*[80.0] * 4))
    assert nothing.reason.endswith(" 11 seeds would decide it with a chance of 80 %")
    many = found(ABOVE, standard(4, 81.0, 100.0), by_seed(*[80.0] * 4))
    assert many.reason.endswith("at this mean and spread more than 1000 seeds would be needed")
    assert found(ABOVE, standard(4, 79.99, 9.0), by_seed(*[80.0] * 4)).reason.startswith("+0.0 points [-14.3, 14.3]")  # not -0.0


def test_equal_runs_leave_the_error_of_the_images():
    """No interval has no width: of 360 images, 2 * 0.8 * 0.2 make an error of 3.0 points, unpaired."""
    verdict = found(ABOVE, by_seed(80.0, 80.0, 80.0), by_seed(80.0, 80.0, 80.0), images=360)
    assert verdict.word == "undecided" and verdict.reason == (  # 1 is 0.335 errors: sf of it is 0.37
        "+0.0 points [-5.9, 5.9] over 3 seeds, higher in 0 of 3, equal in 3; that it is within ± 1.0: p = 0.37; "
        "at this mean 360 test images are too few, whatever the number of seeds")


def test_a_published_figure_has_the_error_of_its_own_runs_and_not_that_of_the_same_test_images_drawn_anew():
    """87.6 +- 0.4 over ten runs: 0.126. Ours adds t of 9 degrees of freedom times 0.4 / sqrt(10)."""
    claim = Claim(kind="equal", value=87.6, value_error=0.126, **COMMON)
    verdict = found(claim, standard(10, 87.5, 0.4), images=1000)
    half = np.hypot(stats.t.isf(0.025, 9) * 0.4 / 10**0.5, stats.norm.isf(0.025) * 0.126)
    assert verdict.finding.estimate.half_width() == pytest.approx(half) and verdict.word == "supported"
    assert found(replace(claim, value_error=0.0), standard(10, 87.5, 0.4), images=1000).word == "undecided"
    rough = found(replace(claim, value_error=0.9), standard(10, 87.5, 0.4), images=1000)
    assert rough.word == "undecided" and rough.reason.endswith("the published figure is too rough, whatever the number of seeds")


def test_images_are_paired_where_it_is_known_which_are_right():
    """Of 1000 images each step has 100 wrong, the same but for one in each run: paired, their error is one of 1002 images."""
    after, before = np.ones((3, 1000), bool), np.ones((3, 1000), bool)
    after[:, :100] = before[:, :100] = False
    for seed in range(3):
        after[seed, 500 + seed] = before[seed, 600 + seed] = False
    sides = [Side({str(seed): 100 * row.mean() for seed, row in enumerate(rows)},
                  {str(seed): row for seed, row in enumerate(rows)}, 1000) for rows in (after, before)]
    assert judge(ABOVE, *sides).estimate.image_error == pytest.approx(100 / 1002)
    alone = judge(ABOVE, *(Side(side.percent, {}, 1000) for side in sides)).estimate.image_error
    assert alone == pytest.approx(100 * (2 * 0.899 * 0.101 / 1000) ** 0.5, rel=0.01)
    partly = Side(sides[1].percent, {"0": before[0]}, 1000)
    assert judge(ABOVE, sides[0], partly).estimate.image_error == pytest.approx(alone)  # one run that is not known


def test_above_a_fixed_value_needs_no_other_step():
    verdict = found(EXCEEDS, by_seed(86.0, 86.3, 86.6))
    assert verdict.word == "supported" and verdict.finding.ours == "86.3 ± 0.3"
    assert verdict.reason.startswith("+6.3 points against 80.0 [5.6, 7.0] over 3 seeds, higher in 3 of 3; not 0: p")


@pytest.mark.parametrize("claim, after, before, reason", [
    (ABOVE, {"0": 86.3}, {"0": 80.0}, "+6.3 points; one seed has no spread"),
    (ABOVE, {"0": 86.3, "1": 80.0}, {"0": 80.0, "2": 80.0}, "+6.3 points; one seed has no spread"),
    (EXCEEDS, {"0": 76.0}, None, "-4.0 points against 80.0; one seed has no spread"),
    (EQUAL, {"0": 87.6}, None, "87.6; one seed has no spread"),
    (SAME, {"0-0": 80.0}, {"0": 80.0}, "+0.0 points; one seed has no spread"),
])
def test_one_seed_decides_nothing(claim, after, before, reason):
    verdict = found(claim, after, before)
    assert (verdict.word, verdict.reason, verdict.finding.n, verdict.finding.estimate) == ("undecided", reason, 1, None)


def test_clustering_runs_on_one_pretext_seed_decide_nothing():
    runs = {f"0-{seed}": 87.6 + 0.01 * seed for seed in range(10)}
    for claim, before in ((EXCEEDS, None), (EQUAL, None), (ABOVE, {"0": 80.0})):
        verdict = found(claim, runs, before)
        assert (verdict.word, verdict.finding.n) == ("undecided", 1)
        assert "over 10 clustering runs on one pretext seed, which is one observation: it holds for these" in verdict.reason


def test_two_seeds_show_an_interval_and_decide_nothing():
    verdict = found(EQUAL, by_seed(87.6, 87.6))
    assert (verdict.word, verdict.reason) == ("undecided", "87.6 [87.6, 87.6] over 2 seeds; a decision takes at least 3")


def test_clustering_runs_are_averaged_by_pretext_seed():
    """7 and 5 on the first, as one of 6; with 6.3 and 6.6 on the others as above."""
    runs = {"0-0": 87.0, "0-1": 85.0, "1-0": 87.3, "2-0": 88.6}
    verdict = found(ABOVE, runs, by_seed(80.0, 81.0, 82.0))
    assert verdict.finding.n == 3
    assert verdict.reason.startswith("+6.3 points [5.6, 7.0] over 3 seeds (4 runs), higher in 3 of 3; not 0: p")
    assert verdict.finding.ours == "87.3 ± 1.3 against 81.0 ± 1.0"


def test_equal_is_supported_within_the_margin():
    values = [87.1, 87.3, 87.5]
    verdict = found(EQUAL, by_seed(*values))
    p = max(stats.ttest_1samp(values, 86.6, alternative="greater").pvalue,
            stats.ttest_1samp(values, 88.6, alternative="less").pvalue)
    assert verdict.word == "supported"
    assert verdict.reason == f"87.3 [86.8, 87.8] over 3 seeds; within 87.6 ± 1.0: {p_of(p)}"


def test_equal_is_contradicted_outside_of_it():
    # deviation 1 over 3: 2.484 either side
    verdict = found(EQUAL, standard(3, 84.0, 1.0))
    p = stats.ttest_1samp(list(standard(3, 84.0, 1.0).values()), 86.6).pvalue
    assert (verdict.word, verdict.reason) == ("contradicted", f"84.0 [81.5, 86.5] over 3 seeds; outside of 87.6 ± 1.0: {p_of(p)}")
    assert found(EQUAL, standard(3, 91.2, 1.0)).word == "contradicted"
    assert found(EQUAL, standard(3, 84.6, 1.0)).word == "undecided"


def test_equal_is_undecided_with_the_seeds_that_would_show_it():
    assert found(EQUAL, standard(3, 87.6, 1.0)).reason.endswith(" 11 seeds would decide it with a chance of 80 %")
    # beyond the margin by the deviation: as for a mean of one deviation
    assert found(EQUAL, standard(3, 89.6, 1.0)).reason.endswith(" 10 seeds would decide it with a chance of 80 %")


def test_same_is_equal_of_the_differences_to_nothing():
    before = by_seed(80.0, 70.0, 60.0)
    verdict = found(SAME, by_seed(80.1, 70.3, 60.5), before)
    assert verdict.word == "supported"
    assert verdict.reason == "+0.3 points [-0.2, 0.8] over 3 seeds; within ± 1.0: p = 0.013"
    far = found(SAME, by_seed(84.0, 75.0, 66.0), before)
    assert far.word == "contradicted" and far.reason.startswith("+5.0 points [2.5, 7.5] over 3 seeds; outside of ± 1.0: p = 0.02")
    assert found(SAME, by_seed(79.0, 70.0, 61.0), before).word == "undecided"


def test_the_word_follows_the_corrected_p():
    """p of 0.01 is enough for a claim by itself, and of twenty claims it is 0.2."""
    weak, strong = standard(5, 82.0, 0.98), standard(5, 90.0, 0.5)
    before = by_seed(*[80.0] * 5)
    alone = found(ABOVE, weak, before)
    assert alone.word == "supported" and alone.p == pytest.approx(0.0104, abs=5e-4)
    findings = [judge(ABOVE, Side(side, images=IMAGES), Side(before, images=IMAGES)) for side in [weak] + [strong] * 19]
    first, *others = decide(findings)
    assert first.word == "undecided" and first.corrected == pytest.approx(20 * first.p, rel=1e-6)
    assert "; that it is not 0: p = 0.01, corrected for 20 claims p = 0.21; at this mean and spread " in first.reason
    assert {other.word for other in others} == {"supported"}
    assert others[0].reason.endswith("; not 0: p < 0.001, corrected for 20 claims p < 0.001")


def test_what_cannot_be_tested_does_not_count_among_the_claims():
    before = by_seed(*[80.0] * 5)
    findings = [judge(ABOVE, Side(standard(5, 82.0, 0.98), images=IMAGES), Side(before, images=IMAGES)),
                judge(ABOVE, None, None), judge(ABOVE, Side({"0": 80.0}), Side({"0": 70.0}))]
    first, missing, single = decide(findings)
    assert first.word == "supported" and first.corrected == first.p
    assert (missing.word, missing.p, single.word, single.p) == ("not tested", None, "undecided", None)


WIDE, NARROW = [90.0, 50.0, 70.0, 95.0, 30.0, 80.0], [96.0, 97.5, 97.0, 96.5, 98.0, 97.2]


def test_runs_vary_more_where_they_lie_further_from_their_median():
    """Of 75 and of 97.1. Levene's test by scipy, centred on the median, has the same F; of its 10 degrees of freedom 5 count."""
    verdict = found(VARIES, by_seed(*WIDE), by_seed(*NARROW))
    levene = stats.levene(WIDE, NARROW, center="median")
    assert levene.pvalue == pytest.approx(stats.f.sf(levene.statistic, 1, 10))
    assert verdict.p == pytest.approx(2 * stats.t.sf(levene.statistic**0.5, 5), rel=1e-6) and verdict.p < 0.05
    far = [np.mean(np.abs(runs - np.median(runs))) for runs in (WIDE, NARROW)]
    assert verdict.word == "supported" and verdict.finding.estimate.mean == pytest.approx(1.2 * (far[0] - far[1]))
    assert verdict.reason.startswith("+22.4 points of distance from the median [")
    assert verdict.finding.ours == "69.2 ± 25.0 against 97.0 ± 0.7" and verdict.finding.improvement is None
    assert found(VARIES, by_seed(*NARROW), by_seed(*WIDE)).word == "contradicted"


def test_that_runs_vary_alike_is_undecided_however_many_they_are():
    alike = found(VARIES, standard(40, 80.0, 1.0), standard(40, 97.0, 1.0), matters=50.0)
    assert alike.word == "undecided" and [word for word, _ in alike.finding.tests] == ["contradicted"]
    assert "no difference" not in alike.reason
    constant = found(VARIES, by_seed(*[80.0] * 5), by_seed(*[97.0] * 5))
    why = "that it is not 0: p = 1; at this mean and spread more than 1000 seeds would be needed"
    assert constant.word == "undecided" and constant.reason.endswith(why)


def test_steps_that_have_no_seed_in_common_vary_each_by_its_own():
    """Three clustering runs on each pretext seed are averaged: what they spread in is not what a network begins from."""
    runs = {f"{seed}-{run}": value + shift for seed, value in enumerate(WIDE, 10) for run, shift in enumerate((-20.0, 0.0, 20.0))}
    assert found(VARIES, runs, by_seed(*NARROW)).p == pytest.approx(found(VARIES, by_seed(*WIDE), by_seed(*NARROW)).p)


@pytest.mark.parametrize("seeds, reason", [
    (1, "one seed has no spread"), (2, "; a decision takes at least 5"), (4, "; a decision takes at least 5")])
def test_few_seeds_do_not_show_how_runs_vary(seeds, reason):
    verdict = found(VARIES, by_seed(*WIDE[:seeds]), by_seed(*NARROW))
    assert (verdict.word, verdict.finding.n, verdict.finding.tests) == ("undecided", seeds, ())
    assert verdict.reason.endswith(reason)


def test_a_look_at_too_few_seeds_for_a_test_has_its_share_of_the_level_and_no_other_part():
    narrow = Side(by_seed(*NARROW), images=IMAGES)
    looks = [judge(VARIES, Side(by_seed(*WIDE[:seeds]), images=IMAGES), narrow) for seeds in (3, 6)]
    levene = stats.levene(WIDE, NARROW, center="median")
    (test,) = over_looks(looks, 3).tests
    assert test == ("supported", pytest.approx(3 * 2 * stats.t.sf(levene.statistic**0.5, 5), rel=1e-6))
    assert over_looks(looks[:1], 3).tests == () and decide([over_looks(looks[:1], 3)])[0].word == "undecided"


ONE_CLUSTER, GOOD = [[30, 0, 0], [30, 0, 0], [30, 0, 0]], [[30, 0, 0], [0, 30, 0], [0, 0, 30]]


def test_collapses_looks_at_every_run():
    verdict = found(COLLAPSES, None, confusions={"0": ONE_CLUSTER, "1": ONE_CLUSTER})
    assert (verdict.word, verdict.finding.ours, verdict.finding.n) == ("supported", "2 of 2 collapsed", 2)
    assert verdict.reason == "2 of 2 collapsed: 1 of 3 clusters are used"
    some = found(COLLAPSES, None, confusions={"0": ONE_CLUSTER, "1": ONE_CLUSTER, "2": GOOD})
    assert some.word == "undecided" and some.reason.startswith("2 of 3 collapsed: ")
    assert found(COLLAPSES, None, confusions={"0": GOOD, "1": GOOD}).word == "contradicted"
    single = found(COLLAPSES, None, confusions={"0-0": ONE_CLUSTER, "0-1": ONE_CLUSTER})
    assert single.word == "undecided" and single.reason.endswith("; a decision takes at least 2 seeds")


@pytest.mark.parametrize("claim, after, before", [
    (ABOVE, {}, by_seed(80.0, 81.0)), (ABOVE, by_seed(80.0, 81.0), None), (ABOVE, by_seed(80.0, 81.0), {}),
    (EXCEEDS, None, None), (EQUAL, {}, {}), (SAME, {}, {}), (VARIES, {}, {}), (COLLAPSES, {}, None),
])
def test_what_was_not_run_is_not_tested(claim, after, before):
    assert (found(claim, after, before).word, found(claim, after, before).reason) == ("not tested", "no record")
    assert found(claim, after, before, not_run="no network").reason == "no network"


def test_steps_without_a_seed_in_common_are_not_tested():
    verdict = found(ABOVE, {"0": 80.0}, {"1": 80.0})
    assert (verdict.word, verdict.reason, verdict.finding.n) == ("not tested", "no seed that both steps have", 0)


def test_a_claim_about_another_data_set_is_not_tested():
    claim = Claim(kind="equal", value=87.6, margin=1.0, dataset="cifar10", **COMMON)
    verdict = found(claim, standard(3, 87.6, 0.1), dataset="digits")
    assert (verdict.word, verdict.reason) == ("not tested", "the claim is about cifar10, and digits was run here")
    assert found(claim, standard(3, 87.6, 0.1), dataset="cifar10").word == "supported"
    assert found(EQUAL, standard(3, 87.6, 0.1), dataset="digits").word == "supported"


def test_the_probability_of_improvement_stands_beside_a_verdict_on_two_steps():
    """By hand: of the nine pairs of 81, 79, 85 and 80, 80, 82, five are higher: 81 twice, 85 three times."""
    better = found(ABOVE, by_seed(81.0, 79.0, 85.0), by_seed(80.0, 80.0, 82.0)).finding.improvement
    assert better.value == pytest.approx(5 / 9) and better.low < 5 / 9 < better.high
    assert found(EXCEEDS, by_seed(81.0, 82.0, 83.0)).finding.improvement is None
    assert found(SAME, by_seed(81.0, 82.0, 83.0), by_seed(81.0, 82.0, 83.0)).finding.improvement is None
