"""What a claim comes to, given what was measured: a word, and a sentence with the numbers behind it.

`judge` measures one claim and tests it; `decide` gives all claims of a page their words, since a word follows the p corrected for
their number. A claim that one step is above another is

    supported, contradicted   where the mean difference is not 0,
    no difference             where it is within +- what matters (two one-sided tests), also where it is not 0,
    undecided                 otherwise, or on fewer than three pretext seeds;

a claim that it is the same as another, or equal to a figure, is supported within the margin and contradicted outside. A claim
that its runs vary more than another step's is supported or contradicted where the spreads differ, and else undecided. Which null
hypotheses these tests have, no two of one claim can be true at once, and report/multiplicity.py counts on that. That a step
collapses is seen run by run and is no inference about a mean: it takes part in no correction.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from report.aggregates import Aggregate, improvement
from report.estimates import Estimate, estimate, image_error, shares_error
from report.multiplicity import corrected
from report.power import FEWEST, MOST, seeds_to_differ, seeds_to_equate
from report.runs import collapsed
from report.sequential import spent
from report.statistics import by_unit, distances, higher, moments, pairs, spread

LEVEL = 0.05
"""The chance of any false word on a page is at most this."""
FEWEST_COLLAPSES = 2
"""Pretext seeds that "collapses" takes: a single run is found to have collapsed by chance once in a hundred times."""
FEWEST_SPREADS = 5
"""Pretext seeds that "varies" takes: of four the distances are two equal pairs, whose own spread may be nothing by chance."""
NOT_TESTED, UNDECIDED, NO_DIFFERENCE = "not tested", "undecided", "no difference"
WORDS = ("supported", "contradicted", NO_DIFFERENCE, UNDECIDED, NOT_TESTED)


@dataclass(frozen=True, slots=True)
class Side:
    """What was measured of one step, by seed as in report.statistics.pairs."""

    percent: dict = field(default_factory=dict)
    """seed -> the claim's figure."""
    correct: dict = field(default_factory=dict)
    """seed -> bool [images], what was right; for as many seeds as it is known for."""
    images: int = 0
    """How many the figure is a share of, where `chosen` does not say."""
    chosen: dict = field(default_factory=dict)
    """seed -> int [k], the numbers of the images that the figure is a share of where it is of some alone, as of prototypes."""

    @property
    def distinct(self):
        """How many different images the figure is a share of in all runs: what the error of their draw goes by."""
        return len(np.unique(np.concatenate(list(self.chosen.values())))) if self.chosen else self.images

    def of(self, units):
        """The Side of some pretext seeds alone."""
        percent, correct, chosen = ({seed: value for seed, value in found.items() if seed.split("-")[0] in units}
                                    for found in (self.percent, self.correct, self.chosen))
        return Side(percent, correct, self.images, chosen)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a claim, before the number of claims is looked at."""

    reason: str
    """The numbers, in a sentence without a full stop, or why there are none."""
    word: str = UNDECIDED
    """What it comes to if no test succeeds."""
    ours: str = ""
    """What was measured here, in percent, on the seeds that are compared; empty where nothing was."""
    n: int = 0
    """How many pretext seeds it rests on."""
    estimate: Estimate | None = None
    """Of the difference from another step or a value, in points, or of the figure itself for `equal`, in percent."""
    tests: tuple = ()
    """(word, p) of each test that can decide it, that of the word which goes before first; none where nothing can."""
    forecast: tuple = ()
    """Arguments of `_forecast`, if there are tests."""
    looks: int = 1
    """At how many numbers of seeds it is looked at, which share the level."""
    improvement: Aggregate | None = None
    """For `above` another step: how probable it is that a run of the one exceeds a run of the other."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A Finding with its word. p: of the test that gives the word, or of the nearest one; corrected: for the number of claims."""

    word: str
    reason: str
    finding: Finding
    p: float | None = None
    corrected: float | None = None


def judge(claim, after, before=None, matters=1.0, confusions=None, dataset="", not_run=""):
    """The Finding on a Claim.

    Args:
        after, before: the Side of `of` and of `than`; None where there is none.
        matters: the smallest difference that matters, in points, where the claim has no margin of its own.
        confusions: seed -> confusion matrix of `of`, for `collapses`.
        dataset: what was run here. not_run: why there are no figures.
    """
    if claim.dataset and claim.dataset != dataset:
        return Finding(f"the claim is about {claim.dataset}, and {dataset or 'another data set'} was run here", NOT_TESTED)
    if claim.kind == "collapses":
        return _collapses(confusions or {}, not_run)
    after, before = after or Side(), before or Side()
    if not after.percent or (claim.than and not before.percent):
        return Finding(not_run or "no record", NOT_TESTED)
    if claim.kind == "varies":
        return _varies(after, before, _ours(claim, after, before))
    offset = claim.value if claim.kind == "above" else 0.0
    keys = pairs(after.percent, before.percent) if claim.than else [(seed, "") for seed in after.percent]
    if not keys:
        return Finding(not_run or "no seed that both steps have", NOT_TESTED, _ours(claim, after, before))
    compared = {high.split("-")[0] for high, _ in keys}
    after, before = after.of(compared), before.of(compared)
    ours = _ours(claim, after, before)
    runs = {_run(high, low): after.percent[high] - (before.percent[low] if low else offset) for high, low in keys}
    units = by_unit(runs)
    values = list(units.values())
    mean = float(np.mean(values))
    shown = f"{mean:.1f}" if claim.kind == "equal" else _points(claim, mean)
    if len(runs) == 1:
        return Finding(f"{shown}; one seed has no spread", ours=ours, n=1)
    if len(units) == 1:
        return Finding(f"{shown} over {len(runs)} clustering runs on one pretext seed, which is one observation: it holds for "
                       "these pretext weights, and says nothing of others", ours=ours, n=1)
    found = estimate(values, claim.value_error or _image_error(keys, after, before))
    low, high = found.interval()
    counted = f"{len(units)} seeds" + (f" ({len(runs)} runs)" if len(runs) > len(units) else "")
    reason = f"{shown} [{low:z.1f}, {high:z.1f}] over {counted}" + (f", {higher(values)}" if claim.kind == "above" else "")
    if len(units) < FEWEST:
        return Finding(f"{reason}; a decision takes at least {FEWEST}", ours=ours, n=len(units), estimate=found)
    margin, target = claim.margin or matters, claim.value if claim.kind == "equal" else 0.0
    two = claim.kind == "above" and claim.than
    better = improvement([[list(by_unit(side.percent).values()) for side in (after, before)]]) if two else None
    limit = "the published figure is too rough" if claim.value_error else _too_few(after)
    return Finding(reason, UNDECIDED, ours, len(units), found, _tests(claim, found, target, margin),
                   (claim.kind, found, target, margin, limit), improvement=better)


def over_looks(found, looks):
    """The Finding of the last look at a claim, with p over all looks so far (report/sequential.py) that had seeds for a test.

    Args: found: the Finding of each look so far; looks: how many there are in all.
    """
    tests = []
    for at_looks in zip(*(finding.tests for finding in found if finding.tests)):
        ps = [p for _, p in at_looks]
        word, _ = at_looks[ps.index(min(ps))]
        tests.append((word, spent(ps, looks)))
    return replace(found[-1], tests=tuple(tests), looks=looks, reason=f"{found[-1].reason}, look {len(found)} of {looks}")


def decide(findings):
    """The Verdict on each of the findings of a page, in their order."""
    tested = [finding for finding in findings if finding.tests]
    after = iter(corrected([[p for _, p in finding.tests] for finding in tested]))
    return [_decided(finding, next(after), len(tested)) if finding.tests else Verdict(finding.word, finding.reason, finding)
            for finding in findings]


def _decided(finding, corrected_ps, claims):
    tests = [(word, p, after) for (word, p), after in zip(finding.tests, corrected_ps)]
    word, p, after = next((test for test in tests if test[2] <= LEVEL), min(tests, key=lambda test: test[1]))
    numbers = _p(p) + (f", corrected for {claims} claims {_p(after)}" if claims > 1 else "")
    what = _statement(word, *finding.forecast)
    if after <= LEVEL:
        so = ", so no difference that matters" * (word == NO_DIFFERENCE)
        return Verdict(word, f"{finding.reason}; {what}{so}: {numbers}", finding, p, after)
    forecast = _forecast(*finding.forecast, LEVEL / claims / finding.looks)
    return Verdict(UNDECIDED, f"{finding.reason}; that it is {what}: {numbers}; {forecast}", finding, p, after)


def _statement(word, kind, found, target, margin, limit):
    """What the test of a word is to show of the mean."""
    about = f"{target:.1f} ± {margin:.1f}" if kind == "equal" else f"± {margin:.1f}"
    if kind == "above":
        return f"within {about}" if word == NO_DIFFERENCE else "not 0"
    return f"{'within' if word == 'supported' else 'outside of'} {about}"


def _run(high, low):
    """The seed of a pair's clustering run, where either has one."""
    return max(high, low, key=len)


def _tests(claim, found, target, margin):
    within = float(found.p_within(target, margin))
    if claim.kind == "above":
        direction = "supported" if found.mean > 0 else "contradicted"
        return (NO_DIFFERENCE, within), (direction, float(found.p_differs()))
    return ("supported", within), ("contradicted", float(found.p_outside(target, margin)))


def _image_error(keys, after, before):
    """In points. Paired by image where it is known of every run which images it has right."""
    if all(high in after.correct and (not low or low in before.correct) for high, low in keys):
        runs = {_run(high, low): after.correct[high] - (before.correct[low].astype(float) if low else 0.0)
                for high, low in keys}
        return 100 * image_error(np.stack(list(by_unit(runs).values())))
    sides = [side for side in (after, before) if side.percent]
    shares = [np.mean(list(side.percent.values())) / 100 for side in sides]
    return 100 * shares_error(shares, [side.distinct for side in sides])


def _too_few(side):
    return f"{side.distinct:,} test images are too few"


def _forecast(kind, found, target, margin, limit, level):
    """How many seeds would decide it with a chance of 80 %, at mean and spread as they are; or what keeps any number from it."""
    off = abs(found.mean - target)
    ways = [(seeds_to_equate(off, margin, found.std, found.image_error, level), margin - off)] if off < margin else []
    beyond = off if kind == "above" else off - margin
    if beyond > 0:
        ways.append((seeds_to_differ(beyond, found.std, found.image_error, level), beyond))
    needed = [seeds for seeds, _ in ways if seeds]
    if needed:
        return f"at this mean and spread {min(needed)} seeds would decide it with a chance of 80 %"
    still = Estimate(0.0, 0.0, 2, found.image_error).half_width(1 - level)
    if ways and all(distance <= still for _, distance in ways):
        return f"at this mean {limit}, whatever the number of seeds"
    return f"at this mean and spread more than {MOST} seeds would be needed"


def _varies(after, before, ours):
    """Welch's test of the mean distances from the median, with the degrees of freedom of the fewer seeds.

    It is about these test images, whose draw so adds no error but that of one image, which a share is exact to. No test finds
    spreads to be alike: a kind of run that comes up in one of ten may be among none of these.
    """
    spreads = [moments(distances(side.percent)) for side in (after, before)]
    n, mean = min(count for count, _, _ in spreads), spreads[0][1] - spreads[1][1]
    if n == 1:
        return Finding("one seed has no spread", ours=ours, n=1)
    found = Estimate(mean, (n * sum(std**2 / count for count, _, std in spreads)) ** 0.5, n, 100 / (after.images + 2))
    low, high = found.interval()
    reason = f"{mean:+z.1f} points of distance from the median [{low:z.1f}, {high:z.1f}] over {n} seeds"
    if n < FEWEST_SPREADS:
        return Finding(f"{reason}; a decision takes at least {FEWEST_SPREADS}", ours=ours, n=n, estimate=found)
    tests = (("supported" if mean > 0 else "contradicted", float(found.p_differs())),)
    return Finding(reason, UNDECIDED, ours, n, found, tests, ("above", found, 0.0, 0.0, _too_few(after)))


def _collapses(confusions, not_run):
    if not confusions:
        return Finding(not_run or "no record", NOT_TESTED)
    found = {seed: collapsed(confusion) for seed, confusion in confusions.items()}
    units = by_unit({seed: bool(why) for seed, why in found.items()})
    broken = [why for why in found.values() if why]
    count = f"{len(broken)} of {len(found)} collapsed"
    reason = count + (f": {'; '.join(dict.fromkeys(broken))}" if broken else "")
    if len(units) < FEWEST_COLLAPSES:
        return Finding(f"{reason}; a decision takes at least {FEWEST_COLLAPSES} seeds", UNDECIDED, count, len(units))
    word = "supported" if len(broken) == len(found) else UNDECIDED if broken else "contradicted"
    return Finding(reason, word, count, len(units))


def _ours(claim, after, before):
    """What was measured of the claim's steps, in percent."""
    return f"{_figure(after)} against {_figure(before)}" if claim.than else _figure(after)


def _figure(side):
    found = spread(list(by_unit(side.percent).values()))
    return f"{found.mean:.1f}" + (f" ± {found.std:.1f}" if found.std is not None else "")


def _points(claim, mean):
    against = f" against {claim.value:.1f}" if claim.kind == "above" and claim.value else ""
    return f"{mean:+z.1f} points{against}"


def _p(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
