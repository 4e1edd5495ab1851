"""Stages side by side on one machine, over DVC: some `dvc repro` processes at a time, each given stages that are ready.

DVC holds its lock only while it reads and writes its own files, not while a stage is at work, so several can be. Each process
gets a few stages, since DVC takes seconds to start.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from harness.errors import UserError
from harness.files import alone, read_json, write_json
from harness.params import execution
from harness.record import FILE
from harness.server import started
from original_ref.checkout import reason_not_run
from studies.mend import is_dvc, make_ready, sweep, without_room
from studies.plan import clock, first, of_studies, pending, read_steps, seconds, upstream
from studies.summary import nothing

AT_ONCE = 20  # stages that one process is given at most
SECONDS_BETWEEN_LINES = 15
SECONDS_WITHOUT_ROOM = 10
BEFORE = "before"  # in a record that says why there is none: the one that was there
FAILED, BUSY, FULL = "its stage failed", "another DVC is at work on it", "DVC had no room on the disk: make some"
LATER = "not run yet: the authors' code runs last, and then this report is made anew"
INTERIM = "The report is made of what the rewrite computes. The authors' code runs now, which takes longer; then it is made anew."
AGENTS = ("WANDB_RUN_ID", "WANDB_SWEEP_ID")  # of the process that an agent of a W&B sweep began; stages have runs of their own


def run(studies, jobs):
    """Bring some studies (all, where empty) and the report up to date, `jobs` stages at a time, once no other run is at work.

    Raises UserError as bring does.
    """
    with alone("runs"):
        bring(lambda steps: of_studies(steps, studies), jobs)


def bring(choose, jobs):
    """Bring stages up to date, `jobs` at a time. Args: choose: from all steps to the names of those that are wanted.

    The authors' code takes several times as long as the rewrite, so it runs last, and the summaries and the report are made
    before and after it. A cell that fails does not stop the others; what comes after it is left out, but the summaries and the
    report are made of the cells that there are. Raises UserError that names what failed, what was left out, and what is not as
    its stage left it.
    """
    make_ready()
    put_back()
    known = [*first(), "reference"]  # what they find decides what else is stale
    repro(known, Board(len(known), 1), 0)
    steps = read_steps()
    todo = pending(steps) & choose(steps)
    ends = [{name for name in todo if steps[name].kind.endswith(":summary")}, todo & {"report"}]
    cells = todo.difference(*ends)
    later = of_the_authors(cells)
    board, failed, unsummed = Board(len(todo), jobs), {}, {}
    for part in filter(None, (cells - later, later)) if cells else [cells]:
        put_back()
        with started(execution().device):
            failed |= Scheduler(steps, part, jobs, board).run()
        absent = failed | dict.fromkeys(later - part - board.done, LATER)
        if absent:
            give_reasons(read_steps(), cells, absent)
        if all(steps[name].is_cell for name in failed):  # else there is nothing to sum up
            unsummed = {}
            for end in ends:
                unsummed |= Scheduler(steps, end, jobs, board).run()
            if later - part:
                board.print(INTERIM)
    failed |= unsummed
    now = read_steps() if todo else {}  # DVC goes on, with a line, where it could not copy an output into its cache
    spoilt = {name for name in board.done if now[name].stale}
    left_out = todo - board.done - set(failed)
    board.done -= spoilt
    board.close()
    wrong = {"failed": failed, "left out": left_out, "not in DVC's cache as their stages left them (is the disk full?)": spoilt}
    if any(wrong.values()):
        raise UserError("; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in wrong.items() if names)
                        + "; `dvc repro STAGE` shows why")


def of_the_authors(cells):
    """The names of the cells that the authors' code is to compute, where it is within reach: else they take no time."""
    return {name for name in cells if "original_" in name.split("@")[0].rpartition(":")[2]} if reason_not_run() is None else set()


def give_reasons(steps, cells, failed):
    """Put a record that says why in the place of each of some cells that is not up to date.

    What was there before is left to DVC's cache, as where DVC runs a stage; but a stage of the authors' code clears its folder
    itself, since it may find its own result again, and so its record is kept within the new one.

    Args: failed: why each stage failed that did, by name.
    """
    for name in pending({name: step for name, step in steps.items() if name in cells}):
        record = steps[name].record
        if steps[name].is_cell:
            causes = sorted(upstream(steps, [name]) & set(failed))
            found = nothing(failed.get(name) or f"not run, since {' and '.join(causes)} failed")
            if str(record.parent) in steps[name].outs:
                found |= {BEFORE: read_json(record)} if record.exists() else {}
            else:
                for out in steps[name].outs:
                    Path(out).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a full disk; the summary then says that there is no record
                write_json(record, found)


def put_back():
    """Bring back the records that an earlier run has put aside."""
    for file in Path("runs").glob(f"**/original_ref/**/{FILE}"):
        if before := read_json(file).get(BEFORE):
            write_json(file, before)


class Scheduler:
    """Hands ready stages to `jobs` threads, those first that most work waits for."""

    def __init__(self, steps, todo, jobs, board):
        self.steps, self.jobs, self.board = steps, jobs, board
        self.waiting = set(todo)
        self.running, self.failed = set(), {}
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
        """Returns why each stage failed that did, by name."""
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
            failed = dict.fromkeys(chosen, FAILED)  # unless they come back
            try:
                failed = repro(chosen, self.board, slot)
            finally:
                with self.changed:
                    self.running -= set(chosen)
                    self.failed |= failed
                    self.board.done |= set(chosen) - set(failed)
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
        blocked = self.waiting | self.running | set(self.failed)
        return [name for name in self.waiting if not self.steps[name].before & blocked]


def repro(names, board, slot):
    """Run stages one after another, each once no other DVC is at work on it. Returns why each failed that did, by name."""
    failed = {}
    while names and threading.main_thread().is_alive():  # it ends where the user interrupts it
        ended, others = attempt(names, board, slot)
        names = [name for name in names if ended.get(name) == BUSY]
        failed |= {name: reason for name, reason in ended.items() if name not in names}
        if names:
            wait_for(others, board)
    return failed | dict.fromkeys(names, FAILED)


def attempt(names, board, slot):
    """The same in one DVC process: (why each stage failed that did, or BUSY; [process, command] of the others at work)."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", "--keep-going", *names]
    environment = {key: value for key, value in os.environ.items() if key not in AGENTS}
    failed, reasons, lines, current = set(), {}, [], ""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        threading.Thread(target=end_without_room, args=(process,), daemon=True).start()
        for line in process.stdout:
            line = line.strip()
            lines.append(line)
            if line.startswith(("Running stage '", "Stage '")) and "didn't change" not in line:
                current = line.split("'")[1]
                reasons[current] = FAILED
                board.begin(slot, current)
            elif line.startswith("error: "):
                reasons[current] = line.removeprefix("error: ")
            elif line.startswith("ERROR: failed to reproduce"):
                failed |= {name for name in names if f"'{name}'" in line}
            elif ": epoch " in line:
                board.show(slot, line.partition(": ")[2])
    board.end(slot)
    if process.returncode and not failed:  # DVC itself failed
        failed = set(names)
        if process.returncode == -signal.SIGKILL and without_room():
            reasons = dict.fromkeys(names, FULL)
            board.print(f"error: {FULL}")
    others = re.findall(r"^\(PID (\d+)\): (.*)$", "\n".join(lines), re.MULTILINE)
    ended = {name: reasons.get(name, BUSY if others else FAILED) for name in failed}
    shown = [line for line in lines if line.startswith(("ERROR", "error", "WARNING: failed"))]
    if shown and set(ended.values()) != {BUSY}:
        board.print("\n".join(shown))
    return ended, others


def end_without_room(process):
    """Kill a DVC that runs no stage and has had no room on the disk for SECONDS_WITHOUT_ROOM."""
    began = time.monotonic()
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.poll() is None:
            if not without_room() or psutil.Process(process.pid).children():
                began = time.monotonic()
            elif time.monotonic() - began > SECONDS_WITHOUT_ROOM:
                process.kill()
            time.sleep(1)


def wait_for(others, board):
    """Wait until some DVC processes have ended, [process, command], and say for which."""
    for process, command in dict.fromkeys(others):
        board.print(f"waiting until process {process} has ended, which is at work on the same: {command}")
    while any(is_dvc(int(process)) for process, _ in others) and threading.main_thread().is_alive():
        time.sleep(0.2)
    sweep()


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
