"""The forest of claims by hand: places on the strip, ticks, zones, and what stands where there is no difference."""

import math

import pytest

from harness.pipeline.study import Claim
from report.claims import Judged
from report.estimates import Estimate
from report.forest import EDGE, Scale, difference, forest
from report.verdicts import Finding, Verdict


def judged(estimate, word="supported", margin=2.0, **claim):
    claim = Claim(**{"text": "t", "source": "s", "kind": "above", "of": "a/b/scan", "than": "a/c/scan", **claim})
    return Judged("main", claim, Verdict(word, "", Finding("", estimate=estimate)), margin=margin)


def place(points, linear, limit):
    return 50 + (50 - EDGE) * math.asinh(points / linear) / math.asinh(limit / linear)


def test_a_line_lies_where_its_interval_is():
    """Of a mean of 10 and a deviation of 0 the interval is that of the images: 1.96 errors, 4 points, to either side."""
    scale, (line,) = forest([judged(Estimate(10.0, 0.0, 5, 4 / 1.959964))], 2.0)
    assert (scale.linear, scale.limit) == (2.0, pytest.approx(1.1 * 14))
    assert line.mean == pytest.approx(place(10, 2, 15.4)) and line.interval == pytest.approx(
        (place(6, 2, 15.4), place(14, 2, 15.4)))
    assert line.zone == pytest.approx((place(-2, 2, 15.4), place(2, 2, 15.4))) and line.text == "+10.0 [6.0, 14.0]"


def test_a_claim_about_a_figure_is_drawn_from_that_figure():
    equal = judged(Estimate(75.0, 0.0, 4, 0.01), kind="equal", value=78.0, than="")
    above = judged(Estimate(5.0, 0.0, 4, 0.01), kind="above", value=70.0, than="")  # judge has taken 70 off
    assert (difference(equal), difference(above)) == ("-3.0 [-3.0, -3.0]", "+5.0 [5.0, 5.0]")


def test_what_was_not_tested_is_left_out_and_what_has_no_estimate_has_no_strip():
    _, lines = forest([judged(None, "not tested"), judged(None, kind="collapses", than="", margin=0.0)], 1.0)
    (line,) = lines
    assert (line.text, line.mean, line.interval, line.zone) == ("", None, None, None)


@pytest.mark.parametrize("limit", [1, 3, 15, 60, 110])
def test_ticks_are_symmetrical_and_never_run_into_each_other(limit):
    ticks = Scale(1.0, limit).ticks()
    places = [where for _, where in ticks]
    assert places == sorted(places) and [100 - where for where in reversed(places)] == pytest.approx(places)
    assert min((after - before for before, after in zip(places, places[1:])), default=99) >= 11 and len(ticks) >= 3
    assert [text.replace("−", "+") for text, _ in reversed(ticks)] == [text.replace("−", "+") for text, _ in ticks]


def test_nothing_leaves_the_strip():
    """Two seeds may have an interval of hundreds of points."""
    scale, (line,) = forest([judged(Estimate(1.0, 40.0, 2, 1.0), "undecided")], 1.0)
    assert scale.limit == 110 and line.interval == (EDGE, 100 - EDGE)
