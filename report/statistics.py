"""Mean and spread over seeds."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """values: one a seed, in the order of the seeds; std: of the sample (n - 1 in the denominator), None for one seed."""

    values: tuple
    mean: float
    std: float | None

    @property
    def n(self):
        return len(self.values)


def spread(values):
    """The Spread of a sequence of floats. Raises ValueError for an empty one."""
    if len(values) == 0:
        raise ValueError("no values")
    array = np.asarray(values, float)
    return Spread(tuple(array.tolist()), float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None)
