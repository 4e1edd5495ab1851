"""Stages on this machine, over DVC: which there are, and running some of them in a `dvc repro` process.

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

from harness.command import ENGINE
from harness.engine.plan import Job, tell  # noqa: F401  with `workers` what run.py takes of an engine
from harness.engine.repair import held, is_dvc, make_ready, repair, without_room
from harness.engine.scheduler import FAILED
from harness.engine.task import QUEUED
from harness.params import dataset_name, execution
from harness.pipeline.pipeline import summarised
from harness.pipeline.study import load_study, names
from harness.server import started

SECONDS_WITHOUT_ROOM = 10
BUSY, FULL = "another DVC is at work on it", "DVC had no room on the disk: make some"


def read_jobs():
    """Every stage of every pipeline, by name, upstream first. Raises UserError where DVC cannot read them."""
    import networkx

    with held() as repo:
        graph = repo.index.graph
        stale = {stage.addressing for stage in repo.index.stages if _stale(stage)}  # Repo.status would read all a second time
        ordered = reversed(list(networkx.lexicographical_topological_sort(graph, key=lambda stage: stage.addressing)))
        return {stage.addressing: Job(
            stage.addressing, frozenset(before.addressing for before in graph.successors(stage)),
            tuple(str(Path(out.fs_path).relative_to(repo.root_dir)) for out in stage.outs),
            stage.addressing in stale) for stage in ordered}


def _stale(stage):
    """Of one that runs each time, what its outputs are tells; and one that another DVC is at work on has not run yet."""
    from dvc.lock import LockError

    try:
        return not stage.always_changed and bool(stage.status())
    except LockError:
        return True


def first():
    """The stages that tell others of code, settings and images. Until they have run, DVC reports too many stages as stale, or too
    few."""
    studies = (f"studies/{name}/dvc.yaml:settings" for name in names() if load_study(name).has_arms())
    return ["code", "settings", "listing", *studies]


@contextlib.contextmanager
def workers(jobs, todo, at_once, board):
    """Yield how many threads run the jobs named in `todo`, and what each does with some of them: a Scheduler's `execute`."""
    with variables(**{ENGINE: "local"}), started(execution().device):
        yield at_once, repro


@contextlib.contextmanager
def variables(**values):
    """Have these variables in the environment of what is started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


def refresh():
    """Bring the stages that tell the others of code, settings and images up to date."""
    make_ready()
    subprocess.run([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet", *first()], check=False)


def make_folders():
    """Make the folders that the summaries are collected from, since DVC wants all of them there, also where one arm alone ran."""
    for name in names():
        for folder in summarised(name, load_study(name)):
            Path(folder.replace("${dataset}", dataset_name())).mkdir(parents=True, exist_ok=True)


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
    failed, reasons, lines, current = set(), {}, [], ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
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
            elif line.startswith(QUEUED):
                reasons[current] = line
                board.show(slot, line)
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
    repair()
