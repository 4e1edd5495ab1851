"""`python -m studies plan` and `run`, over DVC itself: the same as `dvc repro`, and what is left of it when a stage fails."""

import json
import os
import re
import resource
import subprocess
import sys
import time

import pytest
import yaml

from harness.engine.local import read_jobs
from harness.engine.plan import pending
from harness.engine.repair import repair
from harness.files import writer

from .conftest import CELL, Project
from .test_repro import EVERYTHING, FIRST, MAIN, SCAN, SUMMARY, ran

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
    for pattern, count in {"runs/**/*.pt": 3, "runs/**/*.npz": 8}.items():  # mined, embedded, four predictions, gallery, clusters
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
    assert side_by_side.run("dvc", "status").stdout.split() == ["listing:", "always", "changed"]


def test_a_cell_that_fails_is_named_and_the_report_is_of_the_others(project):
    """Of 10 neighbors mined, one arm asks for 11, the one after it in study.yaml is well; then the first is well, too."""
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"]["clustering"].update(
        eleven={"scan": {"num_neighbors": 11}, "selflabel": {}}, five={"scan": {"num_neighbors": 5}, "selflabel": {}}))
    done = project.run("studies", "run", "main", "--jobs", "2", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    failed, left_out = MAIN + "scan@eleven-0-0", MAIN + "selflabel@eleven-0-0"
    assert done.stderr.splitlines()[-1] == f"error: failed: {failed}; left out: {left_out}; `dvc repro STAGE` shows why"
    why = "scan.num_neighbors is 11, but only 10 are mined"
    assert f"error: {why}" in done.stdout
    summed = json.loads((project.folder / "runs/digits/summary/main/records.json").read_text())
    arms = {cell["step"]: cell["record"]["not_run"] for cell in summed if cell["step"].startswith("reimpl/")}
    assert arms == {**{f"reimpl/{arm}/{stage}": None for arm in ("default", "five") for stage in ("scan", "selflabel")},
                    "reimpl/eleven/scan": next(reason for reason in arms.values() if reason and reason.startswith(why)),
                    "reimpl/eleven/selflabel": f"not run, since {failed} failed"}
    page = (project.folder / "report/output/digits/index.html").read_text()
    assert why in page and "rewrite, here: five" in page
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"]["clustering"]["eleven"].update(
        scan={"num_neighbors": 9}))
    output = project.run("studies", "run", "main", "--jobs", "2").stdout
    assert ended(output) == {failed, left_out, SUMMARY, "report"}
    assert why not in (project.folder / "report/output/digits/index.html").read_text()


def test_a_cell_that_was_left_out_does_not_count_with_what_it_was_before(project):
    """SCAN fails after an edit; of self-labeling there is a record of before, which is of no SCAN that there is."""
    before = project.bytes(f"{CELL}/*/*.*")
    code = project.folder / "reimpl/scan.py"
    right = code.read_text()
    code.write_text(right + "raise RuntimeError\n")
    assert project.run("studies", "run", "--jobs", "2", check=False).returncode == 2
    rows = (project.folder / "runs/digits/summary/main/cells.csv").read_text()
    assert "kmeans/pixels" in rows and "reimpl/default" not in rows
    code.write_text(right)
    output = project.run("studies", "run", "--jobs", "2").stdout
    assert project.bytes(f"{CELL}/*/*.*") == before and "epoch" not in output  # from DVC's cache


TOO_LARGE = """#!/bin/sh
ulimit -S -f unlimited
/bin/sh "$@" || exit
case "$2" in *"-m report"*) head -c 9000000 /dev/zero >> report/output/digits/index.html;; esac
"""


def test_a_stage_whose_output_does_not_fit_into_dvcs_cache_is_not_done(project):
    """A disk that is full for DVC alone: a limit to the size of files, which the shell that DVC runs stages in is free of."""
    shell = project.folder.parent / "shell"
    shell.write_text(TOO_LARGE)
    shell.chmod(0o755)
    style = project.folder / "report/style.css"
    style.write_text(style.read_text() + "/* an edit */")
    done = subprocess.run(
        [sys.executable, "-m", "studies", "run"], cwd=project.folder, env={**project.environment(), "SHELL": str(shell)},
        capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, resource.RLIM_INFINITY)))
    assert done.returncode == 2 and "File too large" in done.stdout and "0 of 1 stages done" in done.stdout
    assert done.stderr.splitlines() == ["error: not in DVC's cache as their stages left them (is the disk full?): report; "
                                        "`dvc repro STAGE` shows why"]
    assert ended(project.run("studies", "run").stdout) == {"report"}


def test_a_second_run_waits_and_says_for_whom(project):
    (project.folder / "runs/digits/kmeans/pixels/0/metrics.json").unlink()
    process, lock = project.start("studies", "run"), project.folder / "checkpoints/runs.lock"
    while process.poll() is None and not (lock.exists() and str(process.pid) in lock.read_text()):
        time.sleep(0.01)
    second = project.run("studies", "run")
    assert process.poll() == 0 and "0 of 0 stages done" in second.stdout
    assert second.stderr.splitlines()[0] == (
        f"runs: process {process.pid} (python -m studies run) is at work on it; waiting until it ends")


def test_what_comes_from_an_archive_without_git_runs(fresh, tmp_path):
    (tmp_path / "bare").mkdir()
    subprocess.run(f"git archive HEAD | tar x -C {tmp_path / 'bare'}", shell=True, cwd=fresh.folder, check=True)
    project = Project(tmp_path / "bare")
    assert "no_scm" not in (project.folder / ".dvc/config").read_text()
    assert project.run("studies", "plan").stdout.splitlines()[-1].startswith(f"{len(EVERYTHING)} of")
    assert "code" in project.run("dvc", "repro", "dataset").stdout  # which goes by what the plan has left there


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


def cut(share):
    """Of a file that is being written: nothing, or its beginning."""
    return lambda text: text[:int(share * len(text))]


@pytest.mark.parametrize("half", [
    cut(0), lambda text: text[:len(text) // 2].rpartition(":")[0], lambda text: text[:text.index("md5: ") + 8],
    lambda text: text[:text.index("stages:") + 7] + "\n", lambda text: text + "\0" * 100])
def test_a_lock_that_a_kill_left_half_written_is_made_again_and_no_stage_runs_for_it(project, half):
    """Nothing of it, half, a hash cut to what YAML may take for a number, a heading alone, and what a lost disk leaves."""
    lock, before = project.folder / "studies/main/dvc.lock", project.bytes("runs/**/metrics.json")
    whole = lock.read_text()
    lock.write_text(half(whole))
    output = project.run("studies", "run", "--jobs", "2").stdout
    assert "studies/main/dvc.lock was half-written" in output and yaml.safe_load(lock.read_text()) == yaml.safe_load(whole)
    assert project.bytes("runs/**/metrics.json") == before  # which hold the seconds that each took
    assert ran(project.run("dvc", "repro").stdout) == {"listing"}


LIST = '{{"write": {{"{path}": {{"pid": {pid}, "cmd": "dvc repro"}}}}, "read": {{}}}}'


@pytest.mark.parametrize("left", ["", "{", '{"write": {"a', "[]", '{"write": {"a": 5}}', LIST])
def test_the_list_of_dvcs_at_work_that_a_kill_left_is_mended(project, left):
    """Empty, half, of another form; or whole, with the number of a DVC that is no more, which another process now has."""
    kmeans = project.folder / "runs/digits/kmeans/pixels/0/metrics.json"
    kmeans.unlink()
    (project.folder / ".dvc/tmp/rwlock").write_text(left.format(path=kmeans, pid=os.getpid()) if left is LIST else left)
    assert project.run("dvc", "repro", "kmeans_pixels@0", check=False).returncode != 0
    assert ended(project.run("studies", "run").stdout) == {"kmeans_pixels@0"}


def test_half_an_entry_of_dvcs_cache_of_runs_is_not_taken_for_one(project):
    """Cut off between two outputs, beside the whole one and newer; `dvc repro` alone restores one of them and ends."""
    (entry,) = (file for file in project.folder.glob(".dvc/cache/runs/*/*/*") if "reimpl scan" in file.read_text())
    text = entry.read_text()
    half = entry.with_name(".abc.tmp")
    half.write_text(text[:text.index("- path:", text.index("outs:") + len("outs:\n- path:"))])
    (project.folder / "studies/main/dvc.lock").unlink()
    os.utime(half, (time.time() + 9, time.time() + 9))
    spare = project.folder / ".dvc/cache/files/md5/00/.abc.tmp"
    spare.parent.mkdir(exist_ok=True)
    spare.write_text("half an output")
    alone = project.run("dvc", "repro", "--single-item", SCAN, check=False).stderr
    assert re.search("missing|does not exist", alone)  # which of the two DVC says, depends on the output that was cut off
    half.write_text("half")
    assert SCAN in ended(project.run("studies", "run").stdout)
    assert not half.exists() and not spare.exists()


def test_what_a_process_of_this_project_began_to_write_is_removed_once_it_is_no_more(project):
    ended_process = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True).stdout.strip()
    cell = project.folder / CELL / "scan"
    # One of a process that there is, and one of another machine.
    left = f".model.pt{writer(os.getpid())}", f".model.pt.elsewhere.{ended_process}.partial"
    for name in (f".model.pt{writer(ended_process)}", *left):
        (cell / name).touch()
    project.run("studies", "plan")
    assert {file.name for file in cell.glob(".*")} == {*left}


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
        repair()
    assert other.returncode == 0 and (project.folder / "studies/main/dvc.lock").read_text() == whole


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of DVC's own libraries
def test_the_stages_are_read_upstream_first_with_what_they_need_and_write(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    steps = read_jobs()
    assert set(steps) == EVERYTHING | FIRST and pending(steps, steps) == set()
    order = list(steps)
    assert all(order.index(before) < order.index(name) for name, step in steps.items() for before in step.before)
    assert steps[SCAN].before == {"code", MAIN + "settings", "dataset", "pretext@simclr-0", "neighbors@simclr-0"}
    assert set(steps[SCAN].outs) == {f"runs/digits/studies/main/reimpl/default/0-0/scan/{name}" for name in (
        "model.pt", "predictions.npz", "metrics.json")}
    assert steps["report"].before == {"code", "settings", "dataset", SUMMARY}


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
