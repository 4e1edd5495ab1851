"""What a claim comes to, given what was measured: a word, and a sentence with the numbers behind it."""

from dataclasses import dataclass

from report.statistics import (
    ENUMERATED_SIGNS,
    MOST_SEEDS,
    Improvement,
    improvement,
    pairs,
    seeds_to_decide,
    seeds_to_equate,
    sign_flip,
    spread,
    t_interval,
    tost,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about a claim."""

    word: str
    """supported | contradicted | undecided | not tested"""
    reason: str
    """The numbers that decide it, or what keeps it open, in a sentence without a full stop."""
    ours: str = ""
    """What was measured here, in percent, to stand beside the published figures; empty where nothing was."""
    n: int = 0
    """How many values or differences the verdict rests on."""
    interval: tuple | None = None
    """(low, high), the 95 % t interval of `mean`; None for fewer than 2 values and for `collapses`."""
    mean: float | None = None
    """In points, of the differences from another step, or from what is to be exceeded; in percent, for `equal`."""
    improvement: Improvement | None = None
    """For `above` another step: how probable it is that a run of the one exceeds a run of the other."""


def judge(claim, after, before, degenerate=(), dataset="", not_run=""):
    """The Verdict on a Claim.

    Args:
        after, before: seed -> figure in percent of the steps `of` and `than`, keys as in report.statistics.pairs; None or
            empty where there are none. `before` is not looked at where the claim names no other step.
        degenerate: seed -> sentences on what is wrong with the result of `of`, an empty list where nothing is.
        dataset: what was run here. not_run: why there are no figures.
    """
    if claim.dataset and claim.dataset != dataset:
        return Verdict("not tested", f"the claim is about {claim.dataset}, and {dataset or 'another data set'} was run here")
    after, before = after or {}, before or {}
    if claim.kind == "collapses":
        return _collapses(after, dict(degenerate), not_run)
    if not after or (claim.than and not before):
        return Verdict("not tested", not_run or "no record")
    if claim.than:
        keys = pairs(after, before)
        values = [after[high] - before[low] for high, low in keys]
        seeds = [high for high, _ in keys]
        ours = f"{_figure(after)} against {_figure(before)}"
    else:
        values = [value - claim.value if claim.kind == "above" else value for value in after.values()]
        seeds, ours = list(after), _figure(after)
    if not values:
        return Verdict("not tested", not_run or "no seed that both steps have", ours)
    mean = spread(values).mean
    if len(values) == 1:
        shown = f"{mean:.1f}" if claim.kind == "equal" else _points(claim, mean)
        return Verdict("undecided", f"{shown}; one seed has no spread", ours, 1, None, mean)
    word, reason = _above(claim, values, seeds) if claim.kind == "above" else _within(claim, values, seeds)
    better = improvement(list(after.values()), list(before.values())) if claim.kind == "above" and claim.than else None
    return Verdict(word, reason, ours, len(values), t_interval(values), mean, better)


def _collapses(after, degenerate, not_run):
    seeds = list(dict.fromkeys([*after, *degenerate]))
    if not seeds:
        return Verdict("not tested", not_run or "no record")
    broken = [seed for seed in seeds if degenerate.get(seed)]
    word = "supported" if len(broken) == len(seeds) else "undecided" if broken else "contradicted"
    count = f"{len(broken)} of {len(seeds)} degenerate"
    sentences = dict.fromkeys(sentence for seed in broken for sentence in degenerate[seed])
    return Verdict(word, count + (": " + "; ".join(sentences) if sentences else ""), count, len(seeds))


def _above(claim, differences, seeds):
    """(word, reason) of differences, two or more."""
    low, high = t_interval(differences)
    word = "supported" if low > 0 else "contradicted" if high < 0 else "undecided"
    n, runs, flip = len(differences), _noun(seeds), sign_flip(differences)
    mean = spread(differences).mean
    reason = [
        f"{_points(claim, mean)} {_bracket(low, high)} over {_counted(seeds)}",
        f"higher in {sum(value > 0 for value in differences)} of {n}",
        ("exact " if n <= ENUMERATED_SIGNS else "") + f"sign-flip {_p(flip.p)}"
        + (f", the smallest that {n} {runs} allow" if n <= ENUMERATED_SIGNS and flip.p <= flip.smallest else ""),
    ]
    if word == "undecided":
        reason.append(_forecast(seeds_to_decide(differences), abs(mean), "the mean difference is 0", "decide it", runs))
    return word, "; ".join(reason)


def _within(claim, values, seeds):
    """(word, reason) of two or more values about a published mean, or differences about 0."""
    low, high = claim.value - claim.margin, claim.value + claim.margin
    mean, runs = spread(values).mean, _noun(seeds)
    test, wide = tost(values, claim.value, claim.margin), t_interval(values)
    shown = _points(claim, mean) if claim.kind == "same" else f"{mean:.1f}"
    margin = f"{claim.value:.1f} ± {claim.margin:.1f}"
    at90 = f"{shown} {_bracket(test.low, test.high)} at 90 % over {_counted(seeds)}"
    at95 = f"{shown} {_bracket(*wide)} at 95 % over {_counted(seeds)}"
    if low < test.low and test.high < high:
        return "supported", f"{at90}, inside {margin}; two one-sided t tests, {_p(test.p)}"
    if wide[0] > high or wide[1] < low:
        return "contradicted", f"{at95}, wholly outside {margin}"
    if low < mean < high:
        needed = seeds_to_equate(values, claim.value, claim.margin)
        forecast = _forecast(needed, claim.margin, "", "show it to be inside", runs)
        return "undecided", f"{at90}, partly outside {margin}; {forecast}"
    edge = high if mean > claim.value else low
    needed = seeds_to_decide(values, edge)
    forecast = _forecast(needed, abs(mean - edge), "the mean is at the edge", "show it to be outside", runs)
    return "undecided", f"{at95}, partly inside {margin}; {forecast}"


def _forecast(needed, distance, stuck, what, runs):
    """How many seeds would do `what`; `stuck` says what keeps any number from it, where `distance` is 0."""
    if needed:
        return f"at this spread {needed} {runs} would {what}"
    if distance < 1e-9:  # differences of floats
        return f"{stuck}, and no number of {runs} would decide it"
    return f"at this spread more than {MOST_SEEDS} {runs} would be needed"


def _pretext(seeds):
    return len({seed.split("-")[0] for seed in seeds})


def _noun(seeds):
    return "seeds" if _pretext(seeds) == len(seeds) else "runs"


def _counted(seeds):
    """Runs on the same pretext seed share what it brings, which the interval does not know: said where there are any."""
    n, pretext = len(seeds), _pretext(seeds)
    if pretext == n:
        return f"{n} seeds"
    return f"{n} runs on {pretext} pretext seed{'s' if pretext > 1 else ''}, counted as independent"


def _figure(values):
    found = spread(list(values.values()))
    return f"{found.mean:.1f}" + (f" ± {found.std:.1f}" if found.std is not None else "")


def _points(claim, mean):
    against = f" against {claim.value:.1f}" if claim.kind == "above" and claim.value else ""
    return f"{mean:+z.1f} points{against}"


def _bracket(low, high):
    return f"[{low:z.1f}, {high:z.1f}]"


def _p(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"
