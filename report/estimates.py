"""A mean over pretext seeds with both of its errors, that of the seeds and that of the test images; its intervals and tests.

The unit is the pretext seed: clustering runs on the same pretext weights share what these bring, so their mean counts once.
Test images are drawn once for all seeds, so their error does not shrink with the number of seeds.

An interval reaches sqrt((t * seed_error)^2 + (z * image_error)^2) to either side, with t of n - 1 degrees of freedom and z normal
(Howe, JASA 1974). Without the second term it is Student's. Each p here is 1 minus the level at which the interval just excludes
(or is just inside) what is tested.

What holds. For normal seeds: the nominal level, or less where both errors count alike. For a difference of two steps whose
runs have one distribution, whatever that is: differences are symmetric then, and with symmetric values t is conservative but for
lattices (Efron, JASA 1969). For runs against a fixed value, or against runs of another shape, nothing can be guaranteed (Bahadur
& Savage 1956): with skewed seeds, the level was seen to hold where the images' error is of the seeds' size, as it is here, and
6 to 12 % where there is none. A kind of run that comes up in a share q of seeds is missed by n seeds with probability (1 - q)^n,
and no rule can tell. tests/report/test_error_rates.py simulates all this and prints what is seen.

Why t, and not a test without assumptions: of 5 differences, the smallest p of a sign-flip test is 0.06, of 10 it is 0.002, so
that corrected for 30 claims nothing could ever be decided, however large the difference.

All functions take floats, or arrays of one shape in all of an Estimate's fields, in the unit of the caller.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from report.statistics import moments

LEVEL = 0.95
SMALLEST_P = 1e-12
HALVINGS = 45


@dataclass(frozen=True, slots=True)
class Estimate:
    """std: of the units, n - 1 in the denominator; n: how many units, at least 2; image_error: standard error of the mean that
    the draw of the test images makes (image_error, shares_error)."""

    mean: float
    std: float
    n: int
    image_error: float = 0.0

    def half_width(self, level=LEVEL):
        """Half the two-sided interval of the mean."""
        return self._reach(1 - level)

    def interval(self, level=LEVEL):
        """(low, high) of the mean."""
        half = self.half_width(level)
        return self.mean - half, self.mean + half

    def p_differs(self, value=0.0):
        """Two-sided, of the mean being `value`."""
        return self._two_sided(np.abs(self.mean - value))

    def p_within(self, target, margin):
        """Of the mean lying outside target +- margin: the larger of two one-sided tests' (Schuirmann 1987). It is below a where
        the interval of level 1 - 2a is inside."""
        inside = margin - np.abs(self.mean - target)
        half = self._two_sided(np.abs(inside)) / 2
        return np.where(inside > 0, half, 1 - half)

    def p_outside(self, target, margin):
        """Of the mean lying within target +- margin: two-sided, of its being at the nearer edge; 1 where it is inside."""
        beyond = np.abs(self.mean - target) - margin
        return np.where(beyond > 0, self._two_sided(np.maximum(beyond, 0)), 1.0)

    def _reach(self, p):
        seeds, images = stats.t.isf(p / 2, self.n - 1) * self.std / np.sqrt(self.n), stats.norm.isf(p / 2) * self.image_error
        return np.hypot(seeds, images)

    def _two_sided(self, distance):
        """The p at which the interval of level 1 - p reaches exactly `distance`; found by halving, as no formula gives it."""
        low, high = np.full(np.shape(distance), np.log(SMALLEST_P)), np.zeros(np.shape(distance))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            beyond = self._reach(np.exp(middle)) > distance
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
        return np.exp(high)


def estimate(units, image_error):
    """The Estimate of the mean of one float a unit; None for fewer than 2."""
    if len(units) < 2:
        return None
    n, mean, std = moments(units)
    return Estimate(mean, std, n, image_error)


def image_error(by_image):
    """The standard error that the draw of images makes in a mean over units and images.

    Args: by_image: float [units, images], what each image adds in each unit: 0 or 1 for right or wrong, or the difference of two
    of those on the same image. With two units or more, what differs between units from image to image is taken off, as the spread
    of units has that already (two-way analysis of variance, Searle 1971, chapter 9). Never 0: one image that counts wholly is
    added (as Agresti & Coull 1998 and Agresti & Min 2005 do), since what no image of n shows may still be true of one in n.
    """
    units, images = by_image.shape
    of_image = by_image.mean(0)
    variance = of_image.var(ddof=1)
    if units > 1:
        rest = by_image - of_image - by_image.mean(1, keepdims=True) + by_image.mean()
        variance -= (rest**2).sum() / ((units - 1) * (images - 1)) / units
    return float(np.sqrt(max(0.0, variance) / images + 1 / (images + 2) ** 2))


def shares_error(shares, images):
    """The same where no single image is at hand, from the shares (of 1) that are right, one a step: what it is at most, for a
    step, or for a difference of two that do not agree less often than by chance.

    Of two steps it is that at the share of both together, which both have if they do not differ: 33 prototypes that are all right
    have a variance of 0 by themselves, and would err ten times as often as the level says where that is small.

    Args: images: how many, of all or of each.
    """
    shares, images = np.broadcast_arrays(shares, images)
    together = np.average(shares, weights=images)
    return float(np.sqrt(together * (1 - together) * (1 / images).sum() + 1 / (images.min() + 2) ** 2))
