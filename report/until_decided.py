"""Pretext seeds added to a study at looks fixed beforehand, until each of its claims is decided or can no longer be."""

import re
import time
from pathlib import Path

from harness.errors import UserError
from harness.files import read_text, write_text
from harness.params import PARAMS, pretext_seeds
from report.claims import judge_all
from report.power import chance_to_differ, chance_to_equate
from report.sequential import LOOKS
from report.summaries import data_set, read_summaries, studies_not_run
from report.verdicts import LEVEL, UNDECIDED

HOPELESS = 0.1
"""A claim that the last look would decide with less than this chance is not waited for. Stopping so errs in no word."""


def until_decided(study, dataset, run, most=LOOKS[-1], budget=float("inf")):
    """Run a study at each look with as many pretext seeds, until none of its claims is worth another, or time is up.

    The looks are written into params.yaml before anything is looked at, and the seeds as they grow; the report reads both.

    Args: run: what brings the study and the report up to date; most: pretext seeds at most; budget: seconds; no look is begun
    that would, by the time that the one before took, end after them.
    """
    looks = tuple(look for look in LOOKS if look <= most)
    if not looks:
        raise UserError(f"--at-most {most} is fewer than the first look, at {LOOKS[0]} seeds")
    began = time.monotonic()
    known = sorted(pretext_seeds())
    seeds = known + list(range(known[-1] + 1, known[-1] + 1 + looks[-1]))  # rising, as the report takes those of a look
    write_params(looks=looks)
    for look, following in zip(looks, (*looks[1:], None)):
        if look > len(known):
            write_params(pretext_seeds=seeds[:look])
        run()
        spent = time.monotonic() - began
        waiting = open_claims(study, dataset, looks)
        print(f"look at {look} seeds: {len(waiting)} claims of {study} are still worth waiting for")
        for claim in waiting:
            print(f"  {claim.text}")
        if not waiting or following is None:
            return
        if spent * following / look > budget:
            print(f"{following} seeds would take longer than the budget, {budget / 3600:.1f} h: stopped")
            return


def open_claims(study, dataset, looks):
    """The claims of a study that are undecided and that the last look may still decide."""
    facts = data_set(dataset)
    found = read_summaries(Path("runs") / dataset / "summary")
    judged = judge_all(found, studies_not_run(found), facts, looks)
    level = LEVEL / max(1, sum(bool(one.verdict.finding.tests) for one in judged)) / len(looks)
    return [one.claim for one in judged if one.study == study and one.verdict.word == UNDECIDED
            and one.verdict.finding.forecast and hope(*one.verdict.finding.forecast, looks[-1], level) >= HOPELESS]


def hope(kind, found, target, margin, images, n, level):
    """The chance that so many seeds decide a claim, at mean and spread as they are."""
    off, errors = abs(found.mean - target), (found.std, found.image_error, n, level)
    beyond = off if kind == "above" else off - margin
    differ = chance_to_differ(beyond, *errors) if beyond > 0 else 0.0
    return max(float(differ), float(chance_to_equate(off, margin, *errors)))


def write_params(**values):
    """Set lists of params.yaml that stand on a line of their own, and leave all else as it is."""
    text = read_text(PARAMS)
    for key, value in values.items():
        text, times = re.subn(rf"(?m)^{key}: *\[.*?\]", f"{key}: {list(value)}", text)
        if times != 1:
            raise UserError(f"{PARAMS} should have `{key}: [...]` on one line, so that it can be set")
    write_text(PARAMS, text)
