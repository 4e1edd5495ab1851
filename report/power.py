"""Forecasts at 80 % power: how many seeds would show something, and what so many seeds can show.

A forecast takes the spread of the seeds as known to be that of the records there are, and the test images as those that there
are: their error stays whatever the number of seeds.
"""

import numpy as np
from scipy import stats

from report.estimates import Estimate

POWER = 0.8
FEWEST, MOST = 3, 1000
"""Seeds that a decision takes at least; beyond MOST, no number is given."""
SPREADS = (np.arange(100) + 0.5) / 100
"""Quantiles over which the spread of a sample is averaged."""


def chance_to_differ(distance, std, image_error, n, level):
    """The chance that the two-sided interval of level 1 - `level` excludes what lies `distance` from the mean.

    Args: n: one whole number or an array of them, from 2 on. Returns: float, or float array alike.
    """
    return _chance(std, image_error, n, level, lambda reach, error: _above(distance - reach, error) + _above(
        -distance - reach, error))


def chance_to_equate(distance, margin, std, image_error, n, level):
    """The chance that two one-sided tests at `level` show a mean that lies `distance` from the target to be within +- margin."""
    return _chance(std, image_error, n, 2 * level, lambda reach, error: np.maximum(
        0, _above(margin - reach - distance, error) - _above(reach - margin - distance, error)))


def seeds_to_differ(distance, std, image_error, level):
    """The fewest seeds with chance_to_differ of 80 %; None where it takes more than 1000 or the images cannot tell."""
    return _fewest(lambda n: chance_to_differ(distance, std, image_error, n, level))


def seeds_to_equate(distance, margin, std, image_error, level):
    """The fewest seeds with chance_to_equate of 80 %; None as above."""
    return _fewest(lambda n: chance_to_equate(distance, margin, std, image_error, n, level))


def visible(n, std, image_error, level):
    """The least difference that n seeds show with a chance of 80 %, in the unit of `std`."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if chance_to_differ(middle, std, image_error, n, level) >= POWER else (middle, high)
    return high


def _chance(std, image_error, n, level, given):
    """`given` (reach of the interval, standard error of the seeds), averaged over the spreads that n seeds may show."""
    n = np.asarray(n)[..., None]
    seen = std * np.sqrt(stats.chi2.ppf(SPREADS, n - 1) / (n - 1))
    reach = Estimate(0.0, seen, n, image_error).half_width(1 - level)
    return given(reach, std / np.sqrt(n)).mean(-1)


def _above(distance, error):
    """The chance that a normal value with mean `distance` is above 0; `error` of 0 gives 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, stats.norm.cdf(distance / error), distance > 0)


def _fewest(chance):
    """By halving: a chance of 80 % or more only grows with n."""
    low, high = FEWEST, MOST + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > MOST or chance(middle) >= POWER else (middle + 1, high)
    return low if low <= MOST else None
