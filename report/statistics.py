"""Mean and spread over seeds, what belongs together, intervals, and where variance comes from.

Values are floats, one a run, in whatever unit the caller has. Every function raises ValueError for a value that is not a
finite number. What is drawn at random is drawn from a fixed seed, so that the same values give the same report.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
ENUMERATED_VALUES = 6
"""Up to this many values, all n^n resamples are taken (46,656 for 6)."""
DRAWS = 10_000
"""Resamples drawn where there are too many to take all."""


@dataclass(frozen=True)
class Spread:
    """values: one a seed, in the order of the seeds; std: of the sample (n - 1 in the denominator), None for one seed."""

    values: tuple
    mean: float
    std: float | None

    @property
    def n(self):
        return len(self.values)

    def text(self):
        return f"{self.mean:.1f}" + (f" ± {self.std:.1f}" if self.std is not None else "")


@dataclass(frozen=True, slots=True)
class Variance:
    """Where the variance of runs comes from: between pretext seeds, or within one, between the clustering seeds on it."""

    between: float
    """Variance component, in the squared unit of the values; an estimate below 0 is given as 0."""
    within: float
    """Variance component, as above."""
    share: float | None
    """between / (between + within), the intraclass correlation ICC(1); None where all values are equal."""
    low: float | None
    """Of the share's exact 95 % interval; None where groups differ in size, all values are equal, or no share of 0 or more is in
    it: the groups' means then lie closer together than 97.5 % of draws without any share would put them."""
    high: float | None
    groups: int
    per_group: float
    """Values in each group; where groups differ in size, the n0 that stands for it."""


def spread(values):
    """The Spread of a sequence of floats. Raises ValueError for an empty one."""
    if len(values) == 0:
        raise ValueError("no values")
    array = finite(values)
    return Spread(tuple(array.tolist()), float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None)


def t_interval(values, level=LEVEL):
    """(low, high) of the mean by Student's t, which takes the values as independent and normal. None for fewer than 2."""
    if len(values) < 2:
        return None
    n, mean, std = moments(values)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * std / n**0.5)
    return mean - half, mean + half


def bootstrap_interval(values, level=LEVEL):
    """(low, high) of the mean by the percentile bootstrap (Efron & Tibshirani 1993, chapter 13). None for fewer than 2.

    Up to 6 values all n^n resamples are taken, so that nothing is random; beyond, 10,000 are drawn. With few seeds the
    interval is too narrow: resamples spread by (n - 1) / n of the sample's variance and never leave its range. From 3
    normal values, the 95 % interval holds the true mean only about three times in four. t_interval does not have this flaw.
    """
    if len(values) < 2:
        return None
    array = finite(values)
    n = len(array)
    if n <= ENUMERATED_VALUES:
        picks = np.indices((n,) * n).reshape(n, -1).T
    else:
        picks = np.random.default_rng(0).integers(n, size=(DRAWS, n))
    return percentiles(array[picks].mean(axis=1), level)


def pairs(after, before):
    """((key of after, key of before), ...) of the runs that belong together, in the order of `before`, then of `after`.

    Keys are seeds as text: "0" is pretext seed 0, "0-3" clustering seed 3 on it. Equal keys belong together, and a one-part
    key belongs with every two-part key of its pretext seed: k-means on the features of pretext seed 0 is compared with each
    clustering run on them. Differences from one pretext seed are not independent: `by_unit` averages them.
    """
    return tuple((high, low) for low in before for high in after if _together(high, low))


def _together(one, other):
    return one == other or (("-" in one) != ("-" in other) and one.split("-")[0] == other.split("-")[0])


def by_unit(values):
    """Clustering runs averaged by pretext seed, the unit of every interval and test: {pretext seed: mean}.

    Args: values: {"0-3": float or array, ...}, or {"0": ..., ...}.
    """
    found = {}
    for seed, value in values.items():
        found.setdefault(seed.split("-")[0], []).append(value)
    return {unit: np.mean(runs, axis=0) for unit, runs in found.items()}


def higher(differences):
    """How many are above 0, in words, and how many are 0, where any is: "higher in 2 of 10, equal in 5"."""
    above, equal = (sum(found) for found in zip(*((value > 0, value == 0) for value in differences)))
    return f"higher in {above} of {len(differences)}" + (f", equal in {equal}" if equal else "")


def distances(values):
    """How far each pretext seed lies from the median of all of them, as a float array.

    Spreads are compared by the means of these (Brown & Forsythe, JASA 1974). They are multiplied by n / (n - 1), since a median
    follows the values that it is the median of: of 5 normal values the mean distance is 83 % of that from the true median.

    Args: values: as in `by_unit`.
    """
    units = finite(list(by_unit(values).values()))
    return np.abs(units - np.median(units)) * len(units) / max(1, len(units) - 1)


def paired(after, before):
    """after - before by pretext seed, a tuple of floats. Args: two mappings of seed to value, keys as in `pairs`."""
    return tuple(paired_by_seed(after, before).values())


def paired_by_seed(after, before):
    """The same as {pretext seed: difference}."""
    found = by_unit({max(high, low, key=len): after[high] - before[low] for high, low in pairs(after, before)})
    return dict(zip(found, finite(list(found.values())).tolist()))


def variance_shares(groups):
    """The Variance of runs by a one-way analysis with random effects (Searle 1971, chapter 9; McGraw & Wong 1996, ICC(1)).

    Args: groups: pretext seed -> sequence of the values of its clustering seeds. The interval of the share is the exact one,
    from the F distribution, cut to 0..1; it holds for groups of one size.
    Raises: ValueError for fewer than 2 groups or fewer than 2 values in a group.
    """
    if len(groups) < 2:
        raise ValueError(f"{len(groups)} groups, and at least 2 are needed")
    for key, values in groups.items():
        if len(values) < 2:
            raise ValueError(f"group {key} has {len(values)} values, and at least 2 are needed")
    arrays = [finite(values) for values in groups.values()]
    sizes = np.array([len(array) for array in arrays])
    k, total = len(arrays), int(sizes.sum())
    balanced = len(set(sizes.tolist())) == 1
    per_group = int(sizes[0]) if balanced else float((total - (sizes**2).sum() / total) / (k - 1))
    everything = np.concatenate(arrays)
    if everything.min() == everything.max():
        return Variance(0.0, 0.0, None, None, None, k, per_group)
    means = np.array([moments(array)[1] for array in arrays])
    among = float((sizes * (means - everything.mean()) ** 2).sum() / (k - 1))
    within = float(sum(((array - mean) ** 2).sum() for array, mean in zip(arrays, means)) / (total - k))
    between = max(0.0, (among - within) / per_group)
    low, high = _share_interval(among, within, k, per_group) if balanced else (None, None)
    return Variance(between, within, between / (between + within), low, high, k, per_group)


def _share_interval(among, within, k, m):
    """The 95 % interval of ICC(1), from mean squares among and within k groups of m."""
    if within == 0:
        return 1.0, 1.0
    tail = (1 - LEVEL) / 2
    quotients = [among / within / stats.f.isf(q, k - 1, k * (m - 1)) for q in (tail, 1 - tail)]
    low, high = (float((quotient - 1) / (quotient + m - 1)) for quotient in quotients)
    return (max(low, 0.0), high) if high >= 0 else (None, None)


def finite(values):
    """The values as a float array. Raises ValueError for one that is not finite."""
    array = np.asarray(values, float)
    if not np.isfinite(array).all():
        raise ValueError(f"{array[~np.isfinite(array)][0]} among the values, which should be finite")
    return array


def moments(values):
    """(n, mean, std), where equal values have a deviation of exactly 0."""
    array = finite(values)
    if array.min() == array.max():  # summing rounds, and a spread of 1e-17 would pass for one
        return len(array), float(array[0]), 0.0
    return len(array), float(array.mean()), float(array.std(ddof=1))


def percentiles(draws, level=LEVEL):
    """(low, high) that leave (1 - level) / 2 of the draws on either side."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], method="averaged_inverted_cdf")
    return float(low), float(high)
