"""Stages as jobs of a cluster, over DVC, which stays on this machine and keeps the record.

A stage goes through DVC twice. The first time DVC finds that it has not changed, or has its result in the cache, or calls its
command, which asks for a job and ends (`task.run`); the second time, when the job has ended, the command takes what it left. So a
few DVC processes, each for many stages, serve as many jobs as the cluster runs.
"""

import contextlib
import threading
from concurrent.futures import Future

from harness.command import ENGINE
from harness.engine import local, plan, programs
from harness.engine.programs import NoAnswer
from harness.engine.queue import Queue
from harness.engine.scheduler import AT_ONCE
from harness.engine.task import ASK, QUEUED, Task, place
from harness.errors import GO_ON
from harness.record import reason_not_run
from harness.resources import cluster
from harness.stages import STAGES


@contextlib.contextmanager
def workers(jobs, todo, at_once, board):
    """The same as local.workers. Args: at_once: how many DVC processes there are at a time."""
    found = cluster()
    end_others(jobs)
    with local.variables(**{ENGINE: "slurm", ASK: "1"}), Queue(found, board.print) as queue:
        yield max(1, min(found.jobs, len(todo))), Passes(queue, at_once).repro


def tell(jobs, todo, at_once):
    """Print the jobs that would run, what they take of the cluster, and how long they take where it has room for all."""
    took, found = plan.seconds(jobs), cluster()
    plan.tell_kinds(jobs, todo, took)
    cells = [name for name in todo if jobs[name].is_cell and not (jobs[name].is_of_the_authors and reason_not_run())]
    asked = {name: found.resources(stage_name(jobs[name]), "original_ref" if jobs[name].is_of_the_authors else "reimpl")
             for name in cells}
    hours = sum(took[name] * one.cpus * one.nodes for name, one in asked.items()) / 3600
    print(f"{len(todo)} of {len(jobs)} stages to run, {len(cells)} of them as jobs: about {hours:.2g} core-hours; "
          f"the longest chain about {plan.clock(plan.longest_chain(jobs, todo, took))}")


def stage_name(job):
    """The name of a cell's Stage."""
    kind = job.kind.rpartition(":")[2].removeprefix("original_")
    return next(name for name in STAGES if kind == name or kind.startswith(f"{name}_"))


def end_others(jobs):
    """Cancel the jobs of this project whose stages are up to date, or are no more: nobody would take what they leave."""
    waited_for = {place(jobs[name].record.parent) for name in plan.pending(jobs, jobs) if jobs[name].is_cell}
    with contextlib.suppress(NoAnswer):
        programs.cancel([row for at, rows in programs.by_place().items() if at not in waited_for for row in rows if row.live])


class Passes:
    """DVC processes, `at_once` of them at most, each for all the stages that wait for one."""

    def __init__(self, queue, at_once):
        self.queue = queue
        self.free, self.lock = threading.Semaphore(at_once), threading.Lock()
        self.waiting = {}

    def repro(self, names, board, slot):
        """A Scheduler's `execute`."""
        failed = {name: reason for name in names if (reason := self._one(name, board, slot)) is not None}
        board.end(slot)
        return failed

    def _one(self, name, board, slot):
        reason = self._through_dvc(name, board, slot)
        while reason and reason.startswith(QUEUED):
            task = Task.named(reason.removeprefix(QUEUED).partition(":")[0])
            reason = self.queue.run(task, lambda text: board.show(slot, text)) or self._through_dvc(name, board, slot)
        return reason

    def _through_dvc(self, name, board, slot):
        """Why the stage failed in DVC, or None: with others that wait, in one process."""
        ended = Future()
        with self.lock:
            self.waiting[name] = ended, board, slot
        with self.free:
            with self.lock:
                taken = dict(list(self.waiting.items())[:AT_ONCE])
                for one in taken:
                    del self.waiting[one]
            if taken:
                listener = Listener(taken)
                failed = {}
                try:
                    failed = local.repro(list(taken), listener, 0)
                finally:
                    for one, (result, *_) in taken.items():
                        if not result.done():
                            result.set_result(failed.get(one))
        return ended.result()


class Listener:
    """A Board for one DVC process, that tells of each stage on the board and the slot that it has.

    Args: taken: (Future of why it failed, Board, slot) by name. A stage that is queued is told of at once.
    """

    def __init__(self, taken):
        self.taken, self.name = taken, ""

    def begin(self, _, name):
        self.name = name
        _, board, slot = self.taken[name]
        board.begin(slot, name)

    def show(self, _, text):
        ended, board, slot = self.taken[self.name]
        if text.startswith(QUEUED):
            ended.set_result(text)
        else:
            board.show(slot, text)

    def end(self, _):
        """Each stage's thread ends its own."""

    def print(self, text):
        """What DVC says of stages that are queued, which to it have failed, is left out."""
        lines = [line for line in text.splitlines()
                 if not (line.startswith("ERROR: failed to reproduce") or line.endswith(f"exited with {GO_ON}"))]
        if lines:
            next(iter(self.taken.values()))[1].print("\n".join(lines))
