"""Stages side by side, with `dvc repro` replaced by a fake that watches: what starts when, how many at once, what is left out."""

import random
import re
import subprocess
import sys
import threading
import time

import pytest

from harness.errors import UserError
from studies import run
from studies.__main__ import main
from studies.plan import Step


def steps(stages):
    """Steps by name from {name: (before, ...)}, upstream first, all of them stale."""
    return {name: Step(name, frozenset(before), (), True) for name, before in stages.items()}


class Watched:
    """A fake of run.repro. Every stage takes a moment; those in `failing` fail.

    calls: the names that each call was given; most: how many calls there were at once, at most; early: (stage, what it needs)
    of each that began before that had ended; ended: stages that did not fail.
    """

    def __init__(self, found, failing=(), moment=0.001):
        self.steps, self.failing, self.moment = found, set(failing), moment
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
            self.early += [(name, need) for name in names for need in self.steps[name].before & set(self.steps) - self.ended]
        time.sleep(self.moment)
        with self.lock:
            self.now -= 1
            self.slots.remove(slot)
            self.ended |= set(names) - self.failing
        return set(names) & self.failing

    def started(self):
        return [name for call in self.calls for name in call]


def scheduled(monkeypatch, found, jobs, failing=(), todo=None):
    """A run of the Scheduler: the Scheduler, and what was seen of it."""
    watched = Watched(found, failing)
    monkeypatch.setattr(run, "repro", watched)
    todo = set(found) if todo is None else todo
    scheduler = run.Scheduler(found, todo, jobs, run.Board(len(todo), jobs))
    assert scheduler.run() == scheduler.failed
    return scheduler, watched


@pytest.mark.parametrize("seed", range(12))
def test_on_any_graph_nothing_begins_early_and_a_failure_leaves_out_what_comes_after_it_alone(monkeypatch, seed):
    draw = random.Random(seed)
    names, jobs = [f"s{index}" for index in range(40)], draw.choice([1, 2, 3, 5])
    found = steps({name: draw.sample(names[:index], min(index, draw.randrange(4))) for index, name in enumerate(names)})
    failing = set(draw.sample(names, seed % 4))

    def needs(name):
        return set(found[name].before).union(*(needs(before) for before in found[name].before))

    left_out = {name for name in names if needs(name) & failing}
    scheduler, watched = scheduled(monkeypatch, found, jobs, failing)
    assert watched.early == [] and watched.most <= jobs
    assert sorted(watched.started()) == sorted(set(names) - left_out)  # each once
    assert scheduler.failed == failing - left_out and scheduler.board.done == set(names) - left_out - failing


def test_what_is_not_to_run_is_taken_as_done(monkeypatch):
    found = steps({"a": (), "b": ("a",), "c": ("b",), "d": ("c",)})
    _, watched = scheduled(monkeypatch, found, 2, todo={"b", "d"})
    assert sorted(watched.started()) == ["b", "d"]


def test_stages_that_are_ready_do_run_side_by_side(monkeypatch):
    """Each of three waits until there are three: it would not end otherwise."""
    found, gate = steps({"a": (), "b": (), "c": (), "d": ("a", "b", "c")}), threading.Barrier(3, timeout=120)
    watched = Watched(found)

    def repro(names, board, slot):
        if names != ["d"]:
            gate.wait()
        return watched(names, board, slot)

    monkeypatch.setattr(run, "repro", repro)
    assert run.Scheduler(found, set(found), 3, run.Board(4, 3)).run() == set()
    assert len(watched.started()) == 4 and watched.early == []


def test_what_most_work_waits_for_goes_first(monkeypatch):
    """By hand, ahead: long 2 + 9 = 11, with what comes after it; alone 5; short 1 + 3 = 4; the last ones 9 and 3."""
    found = steps({"short": (), "alone": (), "long": (), "after_short": ("short",), "after_long": ("long",)})
    took = {"short": 1, "alone": 5, "long": 2, "after_short": 3, "after_long": 9}
    monkeypatch.setattr(run, "seconds", lambda steps: took)
    scheduler, watched = scheduled(monkeypatch, found, 1)
    assert scheduler.ahead == {"short": 4, "alone": 5, "long": 11, "after_short": 3, "after_long": 9}
    assert watched.started() == ["long", "after_long", "alone", "short", "after_short"]


def test_a_process_is_given_a_few_stages_and_leaves_some_to_the_others(monkeypatch):
    """Of 100 ready ones and 2 at a time a quarter of those left, 20 at most; the last ones one by one."""
    _, watched = scheduled(monkeypatch, steps({f"s{index}": () for index in range(100)}), 2)
    sizes = sorted((len(call) for call in watched.calls), reverse=True)
    assert sizes == [20, 20, 15, 11, 8, 6, 5, 3, 3, 2] + [1] * 7
    assert sum(sizes) == 100


def test_a_process_that_breaks_down_is_a_failure_and_stops_nothing_else(monkeypatch):
    found = steps({"a": (), "b": ("a",), "c": ()})
    watched = Watched(found)

    def repro(names, board, slot):
        if names == ["a"]:
            raise OSError("no more processes")
        return watched(names, board, slot)

    monkeypatch.setattr(run, "repro", repro)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)  # which prints it
    scheduler = run.Scheduler(found, set(found), 2, run.Board(3, 2))
    assert scheduler.run() == {"a"} and watched.started() == ["c"] and scheduler.board.done == {"c"}


def test_after_an_interrupt_nothing_more_is_started(monkeypatch):
    """The interrupt comes while the first stage runs; the thread that waits for the workers is told."""
    found, begun, go_on = steps({"a": (), "b": ("a",)}), threading.Event(), threading.Event()
    watched = Watched(found)

    def repro(names, board, slot):
        begun.set()
        go_on.wait(120)
        return watched(names, board, slot)

    class Interrupted(threading.Thread):
        def join(self, timeout=None):
            if not begun.is_set() or not go_on.is_set():
                begun.wait(120)
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(run, "repro", repro)
    monkeypatch.setattr(run.threading, "Thread", Interrupted)
    scheduler = run.Scheduler(found, set(found), 1, run.Board(2, 1))
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    go_on.set()
    deadline = time.monotonic() + 120
    while any(isinstance(thread, Interrupted) for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert watched.started() == ["a"]


def fake_dvc(monkeypatch, *lines, code=0):
    """Let run.repro start a program that prints these lines, as DVC would, and ends with this code; the commands it was given."""
    commands, start = [], subprocess.Popen

    def popen(command, **options):
        commands.append(command)
        return start([sys.executable, "-c", f"import sys; print(*{lines!r}, sep='\\n'); sys.exit({code})"], **options)

    monkeypatch.setattr(run.subprocess, "Popen", popen)
    return commands


NAMES = ["studies/main/dvc.yaml:scan@a-0-0", "studies/main/dvc.yaml:scan@b-0-0", "pretext@simclr-0"]


@pytest.mark.parametrize("lines, code, failed", [
    (["Running stage 'pretext@simclr-0':", "0:01: epoch 1/2, loss 3"], 0, []),
    ([f"ERROR: failed to reproduce '{NAMES[1]}'"], 255, NAMES[1:2]),
    ([f"ERROR: failed to reproduce stages: '{NAMES[0]}' and '{NAMES[2]}'"], 255, [NAMES[0], NAMES[2]]),
    (["ERROR: failed to reproduce 'studies/main/dvc.yaml:scan@b-0-0-more'", "ERROR: 'dvc.yaml' is invalid"], 255, NAMES),
    (["Traceback"], 1, NAMES),
])
def test_stages_that_dvc_names_have_failed_and_all_have_where_it_names_none(monkeypatch, capsys, lines, code, failed):
    commands = fake_dvc(monkeypatch, *lines, code=code)
    assert run.repro(NAMES, run.Board(3, 1), 0) == set(failed)
    ((_, *arguments),) = commands
    assert arguments[:2] == ["-m", "dvc"] and arguments[-3:] == NAMES
    assert {"--single-item", "--keep-going", "--wait-for-lock"} <= set(arguments)
    assert [line for line in lines if line.startswith("ERROR")] == [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("ERROR")]


def test_each_stage_that_ran_has_a_line_with_its_time(monkeypatch, capsys):
    fake_dvc(monkeypatch, "Running stage 'a':", "> python", "Stage 'b' didn't change, skipping", "Running stage 'c':")
    board = run.Board(3, 1)
    run.repro(["a", "b", "c"], board, 0)
    board.close()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\d+:\d\d", "m:ss", line).split() for line in lines] == [
        ["m:ss", "a", "(m:ss)"], ["m:ss", "c", "(m:ss)"],
        ["0", "of", "3", "stages", "done", "in", "m:ss"]]


def test_a_terminal_shows_what_each_slot_is_at_and_wipes_it_again(capsys):
    board = run.Board(2, 2)
    board.terminal = True
    board.begin(1, "scan@a")
    board.show(1, "epoch 3/4")
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2].split("\x1b[J")[-1].split() == ["idle"] and shown[-1].split() == ["scan@a", "0:00", "epoch", "3/4"]
    assert board.drawn == 2
    board.end(1)
    assert "\x1b[2A\x1b[J" in capsys.readouterr().out


def test_code_settings_and_reference_are_brought_up_to_date_before_anything_is_planned(monkeypatch):
    """The plan after them is another one; what failed and what was left out are named, sorted, in one line."""
    before = steps({"code": (), "reference": ("code",), "a": ("code",), "b": ("code",), "c": ("a",), "report": ("b", "c")})
    after = {name: Step(name, step.before, (), name in ("a", "c", "report")) for name, step in before.items()}
    calls = []

    def repro(names, board, slot):
        calls.append(names)
        return set(names) & {"a"}

    monkeypatch.setattr(run, "first", lambda: ["code", "settings"])
    monkeypatch.setattr(run, "read_steps", lambda: after if calls else before)
    monkeypatch.setattr(run, "repro", repro)
    with pytest.raises(UserError) as error:
        run.run([], 2)
    assert calls == [["code", "settings", "reference"], ["a"]]
    assert str(error.value) == "failed: a; left out: c, report; `dvc repro STAGE` shows why"


def test_where_all_is_well_nothing_is_raised(monkeypatch, capsys):
    before = {"code": (), "reference": ("code",), "report": ("reference",)}
    found = {name: Step(name, frozenset(need), (), name == "report") for name, need in before.items()}
    watched = Watched(found)
    monkeypatch.setattr(run, "first", lambda: ["code"])
    monkeypatch.setattr(run, "read_steps", lambda: found)
    monkeypatch.setattr(run, "repro", watched)
    run.run([], 1)
    assert watched.started() == ["code", "reference", "report"] and "1 of 1 stages done in 0:00" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", ""])
def test_fewer_than_one_at_a_time_is_refused(monkeypatch, capsys, jobs):
    monkeypatch.setattr(sys, "argv", ["studies", "run", f"--jobs={jobs}"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and f"{jobs} should be a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_pipeline_that_is_not_what_its_study_says_is_named_first(monkeypatch, capsys, tmp_path, command):
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/study.yaml").write_text("{title: t, question: q, arms: {reimpl: {scan: {a: {scan: {}}}}}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["studies", command])
    assert main() == 2
    assert capsys.readouterr().err == ("error: studies/s/dvc.yaml is not what study.yaml beside it says: "
                                       "`python -m studies write` brings it up to date\n")
