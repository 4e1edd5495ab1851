"""The authors' code comes within reach and goes out of it again, on this machine and on another: results of its stages stay."""

import json
import subprocess

import pytest

from original_ref.checkout import fetch
from tests.parity.reference import at_hand

from .conftest import Project

THEIRS = "runs/digits/**/original_ref/**/*.*"


def brought_up_to_date(project, command=("studies", "run", "main")):
    """By `studies run`, which asks each time whether the code is within reach, or by DVC once that was asked. Returns all that
    the authors' stages left, by path."""
    if command[0] == "dvc":
        project.run("original_ref", "availability")
    project.run(*command)
    return project.bytes(THEIRS)


def reasons(left):
    """Why each of the authors' stages was not run, None for each that was."""
    return [json.loads(text)["not_run"] for path, text in left.items() if path.endswith("metrics.json")]


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def reach(project, monkeypatch):
    """A finished project, which the authors' code was out of reach of, and what brings it within reach."""
    if not at_hand():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    source, environment = str(fetch()), project.environment()

    def within(there):
        where = {"SCAN_REFERENCE": source, "XDG_CACHE_HOME": str(project.folder.parent / "their cache")} if there else {}
        monkeypatch.setattr(Project, "environment", lambda self: {**environment, **where})

    within(False)
    project.edit("params/digits.yaml", lambda digits: digits.update(neighbors={"train": 20, "test": 5, "scored": 20}))
    return project, within


def test_results_of_the_authors_code_stay_when_it_goes_out_of_reach(reach, tmp_path):
    project, within = reach
    assert all("/nowhere cannot be used" in reason for reason in reasons(brought_up_to_date(project)))
    within(True)
    left = brought_up_to_date(project)
    assert reasons(left) == [None, None, None]
    within(False)
    assert brought_up_to_date(project) == left
    (project.folder / "studies/main/dvc.lock").unlink()  # as where a killed DVC left half of it
    assert brought_up_to_date(project, ["dvc", "repro"]) == left
    summary = project.bytes("runs/digits/summary/main/cells.csv")
    assert b"original_ref/default/selflabel,0-0,acc," in next(iter(summary.values()))

    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "ran")
    project.run("dvc", "remote", "add", "--local", "--default", "there", str(tmp_path / "remote"))
    project.run("dvc", "push", "--quiet")
    git(tmp_path, "clone", "-q", str(project.folder), "clone")
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "remote", "add", "--local", "--default", "there", str(tmp_path / "remote"))
    clone.run("dvc", "pull", "--quiet", "--allow-missing")
    assert clone.bytes(THEIRS) == left
    assert brought_up_to_date(clone, ["dvc", "repro"]) == left and clone.bytes("runs/digits/summary/main/cells.csv") == summary

    project.edit("params/digits.yaml", lambda digits: digits["selflabel"].update(threshold=0.3))
    *kept, edited = sorted(reasons(brought_up_to_date(project)), key=bool)
    assert kept == [None, None] and "/nowhere cannot be used" in edited
    within(True)
    assert reasons(brought_up_to_date(project)) == [None, None, None]
