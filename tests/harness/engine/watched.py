"""Jobs that are made up, and a fake in place of DVC that watches how they are run."""

import threading
import time

from harness.engine.board import Board
from harness.engine.plan import Job
from harness.engine.scheduler import Scheduler


def jobs_of(stages):
    """Jobs by name from {name: (before, ...)}, upstream first, all of them stale."""
    return {name: Job(name, frozenset(before), (), True) for name, before in stages.items()}


WHY = "a setting is wrong"


class Watched:
    """A fake of local.repro. Every job takes a moment; those in `failing` fail, with WHY.

    calls: the names that each call was given; most: how many calls there were at once, at most; early: (stage, what it needs)
    of each that began before that had ended; ended: jobs that did not fail.
    """

    def __init__(self, found, failing=(), moment=0.001):
        self.jobs, self.failing, self.moment = found, set(failing), moment
        self.calls, self.early, self.ended, self.slots = [], [], set(), set()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, names, board, slot):
        with self.lock:
            assert slot not in self.slots
            self.slots.add(slot)
            self.calls.append(list(names))
            self.now += 1
            self.most = max(self.most, self.now)
            self.early += [(name, need) for name in names for need in self.jobs[name].before & set(self.jobs) - self.ended]
        time.sleep(self.moment)
        with self.lock:
            self.now -= 1
            self.slots.remove(slot)
            self.ended |= set(names) - self.failing
        return dict.fromkeys(set(names) & self.failing, WHY)

    def started(self):
        return [name for call in self.calls for name in call]


def scheduled(found, at_once, failing=(), todo=None):
    """A run of the Scheduler: the Scheduler, and what was seen of it."""
    watched = Watched(found, failing)
    todo = set(found) if todo is None else todo
    scheduler = Scheduler(found, todo, at_once, Board(len(todo), at_once), watched)
    assert scheduler.run() == scheduler.failed
    return scheduler, watched
