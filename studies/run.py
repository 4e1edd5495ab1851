"""Stages side by side on one machine, over DVC: some `dvc repro` processes at a time, each given stages that are ready.

DVC holds its lock only while it reads and writes its own files, not while a stage is at work, so several can be. Each process
gets a few stages, since DVC takes seconds to start.
"""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness.errors import UserError
from studies.plan import clock, first, of_studies, pending, read_steps, seconds

AT_ONCE = 20  # stages that one process is given at most
SECONDS_BETWEEN_LINES = 15


def run(studies, jobs):
    """Bring some studies (all, where empty) and the report up to date, `jobs` stages at a time.

    A stage that fails does not stop the others; what comes after it is left out. Raises UserError that names both.
    """
    sweep()
    known = [*first(), "reference"]  # what they find decides what else is stale
    repro(known, Board(len(known), 1), 0)
    steps = read_steps()
    todo = pending(steps) & of_studies(steps, studies)
    board = Board(len(todo), jobs)
    failed = Scheduler(steps, todo, jobs, board).run()
    left_out = [name for name in todo if name not in board.done and name not in failed]
    board.close()
    if failed:
        raise UserError(f"failed: {', '.join(sorted(failed))}; left out: {', '.join(sorted(left_out)) or 'nothing'}; "
                        "`dvc repro STAGE` shows why")


def sweep():
    """Remove what DVC left half-written where it was killed, and at which every later `dvc repro` would end.

    That is an empty folder in its cache of runs, or half a dvc.lock; what that held, DVC then takes from its cache of runs.
    """
    from dvc.dvcfile import Lockfile
    from dvc.repo import Repo
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    with Repo(_wait_for_lock=True) as repo, repo.lock:  # another DVC may be writing just now
        for folder in Path(repo.stage_cache.cache_dir).glob("*/*"):
            with contextlib.suppress(OSError):  # which says that it is not empty
                folder.rmdir()
        for lock in (Path("dvc.lock"), *Path("studies").glob("*/dvc.lock")):
            try:
                Lockfile(repo, str(lock)).load()
            except (YAMLSyntaxError, YAMLValidationError):
                lock.unlink()
                print(f"{lock} was half-written and is removed: what it said of stages that ran is in DVC's cache", flush=True)


class Scheduler:
    """Hands ready stages to `jobs` threads, those first that most work waits for."""

    def __init__(self, steps, todo, jobs, board):
        self.steps, self.jobs, self.board = steps, jobs, board
        self.waiting = set(todo)
        self.running, self.failed = set(), set()
        self.took = seconds(steps)
        self.ahead = self._ahead()
        self.changed = threading.Condition()

    def _ahead(self):
        """Seconds from a stage's beginning to the end of the longest chain after it."""
        after = {name: 0.0 for name in self.steps}
        for name in reversed(self.steps):  # downstream first
            after[name] += self.took[name]
            for before in self.steps[name].before:
                after[before] = max(after[before], after[name])
        return after

    def run(self):
        """Returns the names of the stages that failed."""
        workers = [threading.Thread(target=self._work, args=(slot,)) for slot in range(self.jobs)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:  # of which DVC and the stages at work hear, too
            with self.changed:
                self.waiting.clear()
                self.changed.notify_all()
            raise
        return self.failed

    def _work(self, slot):
        while chosen := self._next():
            failed = set(chosen)  # unless they come back
            try:
                failed = repro(chosen, self.board, slot)
            finally:
                with self.changed:
                    self.running -= set(chosen)
                    self.failed |= failed
                    self.board.done |= set(chosen) - failed
                    self.changed.notify_all()

    def _next(self):
        """Stages that are ready, or none when nothing will be any more."""
        with self.changed:
            while True:
                ready = self._ready()
                if ready:
                    share = max(1, min(AT_ONCE, len(ready) // (2 * self.jobs)))
                    chosen = sorted(ready, key=lambda name: -self.ahead[name])[:share]
                    self.waiting -= set(chosen)
                    self.running |= set(chosen)
                    return chosen
                if not self.running:
                    return []
                self.changed.wait()

    def _ready(self):
        blocked = self.waiting | self.running | self.failed
        return [name for name in self.waiting if not self.steps[name].before & blocked]


def repro(names, board, slot):
    """Run stages one after another in one DVC process. Returns the names of those that failed."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", "--keep-going", *names]
    failed, lines = set(), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            line = line.strip()
            lines.append(line)
            if line.startswith(("Running stage '", "Stage '")) and "didn't change" not in line:
                board.begin(slot, line.split("'")[1])
            elif line.startswith("ERROR: failed to reproduce"):
                failed |= {name for name in names if f"'{name}'" in line}
            elif ": epoch " in line:
                board.show(slot, line.partition(": ")[2])
    board.end(slot)
    if process.returncode and not failed:  # DVC itself failed
        failed = set(names)
    if failed:
        board.print("\n".join(line for line in lines if line.startswith(("ERROR", "error", "WARNING: failed"))))
    return failed


class Board:
    """One line for each running stage: redrawn on a terminal, now and then in a log."""

    def __init__(self, total, jobs):
        self.total, self.began = total, time.monotonic()
        self.done = set()
        self.slots = [("", 0.0, "")] * jobs
        self.printed = [0.0] * jobs
        self.drawn = 0
        self.terminal = sys.stdout.isatty()
        self.lock = threading.Lock()

    def begin(self, slot, name):
        with self.lock:
            self._finish(slot)
            self.slots[slot] = (name, time.monotonic(), "")
            self._draw(slot)

    def show(self, slot, text):
        """What the running stage says of itself."""
        with self.lock:
            name, began, _ = self.slots[slot]
            self.slots[slot] = (name, began, text)
            self._draw(slot)

    def end(self, slot):
        with self.lock:
            self._finish(slot)
            self.slots[slot] = ("", 0.0, "")
            self._draw(slot)

    def print(self, text):
        with self.lock:
            self._erase()
            print(text, flush=True)

    def close(self):
        self.print(f"{len(self.done)} of {self.total} stages done in {clock(time.monotonic() - self.began)}")

    def _finish(self, slot):
        name, began, _ = self.slots[slot]
        if name:
            self._erase()
            print(f"{clock(time.monotonic() - self.began):>8}  {name} ({clock(time.monotonic() - began)})", flush=True)

    def _draw(self, slot):
        if not self.terminal:
            name, _, text = self.slots[slot]
            if text and time.monotonic() - self.printed[slot] > SECONDS_BETWEEN_LINES:
                self.printed[slot] = time.monotonic()
                print(f"          {name}: {text}", flush=True)
            return
        self._erase()
        for name, began, text in self.slots:
            print(f"  {name or 'idle'}  {clock(time.monotonic() - began) if name else ''}  {text}"[:118])
        self.drawn = len(self.slots)
        sys.stdout.flush()

    def _erase(self):
        if self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="")
            self.drawn = 0
