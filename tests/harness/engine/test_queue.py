"""What becomes of a job by what squeue says of it, with Slurm's programs replaced: each state, without a wait for it."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness import command
from harness.engine import programs, queue, task
from harness.engine.programs import NoAnswer, Refused, Row
from harness.engine.queue import Queue, Watched
from harness.engine.task import Task
from harness.errors import UserError
from harness.files import write_json
from harness.record import AVAILABILITY, Cell
from harness.resources import Cluster

TASK = Task("reimpl", ("scan", "--dataset", "d", "--seed", "0-0", "--out", "runs/scan"), "scan-aaaaaaaa-bbbbbbbbbbbb")
CLUSTER = Cluster({"memory_mib": 100, "minutes": 5, "cpus": 1}, {})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder in which the task is asked for; what was asked of Slurm, as text."""
    monkeypatch.chdir(tmp_path)
    TASK.ask()
    asked = []
    monkeypatch.setattr(programs, "sbatch", lambda task, resources, warning, again: asked.append(
        f"sbatch {resources.memory_mib} {again}") or str(100 + len(asked)))
    monkeypatch.setattr(programs, "cancel", lambda rows: asked.extend(f"cancel {row.job}" for row in rows))
    monkeypatch.setattr(programs, "scontrol", lambda *words: asked.append(" ".join(words)))
    return asked


def row(state, reason="None", job="7", name=TASK.name):
    return Row(job, state, reason, "n1", str(Path.cwd()), name)


def looks(*seen, job="7", code=None, log=""):
    """(the Watched after some looks, each of rows, what the user was told). Args: job: what it was submitted as before."""
    said = []
    one = Watched(TASK, CLUSTER.resources("scan"), lambda text: None, job=job, submitted=int(bool(job)))
    if code is not None:
        (TASK.folder / "code").write_text(f"{code}\n")
    TASK.log.write_text(log)
    for rows in seen:
        if not one.ended:
            Queue(CLUSTER, said.append)._step(one, rows)
    return one, said


@pytest.mark.parametrize("state, code, log, failed", [
    ("FAILED", 2, "job 7 on n1\nerror: scan is wrong\n", "scan is wrong"),
    ("FAILED", 1, "error: before\njob 7 on n1\nTraceback\nRuntimeError: scan\n", "RuntimeError: scan"),
    ("CANCELLED", None, "", "job 7 of runs/scan was cancelled: run it again to submit it anew"),
    ("TIMEOUT", None, "", "job 7 of runs/scan had no more time (5 minutes) before it saved itself: raise stages.scan.minutes in "
                          "params/slurm.yaml"),
    ("COMPLETED", 0, "", None),
])
def test_a_job_that_has_ended_is_told_of(place, state, code, log, failed):
    one, said = looks([row(state)], code=code, log=log)
    assert one.ended and one.failed == failed and said == place == []


@pytest.mark.parametrize("state, code, log, says, memory", [
    ("FAILED", 75, "", 0, 100),  # it saved itself
    ("NODE_FAIL", None, "", 1, 100),
    ("FAILED", 143, "", 1, 100),
    ("OUT_OF_MEMORY", None, "", 1, 200),
    ("FAILED", None, "job 7 on n1\nslurmstepd: error: Detected 1 oom_kill event in StepId=7.batch\n", 1, 200),
    ("FAILED", 137, "", 1, 200),
])
def test_a_job_that_can_go_on_is_submitted_anew(place, state, code, log, says, memory):
    one, said = looks([row(state)], [row(state)], code=code, log=log)
    assert not one.ended and len(said) == says and place == [f"sbatch {memory} 1"]


@pytest.mark.parametrize("state, asked", [("RUNNING", []), ("COMPLETING", []), ("PENDING", ["cancel 7"])])
def test_a_job_that_is_done_is_let_end_and_not_begun_again(place, state, asked):
    one, said = looks([row(state)], code=0)
    assert one.ended and one.failed is None and place == asked


def test_the_queue_is_looked_at_once_for_tasks_that_come_together(place, monkeypatch):
    """A second task comes soon after the first look: it has to wait for the next."""
    looked = []

    def by_place():
        looked.append(time.monotonic())
        time.sleep(0.1)
        (TASK.folder / "code").write_text("0" if len(looked) == 2 else "")
        return {TASK.place: [row("RUNNING")]}

    monkeypatch.setattr(programs, "by_place", by_place)
    with Queue(replace(CLUSTER, poll_seconds=2.0), print) as asking:
        threads = [threading.Thread(target=asking.run, args=(TASK, lambda text: None)) for _ in range(2)]
        for thread in threads:
            thread.start()
            time.sleep(0.3)
        for thread in threads:
            thread.join()
    assert len(looked) == 2 and looked[1] - looked[0] > 2


def test_what_an_earlier_attempt_printed_says_nothing_of_the_last(place):
    _, said = looks([row("FAILED")], code=143, log="slurmstepd-n1: error: Exceeded memory limit\njob 7 on n1\n")
    assert "was lost" in said[0]


def test_a_time_limit_after_a_checkpoint_goes_on(place, monkeypatch):
    monkeypatch.setattr(queue, "saved", lambda task: 5.0)
    one, _ = looks([row("TIMEOUT")], [])
    assert not one.ended and place == ["sbatch 100 1"]


def test_the_checkpoint_is_that_of_the_tasks_own_cell(place):
    own, of_another_data_set = (Path("checkpoints", f"{Cell('reimpl', 'scan', name, '0-0').key}-x.pt") for name in ("d", "e"))
    of_another_data_set.touch()
    assert queue.saved(TASK) == 0
    own.touch()
    assert queue.saved(TASK) == own.stat().st_mtime


@pytest.mark.parametrize("stage, option", [("pretext", "task"), ("kmeans", "on"), ("baseline", "method")])
def test_the_checkpoint_is_that_of_what_the_stage_runs_as(place, stage, option):
    asked = replace(TASK, arguments=(stage, "--dataset", "d", "--seed", "0", f"--{option}", "this", "--out", "runs/one"))
    files = {name: Path("checkpoints", f"{Cell('reimpl', stage, 'd', '0', variant=name).key}-x.pt") for name in ("this", "that")}
    files["that"].touch()
    assert queue.saved(asked) == 0
    files["this"].touch()
    assert queue.saved(asked) > 0


def test_a_job_that_is_lost_again_and_again_is_named(place):
    one, said = looks(*[[row("NODE_FAIL", job=str(job))] for job in (7, 7, 101, 101, 102, 102, 103)])
    assert one.failed == "job 103 of runs/scan was lost 4 times (node_fail)" and len(said) == 3


def test_one_that_slurm_has_forgotten_counts_as_lost_after_a_few_looks(place):
    one, said = looks(*[[]] * queue.MISSED)
    assert not said and not place
    one, said = looks(*[[]] * (queue.MISSED + 2))
    assert said == ["job 7 of runs/scan was lost (unknown to slurm): submitted anew"] and place == ["sbatch 100 1"]


@pytest.mark.parametrize("reason, asked, failed", [
    ("launch failed requeued held", "release 7", "is held (launch failed requeued held), as it was before it was released"),
    ("JobHeldAdmin", "release 7", "is held (JobHeldAdmin)"),
    ("BadConstraints", "cancel 7", "would never begin (BadConstraints)"),
])
def test_a_job_that_is_held_is_released_once_and_one_that_cannot_begin_is_named(place, reason, asked, failed):
    one, _ = looks([row("PENDING", reason)], [row("PENDING", reason)])
    assert place[0] == asked and place[-1] == "cancel 7" and failed in one.failed


def test_a_job_that_its_user_holds_is_told_of_once(place):
    one, said = looks(*[[row("PENDING", "JobHeldUser")]] * 3)
    assert not one.ended and place == [] and said == [
        "job 7 of runs/scan is held by its user: `scontrol release 7` lets it go on"]


def test_one_that_was_requeued_begins_soon_and_is_told_so_once(place):
    """As Slurm 22.05 has it, which takes back the reason for a while when it is told."""
    waits = [[row("PENDING", reason)] for reason in ("BeginTime", "None", "BeginTime")]
    looks(*waits)
    assert place == ["update jobid=7 StartTime=now+3"]
    looks(*waits, [row("RUNNING")], *waits)
    assert place[1:] == ["update jobid=7 StartTime=now+3"] * 2


def test_a_task_is_submitted_once_and_a_second_job_of_the_name_is_cancelled(place):
    one, _ = looks([row("RUNNING")], [row("RUNNING"), row("PENDING", job="8")], job="")
    assert one.job == "7" and place == ["cancel 8"]


def test_jobs_of_other_settings_are_cancelled_and_waited_for(place):
    other = row("RUNNING", name=TASK.name.replace("b", "c"))
    one, _ = looks([other], [replace(other, state="COMPLETING")], [replace(other, state="CANCELLED")], job="")
    assert place == ["cancel 7", "sbatch 100 0"] and one.job == "102"


def test_what_slurm_does_not_take_is_named_and_where_it_is_away_it_is_asked_again(place, monkeypatch):
    def refused(*_):
        raise Refused("Invalid account")

    monkeypatch.setattr(programs, "sbatch", refused)
    assert looks([], job="")[0].failed == "Slurm does not take it: Invalid account"
    answers, said = [NoAnswer("connect"), NoAnswer("connect"), {}], []

    def by_place():
        answer = answers.pop(0)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    monkeypatch.setattr(programs, "by_place", by_place)
    asking = Queue(CLUSTER, said.append)
    one = Watched(TASK, CLUSTER.resources("scan"), lambda text: None)
    for _ in range(3):
        asking._look_once([one])
    assert said == ["waiting for Slurm, which does not answer: connect"] and one.ended


def test_where_the_authors_code_cannot_be_had_its_stages_are_no_jobs(place, monkeypatch):
    monkeypatch.setenv(command.ENGINE, "slurm")
    monkeypatch.setattr(command, "_run", lambda implementation, *_: place.append(f"{implementation} here"))
    monkeypatch.setattr(task, "run", lambda implementation, *_: place.append(f"{implementation} as a job"))
    for reason in ("no network", None):
        write_json(AVAILABILITY, {"not_run": reason})
        for implementation in ("reimpl", "original_ref"):
            assert command.main(implementation, ["scan"]) == 0
    assert place == ["reimpl as a job", "original_ref here", "reimpl as a job", "original_ref as a job"]


def test_programs_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="there is no squeue here"):
        programs.squeue()
