"""`kill -9` of the whole pipeline at random moments, each followed by another `dvc repro`: the same summary, byte for byte.

KILLS sets how many (default 3).
"""

import contextlib
import os
import random
import signal
import time

import pytest

from studies.run import sweep

SUMMARY = "runs/digits/summary/main/cells.csv"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of DVC's own libraries
def test_a_pipeline_killed_at_random_moments_ends_with_the_same_summary(fresh, finished, tmp_path):
    project = fresh.copy(tmp_path / "project")
    draw = random.Random(0)
    for kill in range(int(os.environ.get("KILLS", "3"))):
        process = project.start("dvc", "repro")
        deadline = time.monotonic() + draw.uniform(2, 12)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)  # the pipeline and the stage at work
        else:
            process.kill()  # the pipeline alone: its stage works on, and the next `dvc repro` must wait for it
        process.wait()
        with contextlib.chdir(project.folder):
            sweep()  # a kill may leave there what DVC cannot read
    project.run("dvc", "repro")
    assert project.bytes(SUMMARY) == finished.bytes(SUMMARY)
