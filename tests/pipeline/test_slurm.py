"""Stages as jobs of a real Slurm (cluster.py): what becomes of a job, whatever happens to it, and a study with the same bits."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from harness.engine.queue import Queue
from harness.engine.task import Task
from harness.resources import Cluster

from .cluster import Slurm, until, why_not
from .conftest import PATIENCE, ROOT, STAGES

pytestmark = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
SUMMARIES = "runs/digits/summary/*/*.csv"
TOY = """
import json, os, pathlib, signal, sys, time
_, stage, what, amount, _, out = sys.argv
marks = pathlib.Path("checkpoints") / what
if what == "wait":
    while not pathlib.Path(amount).exists():
        time.sleep(0.05)
elif what == "take":
    memory = bytearray(int(amount) << 20)
    time.sleep(6)
elif what == "stop" and not marks.exists():
    signal.signal(signal.SIGUSR1, lambda *_: (marks.touch(), os._exit(75)))
    time.sleep(300)
elif what == "fail":
    sys.exit("error: " + amount)
(pathlib.Path(out) / "metrics.json").write_text(json.dumps(os.environ["SLURM_JOB_ID"]))
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with Slurm(tmp_path_factory.mktemp("slurm") / "s") as found:
        yield found


@pytest.fixture
def place(slurm, tmp_path, monkeypatch):
    """A project of a toy for a stage, whose jobs go to the Slurm."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_CONF", str(slurm.conf))
    (tmp_path / "toy.py").write_text(TOY)
    yield tmp_path
    slurm.ask("scancel", "--user=root", check=False)
    until(lambda: not slurm.live())


def task(what, amount, key="b"):
    return Task("toy", ("scan", what, amount, "--out", f"runs/{what}"), f"scan-{'a' * 8}-{key * 12}")


class Run:
    """A task in a queue of its own: what it comes to (`result`), and what the user was told."""

    def __init__(self, task, **settings):
        default = {"memory_mib": 200, "minutes": 5, "cpus": 1}
        self.task, self.said, self.shown = task, [], []
        self.cluster = Cluster({**default, **settings}, {}, warning_seconds=40, poll_seconds=0.2)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        if not self.task.done():
            self.task.ask()
        with Queue(self.cluster, self.said.append) as queue:
            self.failed = queue.run(self.task, self.shown.append)

    @property
    def result(self):
        self.thread.join(PATIENCE)
        return self.failed

    def job(self):
        return json.loads((self.task.folder / "out/metrics.json").read_text())


def running(slurm):
    """The number of the job at work, once one is."""
    until(lambda: slurm.rows(states="RUNNING"))
    time.sleep(0.5)  # so that its command is, too
    return slurm.rows(states="RUNNING")[0][0]


def test_a_job_ends_with_its_outputs_its_log_and_its_exit_code(slurm, place):
    run = Run(task("wait", "toy.py"))
    assert run.result is None and run.task.code() == 0 and run.said == []
    assert run.task.log.read_text().startswith(f"job {run.job()} on n")
    run.task.take()
    assert sorted(file.name for file in (place / "runs/wait").iterdir()) == ["job.log", "metrics.json"]
    assert not run.task.folder.exists()


def test_a_stage_that_fails_is_told_of_by_its_own_last_words(slurm, place):
    assert Run(task("fail", "scan is wrong")).result == "scan is wrong"


def test_a_job_is_found_again_by_another_process_while_it_is_at_work_and_after_its_end(slurm, place):
    script = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom tests.pipeline.test_slurm import *\n"
              "Run(task('wait', 'go')).result")
    head = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], start_new_session=True)
    job = running(slurm)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    again = Run(task("wait", "go"))
    until(lambda: any(f"job {job} on n" in line for line in again.shown))
    (place / "go").touch()
    assert again.result is None and again.job() == job
    third = Run(task("wait", "go"))
    assert third.result is None and third.job() == job and [row[0] for row in slurm.rows() if int(row[0]) >= int(job)] == [job]


def test_a_job_of_other_settings_is_cancelled_before_its_successor_begins(slurm, place):
    first = Run(task("wait", "never"))
    before = running(slurm)
    second = Run(task("wait", "toy.py", key="c"))
    assert second.result is None and second.job() != before
    states = {job: state for job, state, _ in slurm.rows()}
    assert states[before] == "CANCELLED" and states[second.job()] == "COMPLETED"
    assert "was cancelled" in first.result or "ended" in first.result


def test_a_job_that_is_cancelled_by_hand_is_named_and_is_submitted_anew_by_the_next_run(slurm, place):
    run = Run(task("wait", "go"))
    job = running(slurm)
    slurm.ask("scancel", job)
    assert run.result == f"job {job} of runs/wait was cancelled: run it again to submit it anew"
    (place / "go").touch()
    assert Run(task("wait", "go")).result is None


def test_a_requeued_job_does_not_wait_its_two_minutes(slurm, place):
    run = Run(task("wait", "go"))
    job = running(slurm)
    slurm.ask("scontrol", "requeue", job)
    until(lambda: run.task.log.read_text().count(f"job {job} on n") == 2, 110)  # left alone, it would begin after 120 s
    (place / "go").touch()
    assert run.result is None and run.job() == job


def test_a_stage_that_saves_itself_at_the_warning_goes_on_in_another_job(slurm, place):
    """A limit of a minute, and a warning 40 seconds before it."""
    run = Run(task("stop", ""), minutes=1)
    assert run.result is None and (place / "checkpoints/stop").exists() and run.said == []
    states = {job: state for job, state, _ in slurm.rows()}
    assert states[run.job()] == "COMPLETED" and states[str(int(run.job()) - 1)] == "FAILED"


def test_a_job_out_of_memory_has_twice_as_much_once(slurm, place):
    assert Run(task("take", "150"), memory_mib=100).result is None
    run = Run(task("take", "300", key="c"), memory_mib=100)
    assert "ran out of memory with 200 MiB, twice what params/slurm.yaml says" in run.result
    assert len(run.said) == 1 and run.said[0].endswith("submitted anew with 200 MiB")


def test_a_job_held_after_a_failed_launch_is_released_once_and_then_named(slurm, place):
    try:
        (slurm.folder / "launch-fails-1").touch()
        run = Run(task("wait", "toy.py"))
        assert run.result is None and "is released, once" in run.said[0]
        resume(slurm)
        for number in range(2):
            (slurm.folder / f"launch-fails-{number}").touch()
        run = Run(task("wait", "toy.py", key="c"))
        assert "as it was before it was released: `scontrol show job" in run.result
        until(lambda: not slurm.live())
    finally:
        resume(slurm)


def resume(slurm):
    """Let the nodes, which Slurm takes out of use after a failed launch, have jobs again."""
    slurm.ask("scontrol", "update", "nodename=n1,n2", "state=resume", check=False)
    until(lambda: slurm.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split() == ["idle"] * 2)


def test_a_job_goes_on_where_its_node_dies_and_where_slurm_is_away_for_a_while(slurm, place):
    run = Run(task("wait", "go"))
    job = running(slurm)
    node = slurm.rows("%N", "RUNNING")[0][0]
    state = slurm.folder / "state/job_state"
    until(lambda: state.exists() and bytes(place) in state.read_bytes())  # else a controller that is killed never knew the job
    slurm.lose(node)
    slurm.kill("slurmctld")
    until(lambda: run.said and "does not answer" in run.said[0])
    slurm.begin_controller()
    until(lambda: slurm.rows("%N", "RUNNING") not in ([], [[node]]), 120)
    (place / "go").touch()
    assert run.result is None and run.job() == job
    slurm.begin_node(node)
    resume(slurm)


@pytest.fixture
def clustered(fresh, slurm, tmp_path, monkeypatch):
    """A project in which nothing has run, and whose stages go to the Slurm."""
    monkeypatch.setenv("SLURM_CONF", str(slurm.conf))
    project = fresh.copy(tmp_path / "project")
    project.edit("params/slurm.yaml", lambda settings: settings.update(poll_seconds=0.3))
    return project


def test_a_study_has_the_summary_that_it_has_without_byte_for_byte(clustered, finished, slurm):
    clustered.run("studies", "run", "main", "--engine", "slurm", "--jobs", "2")
    assert clustered.bytes(SUMMARIES) == finished.bytes(SUMMARIES) != {}
    assert slurm.live() == []
    records = {file: json.loads(content) for file, content in clustered.bytes("runs/**/metrics.json").items()}
    ran = {file: record["evidence"]["slurm"] for file, record in records.items() if "slurm" in record["evidence"]}
    assert len(ran) == 6 and all(job["node"] in ("n1", "n2") and job["requeued"] == "0" for job in ran.values())
    for file, job in ran.items():
        assert f"job {job['job']} on {job['node']}" in (clustered.folder / file).with_name("job.log").read_text()
    assert "0 of 0 stages done" in clustered.run("studies", "run", "main", "--engine", "slurm").stdout
    assert clustered.run("dvc", "status").stdout.split() == ["listing:", "always", "changed"]


@pytest.fixture
def on_two_nodes(clustered):
    """The same, whose pretext task two processes train, on a node each."""
    clustered.edit("params/digits.yaml", lambda digits: digits["pretext"]["simclr"]["training"].update(epochs=30))
    clustered.edit("params.yaml", lambda params: params["execution"].update(processes=2, engine="slurm"))
    clustered.edit("params/slurm.yaml", lambda settings: settings["stages"]["pretext"].update(nodes=2))
    clustered.stage("dataset")
    return clustered


def test_processes_on_two_nodes_train_one_network_to_the_bits_that_two_on_one_come_to(on_two_nodes, slurm):
    """By a job that ends as its process on the second node is killed, one that is warned of its end, and one that is requeued."""
    alone = on_two_nodes.copy(on_two_nodes.folder.parent / "alone")
    alone.edit("params.yaml", lambda params: params["execution"].update(engine="local"))

    def at_work():
        """The number of the job in which it trains, once it has saved something."""
        before = saved()
        until(lambda: saved() != before, PATIENCE)
        return running(slurm)

    def saved():
        return [file.stat().st_mtime_ns for file in on_two_nodes.folder.glob("checkpoints/pretext-*.pt")]

    def ended(job):
        until(lambda: job not in [row[0] for row in slurm.live()], PATIENCE)

    process = on_two_nodes.start(*STAGES["pretext"])
    job = at_work()
    found = ranks(job)
    assert {rank: one.environ()["SLURM_NODEID"] for rank, one in found.items()} == {"0": "0", "1": "1"}
    found["1"].kill()
    ended(job)
    job = at_work()
    slurm.ask("scancel", "--batch", "--signal=USR1", job)
    ended(job)
    slurm.ask("scontrol", "requeue", at_work())
    assert process.wait(PATIENCE) == 0
    alone.stage("pretext")
    assert on_two_nodes.bytes("runs/**/model.pt") == alone.bytes("runs/**/model.pt") != {}
    log = (on_two_nodes.folder / "runs/digits/pretext/simclr/0/job.log").read_text()
    assert "process 1 of 2 was killed by signal 9" in log and log.count("going on after epoch") == 3
    assert "DistNetworkError" not in log


def test_an_error_of_the_user_on_two_nodes_ends_the_stage(on_two_nodes, slurm):
    on_two_nodes.edit("params/digits.yaml", lambda digits: digits["pretext"]["simclr"]["training"].update(batch_size=255))
    failed = on_two_nodes.stage("pretext", check=False)
    assert failed.returncode == 2 and "is 2, and should divide each batch; one has 255 images" in failed.stderr
    jobs = [job for job, folder in slurm.rows("%i %Z") if folder == str(on_two_nodes.folder)]
    assert len(jobs) == 1 and not slurm.live()  # it was not submitted anew, as one that was lost or short of memory


def ranks(job):
    """The processes that train in a job, by rank."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if environment.get("SLURM_JOB_ID") == job and "RANK" in environment:
                found[environment["RANK"]] = process
    return found


def test_a_training_that_is_requeued_ends_with_the_same_bits(clustered, slurm):
    """By `python -m reimpl` itself, with execution.engine in params.yaml."""
    alone = clustered.copy(clustered.folder.parent / "alone")
    for project in (clustered, alone):
        project.edit("params/digits.yaml", lambda digits: digits["pretext"]["simclr"]["training"].update(epochs=30))
        project.stage("dataset")
    clustered.edit("params.yaml", lambda params: params["execution"].update(engine="slurm"))
    process = clustered.start(*STAGES["pretext"])
    until(lambda: [*clustered.folder.glob("checkpoints/pretext-*.pt")], PATIENCE)
    slurm.ask("scontrol", "requeue", running(slurm))
    assert process.wait(PATIENCE) == 0
    alone.stage("pretext")
    assert clustered.bytes("runs/**/model.pt") == alone.bytes("runs/**/model.pt") != {}
    log = (clustered.folder / "runs/digits/pretext/simclr/0/job.log").read_text()
    assert "run the same command again to go on" in log and "going on after epoch" in log
