"""The claims as a forest plot: where each difference lies on a strip, from what the claim compares it with.

A strip is as wide as its column, so places on it are in percent of its width, 50 for no difference. The scale is that of asinh:
linear near 0, where it is decided what matters, and logarithmic beyond, so that 2 points and 50 points both can be read.
"""

from dataclasses import dataclass

import numpy as np

from report.verdicts import NOT_TESTED

TICKS = (100, 50, 20, 10, 5, 2, 1, 0.5)
APART = 11
"""Percent of the width that a tick's text takes, on a phone."""
EDGE = 3
"""Percent of the width that is left free on either side."""


@dataclass(frozen=True)
class Scale:
    """linear: up to how many points it is about linear; limit: how many the edge stands for."""

    linear: float
    limit: float

    def __call__(self, points):
        """The place of a difference in points; one beyond the edge lies on it."""
        share = np.arcsinh(points / self.linear) / np.arcsinh(self.limit / self.linear)
        return 50 + (50 - EDGE) * float(np.clip(share, -1, 1))

    def ticks(self):
        """(text, place) of the ticks from left to right, none too near another."""
        right, free = [], 100.0
        for points in TICKS:
            if points < self.limit and 50 + APART <= self(points) <= free:
                right.append((points, self(points)))
                free = self(points) - APART
        return [*((f"−{points:g}", 100 - place) for points, place in right), ("0", 50.0),
                *((f"+{points:g}", place) for points, place in reversed(right))]


@dataclass(frozen=True)
class Line:
    """A tested claim on its strip: places of the mean, of its 95 % interval, and of the zone in which a difference does not
    matter or is allowed for by the claim; None where there is none. text: mean and interval in points."""

    judged: object
    text: str = ""
    mean: float | None = None
    interval: tuple | None = None
    zone: tuple | None = None


def forest(claims, matters):
    """(Scale, a Line for each claim that was tested), from the Judged of a data set; matters: what matters on it, in points."""
    tested = [judged for judged in claims if judged.verdict.word != NOT_TESTED]
    reach = [end for judged in tested for end in (*_points(judged)[1:], judged.margin)]
    scale = Scale(matters, min(1.1 * max([3 * matters, *map(abs, reach)]), 110))
    return scale, [_line(judged, scale) for judged in tested]


def _line(judged, scale):
    found = _points(judged)
    if not found:
        return Line(judged)
    mean, low, high = found
    zone = (scale(-judged.margin), scale(judged.margin)) if judged.margin else None
    return Line(judged, difference(judged), scale(mean), (scale(low), scale(high)), zone)


def difference(judged):
    """The difference and its interval as text, in points; empty where there is no estimate."""
    found = _points(judged)
    return "{:+z.1f} [{:z.1f}, {:z.1f}]".format(*found) if found else ""


def _points(judged):
    """(mean, low, high) from another step or from the claim's figure; empty where there is no estimate."""
    found = judged.verdict.finding.estimate
    if found is None:
        return ()
    target = judged.claim.value if judged.claim.kind == "equal" else 0.0
    return tuple(value - target for value in (found.mean, *found.interval()))
