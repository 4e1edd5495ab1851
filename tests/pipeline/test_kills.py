"""SIGKILL at random moments, each followed by another run: the same summary, byte for byte. kill_trial.py does more of it."""

import random
import subprocess

from .conftest import PATIENCE
from .kill_trial import COMMAND, SUMMARIES, VICTIMS, kill


def test_a_pipeline_killed_at_random_moments_ends_with_the_same_summary(fresh, finished, tmp_path):
    project, draw = fresh.copy(tmp_path / "project"), random.Random(0)
    for victim in VICTIMS:
        process = project.start(*COMMAND)
        try:
            process.wait(draw.uniform(2, 15))
        except subprocess.TimeoutExpired:
            kill(process, victim, draw)
            process.wait(PATIENCE)
    project.run(*COMMAND)
    assert project.bytes(SUMMARIES) == finished.bytes(SUMMARIES) != {}
