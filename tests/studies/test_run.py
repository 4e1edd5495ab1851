"""Stages side by side, with `dvc repro` replaced by a fake that watches: what starts when, how many at once, what is left out."""

import contextlib
import json
import random
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from harness.errors import UserError
from harness.record import FILE
from studies import __main__ as commands
from studies import run
from studies.__main__ import main
from studies.plan import Step


def steps(stages):
    """Steps by name from {name: (before, ...)}, upstream first, all of them stale."""
    return {name: Step(name, frozenset(before), (), True) for name, before in stages.items()}


WHY = "a setting is wrong"


class Watched:
    """A fake of run.repro. Every stage takes a moment; those in `failing` fail, with WHY.

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
        return dict.fromkeys(set(names) & self.failing, WHY)

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
    assert scheduler.failed == dict.fromkeys(failing - left_out, WHY) and scheduler.board.done == set(names) - left_out - failing


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
    assert run.Scheduler(found, set(found), 3, run.Board(4, 3)).run() == {}
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
    assert scheduler.run() == {"a": run.FAILED} and watched.started() == ["c"] and scheduler.board.done == {"c"}


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
    (["Running stage 'pretext@simclr-0':", "0:01: epoch 1/2, loss 3"], 0, {}),
    ([f"ERROR: failed to reproduce '{NAMES[1]}'"], 255, {NAMES[1]: run.FAILED}),
    ([f"Running stage '{NAMES[0]}':", "error: scan is wrong", f"Running stage '{NAMES[2]}':", "Traceback",
      f"ERROR: failed to reproduce stages: '{NAMES[0]}' and '{NAMES[2]}'"], 255,
     {NAMES[0]: "scan is wrong", NAMES[2]: run.FAILED}),
    (["ERROR: failed to reproduce 'studies/main/dvc.yaml:scan@b-0-0-more'", "ERROR: 'dvc.yaml' is invalid"], 255,
     dict.fromkeys(NAMES, run.FAILED)),
    (["Traceback"], 1, dict.fromkeys(NAMES, run.FAILED)),
])
def test_stages_that_dvc_names_have_failed_and_all_have_where_it_names_none(monkeypatch, capsys, lines, code, failed):
    commands = fake_dvc(monkeypatch, *lines, code=code)
    assert run.repro(NAMES, run.Board(3, 1), 0) == failed
    ((_, *arguments),) = commands
    assert arguments[:2] == ["-m", "dvc"] and arguments[-3:] == NAMES
    assert {"--single-item", "--keep-going", "--wait-for-lock"} <= set(arguments)
    assert [line for line in lines if line.startswith(("ERROR", "error"))] == [
        line for line in capsys.readouterr().out.splitlines() if line.startswith(("ERROR", "error"))]


def test_stages_that_another_dvc_is_at_work_on_are_run_once_it_has_ended(monkeypatch, capsys):
    """As DVC says it: the first stage is blocked by a process that is alive, the second fails by itself; then all is well."""
    busy = ["Running stage 'studies/main/dvc.yaml:scan@b-0-0':", "error: scan is wrong",
            "WARNING: 'runs/digits/pretext' is busy, it is being blocked by:", "  (PID 123): /bin/dvc repro", "",
            f"ERROR: failed to reproduce stages: '{NAMES[1]}' and '{NAMES[2]}'"]
    alive, again = [True, True, False], []

    def sweep():  # after which it is given the stage that was busy, and no other
        monkeypatch.undo()
        again.extend([fake_dvc(monkeypatch)])

    fake_dvc(monkeypatch, *busy, code=255)
    monkeypatch.setattr(run, "is_dvc", lambda process: process == 123 and alive.pop(0))
    monkeypatch.setattr(run, "sweep", sweep)
    assert run.repro(NAMES, run.Board(3, 1), 0) == {NAMES[1]: "scan is wrong"}
    assert "waiting until process 123 has ended, which is at work on the same: /bin/dvc repro" in capsys.readouterr().out
    ((command,),) = again
    assert command[command.index("--keep-going") + 1:] == NAMES[2:] and not alive


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


GRAPH = {"code": (), "reference": ("code",), "dataset": ("code",), "a@0": ("dataset",), "a@1": ("dataset",),
         "b@0": ("a@0",), "b@1": ("a@1",), "s:summary": ("b@0", "b@1"), "report": ("s:summary",)}
CELLS = {"a@0", "a@1", "b@0", "b@1"}


def brought(monkeypatch, tmp_path, failing=(), spoilt=(), also=()):
    """A run over GRAPH in `tmp_path`, of which CELLS are stale and all that comes after: the error, or None, and what was seen.

    Args: spoilt: what DVC takes for stale once it has run; also: what else is stale.
    """
    monkeypatch.chdir(tmp_path)

    def read():
        ended = watched.ended - set(spoilt)
        return {name: Step(name, frozenset(before), (f"out/{name}/model.pt", f"out/{name}/{FILE}"), name in stale - ended)
                for name, before in GRAPH.items()}

    stale, watched = CELLS | {"s:summary", "report", *also}, Watched(steps(GRAPH), failing)
    watched.ended |= {"dataset"} - set(also)
    monkeypatch.setattr(run, "first", lambda: ["code"])
    monkeypatch.setattr(run, "make_ready", lambda: None)
    monkeypatch.setattr(run, "read_steps", read)
    monkeypatch.setattr(run, "repro", watched)
    monkeypatch.setattr(run, "started", contextlib.nullcontext)  # no stage is run, so none needs the server
    monkeypatch.setattr(run, "execution", lambda: SimpleNamespace(device="cpu"))
    for name in CELLS:
        (tmp_path / "out" / name).mkdir(parents=True)
        for file in ("model.pt", FILE):
            (tmp_path / "out" / name / file).write_text(json.dumps({"evidence": {}}))
    try:
        run.run([], 2)
    except UserError as error:
        return str(error), watched
    return None, watched


def test_code_settings_and_reference_come_first_then_cells_then_their_summary(monkeypatch, tmp_path, capsys):
    error, watched = brought(monkeypatch, tmp_path)
    assert error is None and watched.calls[0] == ["code", "reference"] and watched.early == [("reference", "code")]  # in one call
    assert watched.started()[-2:] == ["s:summary", "report"] and set(watched.started()[2:-2]) == CELLS
    assert "6 of 6 stages done in 0:00" in capsys.readouterr().out


def test_the_authors_code_runs_last_and_the_report_is_made_before_and_after_it(monkeypatch, tmp_path, capsys):
    """Though one of its two cells is ready at once. The first report finds the reason in place of their records."""
    graph = GRAPH | {"original_a@0": ("dataset",), "s:original_b@0": ("original_a@0",),
                     "s:summary": (*GRAPH["s:summary"], "s:original_b@0")}
    monkeypatch.setitem(globals(), "GRAPH", graph)
    monkeypatch.setitem(globals(), "CELLS", CELLS | {"original_a@0", "s:original_b@0"})
    monkeypatch.setattr(run, "reason_not_run", lambda: None)
    reported = []

    class Reporting(Watched):
        def __call__(self, names, board, slot):
            if names == ["report"]:
                reported.append(json.loads((tmp_path / "out/s:original_b@0" / FILE).read_text()).get("not_run"))
            return super().__call__(names, board, slot)

    monkeypatch.setitem(globals(), "Watched", Reporting)
    error, watched = brought(monkeypatch, tmp_path)
    ends, theirs, started = ["s:summary", "report"], ["original_a@0", "s:original_b@0"], watched.started()[2:]
    assert error is None and started[4:] == [*ends, *theirs, *ends] and set(started[:4]) == {"a@0", "a@1", "b@0", "b@1"}
    assert reported[0] == run.LATER
    shown = capsys.readouterr().out
    assert shown.index(run.INTERIM) < shown.index("8 of 8 stages done in 0:00")


def test_a_cell_that_failed_and_those_after_it_have_a_record_that_says_why_and_are_summed_up(monkeypatch, tmp_path, capsys):
    error, watched = brought(monkeypatch, tmp_path, failing={"a@1"})
    assert error == "failed: a@1; left out: b@1; `dvc repro STAGE` shows why"
    assert watched.started()[-2:] == ["s:summary", "report"] and "b@1" not in watched.started()
    assert "4 of 6 stages done" in capsys.readouterr().out
    records = {name: json.loads((tmp_path / "out" / name / FILE).read_text()).get("not_run") for name in CELLS}
    assert records == {"a@0": None, "b@0": None, "a@1": WHY, "b@1": "not run, since a@1 failed"}
    assert {name for name in CELLS if (tmp_path / "out" / name / "model.pt").exists()} == {"a@0", "b@0"}


def test_a_record_of_the_authors_code_is_put_aside_and_back_again(monkeypatch, tmp_path):
    """It is in a folder that their stage clears itself; their second one was left out, and the first left nothing."""
    monkeypatch.chdir(tmp_path)
    folders = {name: f"runs/d/original_ref/{name}" for name in ("first@0", "second@0")}
    second = tmp_path / folders["second@0"]
    second.mkdir(parents=True)
    (second / "model.pt").touch()
    (second / FILE).write_text(whole := '{\n "metrics": {\n  "acc": 0.5\n }\n}\n')
    found = {"first@0": Step("first@0", frozenset(), (folders["first@0"],), True),
             "second@0": Step("second@0", frozenset({"first@0"}), (folders["second@0"],), False)}
    run.give_reasons(found, set(found), {"first@0": WHY})
    records = [json.loads((tmp_path / folder / FILE).read_text()) for folder in folders.values()]
    assert [(record["not_run"], record["metrics"]) for record in records] == [(WHY, {}), ("not run, since first@0 failed", {})]
    run.put_back()
    assert (second / FILE).read_text() == whole and (second / "model.pt").exists()
    assert json.loads((tmp_path / folders["first@0"] / FILE).read_text())["not_run"] == WHY


def test_without_what_all_cells_need_there_is_nothing_to_sum_up(monkeypatch, tmp_path):
    error, watched = brought(monkeypatch, tmp_path, failing={"dataset"}, also={"dataset"})
    assert error == "failed: dataset; left out: a@0, a@1, b@0, b@1, report, s:summary; `dvc repro STAGE` shows why"
    assert watched.started()[-1] == "dataset"


def test_a_stage_that_is_not_up_to_date_after_it_ran_is_not_done(monkeypatch, tmp_path, capsys):
    error, _ = brought(monkeypatch, tmp_path, spoilt={"report"})
    assert error == ("not in DVC's cache as their stages left them (is the disk full?): report; `dvc repro STAGE` shows why")
    assert "5 of 6 stages done" in capsys.readouterr().out


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
    monkeypatch.setattr(commands, "check_run", lambda: None)  # there are no settings here to be wrong
    assert main() == 2
    assert capsys.readouterr().err == ("error: studies/s/dvc.yaml is not what study.yaml beside it says: "
                                       "`python -m studies write` brings it up to date\n")


@pytest.mark.parametrize("command, room, code", [
    (["sleep", "60"], False, -9), (["sleep", "3"], True, 0), (["sh", "-c", "sleep 3; true"], False, 0)])  # the last runs a stage
def test_a_dvc_that_runs_no_stage_and_has_no_room_on_the_disk_is_ended(monkeypatch, command, room, code):
    monkeypatch.setattr(run, "without_room", lambda: not room)
    monkeypatch.setattr(run, "SECONDS_WITHOUT_ROOM", 1)
    with subprocess.Popen(command) as process:
        run.end_without_room(process)
    assert process.returncode == code
