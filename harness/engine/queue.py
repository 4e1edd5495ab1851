"""Jobs of a cluster, from the asking to the end: submitted once, found again, submitted anew where they can go on.

One thread looks at the queue for all jobs together. What it sees of a job decides what becomes of it (`Queue._step`); nothing is
remembered from one process to the next but what lies in the job's folder and in Slurm, so a run that was killed goes on.
"""

import contextlib
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from harness.engine import programs
from harness.engine.programs import NoAnswer, Refused
from harness.errors import GO_ON
from harness.record import Cell
from harness.stages import STAGES

LOSSES = 3  # times that a job may be lost in a row, with its node say
MISSED = 3  # looks at the queue without a job that was in it, until it counts as lost
SOON = 3  # seconds until a requeued job begins: its node refuses one that begins in the second in which it was ended
LATE = 30  # looks at a folder without the exit code of a job that has ended well: a shared file system may take a while
KILLED = 128 + 9  # the exit code of a stage that was killed alone: as Linux does where memory is short
NO_MEMORY = re.compile(r"^slurmstepd.*(exceeded memory limit|oom.kill|out of memory)", re.IGNORECASE)
BEGAN = re.compile(r"job \d+ on ")  # by job.sh
SHOWN = re.compile(r": (epoch \d+/\d+.*)")
NEVER = ("BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "InvalidAccount", "InvalidQOS", "DependencyNeverSatisfied")


@dataclass
class Watched:
    """A Task in the queue. Changed by the thread that looks at the queue, alone."""

    task: object
    resources: object
    show: object
    job: str = ""
    """Its number; empty until it is submitted, or found again."""
    submitted: int = 0
    lost: int = 0
    missed: int = 0
    released: bool = False
    enlarged: bool = False
    hastened: bool = False
    """Whether it was told to begin soon, since it was at work last."""
    saved: float = 0.0
    """When its checkpoint was written last, before it was submitted last."""
    told: str = ""
    ended: bool = False
    failed: str | None = None


class Queue:
    """A context in which tasks are run as jobs.

    Args: cluster: a resources.Cluster; say: takes a line that the user should see.
    """

    def __init__(self, cluster, say):
        self.cluster, self.say = cluster, say
        self.watched, self.changed = [], threading.Condition()
        self.closed, self.silent = False, False
        self.error = None
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        """Jobs that have not ended go on, and are found again."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self.thread.join()

    def run(self, task, show):
        """Wait until a Task has ended. Returns why it failed, or None. Args: show: takes what there is to tell of it."""
        one = Watched(task, self.cluster.resources(task.stage, task.implementation), show)
        with self.changed:
            self.watched.append(one)
            self.changed.notify_all()
            while not (one.ended or self.closed):
                self.changed.wait(1)  # so that the main thread hears of an interrupt
            self.watched.remove(one)
        if self.error:
            raise self.error
        return one.failed if one.ended else "the run has ended before it: the same command finds its job again"

    def _look(self):
        try:
            while waiting := self._waiting():
                self._look_once(waiting)
                with self.changed:  # tasks that come meanwhile are for the next look
                    self.changed.wait_for(lambda: self.closed, self.cluster.poll_seconds)
        except Exception as error:
            with self.changed:
                self.error, self.closed = error, True
                self.changed.notify_all()

    def _waiting(self):
        """Those that have not ended, once there are any; none when the queue is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or any(not one.ended for one in self.watched))
            return [] if self.closed else [one for one in self.watched if not one.ended]

    def _look_once(self, waiting):
        try:
            rows = programs.by_place()
            for one in waiting:
                with contextlib.suppress(Refused):  # a job may end before it is cancelled: the next look shows it
                    self._step(one, rows.get(one.task.place, ()))
            self.silent = False
        except NoAnswer as error:
            if not self.silent:
                self.say(f"waiting for Slurm, which does not answer: {error}")
            self.silent = True
        with self.changed:
            self.changed.notify_all()

    def _step(self, one, rows):
        """Args: rows: of the jobs of the task's place."""
        own = [row for row in rows if row.name == one.task.name]
        live = [row for row in own if row.live]
        if one.task.done():
            programs.cancel([row for row in live if row.state == "PENDING"])  # requeued after its end; others are about to end
            end(one)
        elif live:
            one.job, one.missed = live[0].job, 0
            programs.cancel(live[1:])
            self._tell(one, live[0])
        elif not one.job:
            others = [row for row in rows if row.live and row.name != one.task.name]  # of other settings, code or inputs
            programs.cancel([row for row in others if row.state != "COMPLETING"])
            if not others:
                self._submit(one)
        else:
            self._ended(one, next((row.state for row in own if row.job == one.job), None))

    def _submit(self, one):
        one.saved = saved(one.task)
        one.released, one.told = False, ""
        (one.task.folder / "code").unlink(missing_ok=True)  # or a job that is lost would seem to have ended as the one before
        try:
            one.job = programs.sbatch(one.task, one.resources, self.cluster.warning_seconds, one.submitted)
        except Refused as refused:
            end(one, f"Slurm does not take it: {refused}")
        else:
            one.submitted, one.missed = one.submitted + 1, 0
            one.show(f"job {one.job} submitted")

    def _tell(self, one, row):
        """What a job in the queue is at, and what is to be done for it."""
        if row.state == "RUNNING":
            one.show(f"job {row.job} on {row.nodes}  {progress(one.task)}")
        else:
            one.show(f"job {row.job} {row.state.lower()} ({row.reason})")
        if row.state != "PENDING":
            one.hastened = False
            return
        reason = row.reason.replace(" ", "_").lower()
        if row.reason in NEVER:
            programs.cancel([row])
            end(one, f"job {row.job} would never begin ({row.reason}): params/slurm.yaml asks for what the cluster has not")
        elif "launch_failed" in reason or row.reason == "JobHeldAdmin":
            if one.released:
                programs.cancel([row])
                end(one, f"job {row.job} is held ({row.reason}), as it was before it was released: `scontrol show job {row.job}`")
            else:
                programs.scontrol("release", row.job)
                self._say(one, f"job {row.job} of {one.task.out} was held ({row.reason}) and is released, once")
                one.released = True
        elif row.reason == "JobHeldUser":
            self._say(one, f"job {row.job} of {one.task.out} is held by its user: `scontrol release {row.job}` lets it go on")
        elif row.reason == "BeginTime" and not one.hastened:  # after it was requeued, for two minutes
            programs.scontrol("update", f"jobid={row.job}", f"StartTime=now+{SOON}")
            one.hastened = True

    def _say(self, one, line):
        if line != one.told:
            one.told = line
            self.say(line)

    def _ended(self, one, state):
        """What becomes of a job that is no longer in the queue. Args: state: as squeue has it, None where it has forgotten."""
        code, out = one.task.code(), one.task.out
        if state == "COMPLETED" and code is None or state is None and one.missed < MISSED:
            one.missed += 1
            if one.missed > LATE:
                end(one, f"job {one.job} has ended well, and {one.task.folder}/code is not there: is the folder shared?")
            return
        what = f"job {one.job} of {out}"
        if saved(one.task) > one.saved:
            one.lost = 0
        if code == GO_ON:
            pass
        elif state == "CANCELLED":
            end(one, f"{what} was cancelled: run it again to submit it anew")
            return
        elif state == "OUT_OF_MEMORY" or code == KILLED or any(map(NO_MEMORY.search, tail(one.task))):
            if one.enlarged:
                end(one, f"{what} ran out of memory with {one.resources.memory_mib} MiB, twice what params/slurm.yaml says: "
                         f"raise stages.{one.task.stage}.memory_mib")
                return
            one.resources = replace(one.resources, memory_mib=2 * one.resources.memory_mib)
            one.enlarged = True
            self.say(f"{what} ran out of memory: submitted anew with {one.resources.memory_mib} MiB")
        elif state in ("TIMEOUT", "DEADLINE"):
            if saved(one.task) <= one.saved:
                end(one, f"{what} had no more time ({one.resources.minutes} minutes) before it saved itself: raise stages."
                         f"{one.task.stage}.minutes in params/slurm.yaml")
                return
        elif code is None or code > 128:  # the job was killed as a whole, or with its node
            one.lost += 1
            if one.lost > LOSSES:
                end(one, f"{what} was lost {one.lost} times ({(state or 'unknown to Slurm').lower()})")
                return
            self.say(f"{what} was lost ({(state or 'unknown to Slurm').lower()}): submitted anew")
        else:
            end(one, last_words(one.task) or f"{what} ended with {code}")
            return
        one.job = ""


def end(one, failed=None):
    one.failed, one.ended = failed, True


def saved(task):
    """When a task's checkpoint was written last, 0 where it has none: a file of the rewrite's, of the authors' code a folder."""
    options = dict(zip(task.arguments[1::2], task.arguments[2::2]))
    named = ("dataset", "seed", "study", "arm", STAGES[task.stage].option)
    cell = Cell(task.implementation, task.stage, *(options.get(f"--{name}", "") for name in named))
    files = [file / "rows.json" if file.is_dir() else file for file in Path("checkpoints").glob(f"*{cell.key}-*")]
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def tail(task):
    """The end of what a job printed since it began last."""
    try:
        with open(task.log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4000))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[max((index for index, line in enumerate(lines) if BEGAN.match(line)), default=0):]


def progress(task):
    return next((found[1] for line in reversed(tail(task)) if (found := SHOWN.search(line))), "")


def last_words(task):
    """The error that a stage ended with, or the last line that is not Slurm's."""
    lines = [line for line in tail(task) if not line.startswith(("srun: ", "slurmstepd"))]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]
