"""Jobs side by side: which of those that are ready goes next, and to which thread."""

import threading

from harness.engine.plan import seconds

AT_ONCE = 20  # jobs that a thread is given at most
FAILED = "its stage failed"


class Scheduler:
    """Hands ready jobs to some threads, those first that most work waits for.

    Args: jobs: all Jobs by name, upstream first; todo: the names of those to run; at_once: how many threads; board: a Board;
    execute: from names, board and slot to why each failed that did, by name; it runs one after another.
    """

    def __init__(self, jobs, todo, at_once, board, execute):
        self.jobs, self.at_once, self.board, self.execute = jobs, at_once, board, execute
        self.waiting = set(todo)
        self.running, self.failed = set(), {}
        self.took = seconds(jobs)
        self.ahead = self._ahead()
        self.changed = threading.Condition()

    def _ahead(self):
        """Seconds from a job's beginning to the end of the longest chain after it."""
        after = {name: 0.0 for name in self.jobs}
        for name in reversed(self.jobs):  # downstream first
            after[name] += self.took[name]
            for before in self.jobs[name].before:
                after[before] = max(after[before], after[name])
        return after

    def run(self):
        """Returns why each job failed that did, by name."""
        workers = [threading.Thread(target=self._work, args=(slot,)) for slot in range(self.at_once)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:  # of which those at work hear, too
            with self.changed:
                self.waiting.clear()
                self.changed.notify_all()
            raise
        return self.failed

    def _work(self, slot):
        while chosen := self._next():
            failed = dict.fromkeys(chosen, FAILED)  # unless they come back
            try:
                failed = self.execute(chosen, self.board, slot)
            finally:
                with self.changed:
                    self.running -= set(chosen)
                    self.failed |= failed
                    self.board.done |= set(chosen) - set(failed)
                    self.changed.notify_all()

    def _next(self):
        """Jobs that are ready, or none when nothing will be any more."""
        with self.changed:
            while True:
                ready = self._ready()
                if ready:
                    share = max(1, min(AT_ONCE, len(ready) // (2 * self.at_once)))
                    chosen = sorted(ready, key=lambda name: -self.ahead[name])[:share]
                    self.waiting -= set(chosen)
                    self.running |= set(chosen)
                    return chosen
                if not self.running:
                    return []
                self.changed.wait()

    def _ready(self):
        blocked = self.waiting | self.running | set(self.failed)
        return [name for name in self.waiting if not self.jobs[name].before & blocked]
