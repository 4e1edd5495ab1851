"""Stages by the server that `python -m studies run` has, against stages without: the same bits, whatever is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness import server

from .conftest import PATIENCE, STAGES


@pytest.fixture
def served(monkeypatch):
    monkeypatch.delenv(server.ADDRESS, raising=False)
    with server.started("cpu") as process:
        yield process


def test_every_stage_has_the_bits_that_it_has_without(fresh, finished, served, tmp_path):
    """A torch that cannot be imported shows that each was a fork's, which has the real one."""
    project = fresh.copy(tmp_path / "project")
    (project.folder / "torch.py").write_text("raise ImportError('not by the server')")
    for name in STAGES:
        project.stage(name)
    for pattern in ("data/**/*.npy", "runs/**/*.pt", "runs/**/*.npz"):
        ours, theirs = project.bytes(pattern), finished.bytes(pattern)
        assert ours and ours == {file: theirs[file] for file in ours}, pattern


def test_a_stage_goes_on_by_itself_where_server_and_fork_are_killed(fresh, served, tmp_path):
    project, alone = (fresh.copy(tmp_path / name) for name in ("project", "alone"))
    for each in (project, alone):
        each.edit("params/digits.yaml", lambda digits: digits["pretext"]["simclr"]["training"].update(epochs=30))
        each.stage("dataset")
    process = subprocess.Popen([sys.executable, "-m", *STAGES["pretext"]], cwd=project.folder, env=project.environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE
    while not list(project.folder.glob("checkpoints/pretext-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(served.pid, signal.SIGKILL)  # which is a session of its own, with its forks
    error = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0 and b"going on after epoch" in error
    alone.stage("pretext")  # nothing listens any more
    assert project.bytes("runs/**/model.pt") == alone.bytes("runs/**/model.pt") != {}
