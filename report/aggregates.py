"""Aggregates over data sets: the interquartile mean and the probability of improvement (Agarwal et al., NeurIPS 2021).

Values come in strata, one a data set, each a sequence of floats, one a pretext seed. Every data set has the same weight, whatever
its number of seeds. Intervals are 95 % percentile bootstraps, stratified: seeds are drawn anew within each data set, and the data
sets stay as they are. So an interval is about other seeds on these data sets, and says nothing of other data sets.

Such intervals are too narrow for few seeds: resamples spread by (n - 1) / n of the sample's variance and never leave its range,
and where every run of one side exceeds every run of the other the probability of improvement has an interval without any width.
tests/report/test_error_rates.py simulates how narrow. The test images' error is not in them either. They are here to be compared
with other papers'; no word follows from them.
"""

from dataclasses import dataclass

import numpy as np

from report.statistics import DRAWS, finite, percentiles


@dataclass(frozen=True, slots=True)
class Aggregate:
    """low, high: the 95 % interval; None where a stratum (or one side of it) has a single value, which shows no spread."""

    value: float
    low: float | None = None
    high: float | None = None


def interquartile_mean(strata):
    """The Aggregate of the mean of the middle half of all values (section 4.3, IQM), in their unit.

    The quartiles are those of the pooled distribution in which each stratum weighs the same, and a value that a quartile falls
    on counts in part. Where all strata are of one size, and that a multiple of four in all, this is rliable's `aggregate_iqm`,
    scipy.stats.trim_mean(values, 0.25). Raises ValueError where a stratum is empty.
    """
    arrays = _filled(strata)
    weights = np.concatenate([np.full(len(array), 1 / len(array) / len(arrays)) for array in arrays])
    value = float(_middle(np.concatenate(arrays)[None], weights)[0])
    if min(map(len, arrays)) < 2:
        return Aggregate(value)
    generator = np.random.default_rng(0)
    draws = [array[generator.integers(len(array), size=(DRAWS, len(array)))] for array in arrays]
    return Aggregate(value, *percentiles(_middle(np.concatenate(draws, axis=1), weights)))


def improvement(strata):
    """The Aggregate of the probability that a run of one side exceeds a run of the other (section 4.3), from 0 to 1.

    In each stratum it is the share of all pairs of a run of each side, unpaired by seed, in which the one is above, with half of
    those in which both are equal: Mann & Whitney's U over the number of pairs. The mean over strata is what rliable calls
    `probability_of_improvement`. Each side of each stratum is resampled by itself.

    Args: strata: (values of the one side, values of the other) of each data set. Raises ValueError where either is empty.
    """
    sides = [_filled(stratum) for stratum in strata]
    wins = [(high[:, None] > low) + 0.5 * (high[:, None] == low) for high, low in sides]
    value = float(np.mean([found.mean() for found in wins]))
    if min(size for found in wins for size in found.shape) < 2:
        return Aggregate(value)
    generator = np.random.default_rng(0)
    draws = []
    for found in wins:
        rows, columns = (generator.multinomial(n, [1 / n] * n, size=DRAWS) for n in found.shape)
        draws.append((rows @ found * columns).sum(axis=1) / found.size)  # of whole and half wins, so that 1 is exactly 1
    return Aggregate(value, *percentiles(np.mean(draws, axis=0)))


def _filled(strata):
    if min(map(len, strata), default=0) == 0:
        raise ValueError("no values")
    return [finite(values) for values in strata]


def _middle(values, weights):
    """The weighted mean of each row between its quartiles. Args: values float [rows, n]; weights float [n], of sum 1."""
    order = values.argsort(axis=1)
    upper = weights[order].cumsum(axis=1)
    share = np.minimum(upper, 0.75) - np.maximum(upper - weights[order], 0.25)
    return 2 * (share.clip(0) * np.take_along_axis(values, order, axis=1)).sum(axis=1)
