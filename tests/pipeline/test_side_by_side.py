"""`python -m studies plan` and `run`, over DVC itself: the same as `dvc repro`, and what is left of it when a stage fails."""

import json
import re
import subprocess
import sys
import time

import pytest
import yaml

from studies.plan import pending, read_steps
from studies.run import sweep

from .test_repro import EVERYTHING, FIRST, MAIN, SCAN, SUMMARY

SUMMARIES = "runs/digits/summary/*/cells.csv"


def ended(output):
    """The stages that a run says have ended, those that each run asks after left out."""
    return set(re.findall(r"^ *[\d:]+  (\S+) \([\d:]+\)$", output, re.MULTILINE)) - FIRST - {"reference"}


def times(project):
    """When each record was written."""
    return {file: file.stat().st_mtime_ns for file in project.folder.glob("runs/**/metrics.json")}


@pytest.fixture(scope="module")
def side_by_side(fresh, tmp_path_factory):
    """A project in which `python -m studies run` has run every stage, two at a time."""
    project = fresh.copy(tmp_path_factory.mktemp("side-by-side") / "project")
    project.log = project.run("studies", "run", "--jobs", "2").stdout
    return project


def test_two_at_a_time_end_with_the_same_records_and_the_report(side_by_side, finished):
    assert ended(side_by_side.log) == EVERYTHING - {"reference"} and f"{len(EVERYTHING) - 1} of" in side_by_side.log
    assert set(side_by_side.bytes("runs/**/metrics.json")) == set(finished.bytes("runs/**/metrics.json"))
    assert side_by_side.bytes(SUMMARIES) == finished.bytes(SUMMARIES) != {}
    assert (side_by_side.folder / "report/output/digits/index.html").exists()


def test_two_runs_with_the_same_seeds_are_the_same_to_the_last_bit(side_by_side, finished):
    for pattern, count in {"runs/**/*.pt": 3, "runs/**/*.npz": 5}.items():  # mined and embedded, two predictions, the gallery
        assert len(finished.bytes(pattern)) == count
        assert side_by_side.bytes(pattern) == finished.bytes(pattern)
    for file in finished.bytes("runs/**/metrics.json"):
        ours, theirs = (json.loads((project.folder / file).read_text()) for project in (side_by_side, finished))
        assert ours["metrics"] == theirs["metrics"] and ours["curves"] == theirs["curves"], file


def test_a_second_run_runs_nothing(side_by_side):
    before = times(side_by_side)
    output = side_by_side.run("studies", "run", "--jobs", "2").stdout
    assert ended(output) == set() and output.splitlines()[-1].startswith("0 of 0 stages done")
    assert times(side_by_side) == before
    assert side_by_side.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_a_stage_that_fails_is_named_and_leaves_out_only_what_comes_after_it(project):
    """Of 10 neighbors mined, one arm asks for 11; the one after it in study.yaml is well."""
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"]["clustering"].update(
        eleven={"scan": {"num_neighbors": 11}, "selflabel": {}}, five={"scan": {"num_neighbors": 5}, "selflabel": {}}))
    done = project.run("studies", "run", "main", "--jobs", "2", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    left_out = ", ".join(sorted({MAIN + "selflabel@eleven-0-0", SUMMARY, "report"}))
    assert done.stderr.splitlines()[-1] == (
        f"error: failed: {MAIN}scan@eleven-0-0; left out: {left_out}; `dvc repro STAGE` shows why")
    assert "error: scan.num_neighbors is 11, but only 10 are mined" in done.stdout
    ours = project.folder / "runs/digits/main/reimpl"
    assert {str(file.parent.relative_to(ours)) for file in ours.glob("**/metrics.json")} == {
        f"{arm}/0-0/{stage}" for arm in ("default", "five") for stage in ("scan", "selflabel")}


def test_what_a_kill_left_in_dvcs_cache_of_runs_is_swept_away(project):
    """The folder of a stage that is to run again, made and not filled: `dvc repro` alone ends there."""
    runs = project.folder / ".dvc/cache/runs"
    (entry,) = (file for file in runs.glob("*/*/*") if "kmeans --on pixels" in file.read_text())
    entry.unlink()
    for made in ("dvc.lock", "runs/digits/kmeans/pixels/0/metrics.json"):
        (project.folder / made).unlink()
    alone = project.run("dvc", "repro", "--single-item", "kmeans_pixels@0", check=False)
    assert alone.returncode != 0 and "NoneType" in alone.stderr
    assert "kmeans_pixels@0" in ended(project.run("studies", "run", "--jobs", "2").stdout)
    assert all(list(folder.iterdir()) for folder in runs.glob("*/*"))


@pytest.mark.parametrize("share", [0, 0.01, 0.5])
def test_a_lock_that_a_kill_left_half_written_is_made_again_and_no_stage_runs_for_it(project, share):
    """Nothing of it, its head, or half. `dvc repro` alone ends there."""
    lock, before = project.folder / "studies/main/dvc.lock", project.bytes("runs/**/metrics.json")
    whole = lock.read_text()
    lock.write_text(whole[:int(share * len(whole))].rpartition(":")[0])
    alone = project.run("dvc", "repro", check=False)
    assert alone.returncode != 0 and "Running stage" not in alone.stdout
    output = project.run("studies", "run", "--jobs", "2").stdout
    assert "studies/main/dvc.lock was half-written" in output and yaml.safe_load(lock.read_text()) == yaml.safe_load(whole)
    assert project.bytes("runs/**/metrics.json") == before  # which hold the seconds that each took
    assert "Running stage" not in project.run("dvc", "repro").stdout


WRITING = """
import pathlib, time
from dvc.repo import Repo
file = pathlib.Path("studies/main/dvc.lock")
whole = file.read_text()
with Repo() as repo, repo.lock, open(file, "w") as half:
    half.write(whole[:100].rpartition(":")[0])
    half.flush()
    pathlib.Path("writing").touch()
    time.sleep(2)
    half.seek(0)
    half.write(whole)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of DVC's own libraries
def test_a_lock_that_is_being_written_is_left_alone(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    whole = (project.folder / "studies/main/dvc.lock").read_text()
    with subprocess.Popen([sys.executable, "-c", WRITING], cwd=project.folder) as other:
        while not (project.folder / "writing").exists() and other.poll() is None:
            time.sleep(0.05)
        sweep()
    assert other.returncode == 0 and (project.folder / "studies/main/dvc.lock").read_text() == whole


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of DVC's own libraries
def test_the_stages_are_read_upstream_first_with_what_they_need_and_write(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    steps = read_steps()
    assert set(steps) == EVERYTHING | FIRST and pending(steps) == set()
    order = list(steps)
    assert all(order.index(before) < order.index(name) for name, step in steps.items() for before in step.before)
    assert steps[SCAN].before == {"code", MAIN + "settings", "dataset", "pretext@simclr-0", "neighbors@simclr-0"}
    assert set(steps[SCAN].outs) == {f"runs/digits/main/reimpl/default/0-0/scan/{name}" for name in (
        "model.pt", "predictions.npz", "metrics.json")}
    assert steps["report"].before == {"code", "dataset", SUMMARY}


def test_the_plan_knows_of_an_edit_what_it_runs_again_and_how_long_that_took(project):
    file = project.folder / "reimpl/kmeans.py"
    file.write_text(file.read_text() + "\n# an edit\n")
    before = times(project)
    lines = project.run("studies", "plan").stdout.splitlines()
    assert [re.sub(r"about \d+:\d\d", "about m:ss", line) for line in lines] == [
        "kmeans_pixels: 1 to run, about m:ss  (0)", "kmeans_embeddings: 1 to run, about m:ss  (0)",
        f"{SUMMARY}: 1 to run, about m:ss", "report: 1 to run, about m:ss",
        f"4 of {len(EVERYTHING | FIRST)} stages to run, about m:ss with 1 at a time"]
    assert times(project) == before
