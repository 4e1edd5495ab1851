"""What is made of what DVC prints, with a program in its place; and the lines of the board."""

import re
import subprocess
import sys

import pytest

from harness.engine import local
from harness.engine.board import Board
from harness.engine.scheduler import FAILED


def fake_dvc(monkeypatch, *lines, code=0):
    """Let local.repro start a program that prints these lines, as DVC would, and ends with this code. Returns its commands."""
    commands, start = [], subprocess.Popen

    def popen(command, **options):
        commands.append(command)
        return start([sys.executable, "-c", f"import sys; print(*{lines!r}, sep='\\n'); sys.exit({code})"], **options)

    monkeypatch.setattr(local.subprocess, "Popen", popen)
    return commands


NAMES = ["studies/main/dvc.yaml:scan@a-0-0", "studies/main/dvc.yaml:scan@b-0-0", "pretext@simclr-0"]


@pytest.mark.parametrize("lines, code, failed", [
    (["Running stage 'pretext@simclr-0':", "0:01: epoch 1/2, loss 3"], 0, {}),
    ([f"ERROR: failed to reproduce '{NAMES[1]}'"], 255, {NAMES[1]: FAILED}),
    ([f"Running stage '{NAMES[0]}':", "error: scan is wrong", f"Running stage '{NAMES[2]}':", "Traceback",
      f"ERROR: failed to reproduce stages: '{NAMES[0]}' and '{NAMES[2]}'"], 255,
     {NAMES[0]: "scan is wrong", NAMES[2]: FAILED}),
    (["ERROR: failed to reproduce 'studies/main/dvc.yaml:scan@b-0-0-more'", "ERROR: 'dvc.yaml' is invalid"], 255,
     dict.fromkeys(NAMES, FAILED)),
    (["Traceback"], 1, dict.fromkeys(NAMES, FAILED)),
])
def test_stages_that_dvc_names_have_failed_and_all_have_where_it_names_none(monkeypatch, capsys, lines, code, failed):
    commands = fake_dvc(monkeypatch, *lines, code=code)
    assert local.repro(NAMES, Board(3, 1), 0) == failed
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

    def repair():  # after which it is given the stage that was busy, and no other
        monkeypatch.undo()
        again.extend([fake_dvc(monkeypatch)])

    fake_dvc(monkeypatch, *busy, code=255)
    monkeypatch.setattr(local, "is_dvc", lambda process: process == 123 and alive.pop(0))
    monkeypatch.setattr(local, "repair", repair)
    assert local.repro(NAMES, Board(3, 1), 0) == {NAMES[1]: "scan is wrong"}
    assert "waiting until process 123 has ended, which is at work on the same: /bin/dvc repro" in capsys.readouterr().out
    ((command,),) = again
    assert command[command.index("--keep-going") + 1:] == NAMES[2:] and not alive


def test_each_stage_that_ran_has_a_line_with_its_time(monkeypatch, capsys):
    fake_dvc(monkeypatch, "Running stage 'a':", "> python", "Stage 'b' didn't change, skipping", "Running stage 'c':")
    board = Board(3, 1)
    local.repro(["a", "b", "c"], board, 0)
    board.close()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\d+:\d\d", "m:ss", line).split() for line in lines] == [
        ["m:ss", "a", "(m:ss)"], ["m:ss", "c", "(m:ss)"],
        ["0", "of", "3", "stages", "done", "in", "m:ss"]]


def test_a_terminal_shows_what_each_slot_is_at_and_wipes_it_again(capsys):
    board = Board(2, 2)
    board.terminal = True
    board.begin(1, "scan@a")
    board.show(1, "epoch 3/4")
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2].split("\x1b[J")[-1].split() == ["idle"] and shown[-1].split() == ["scan@a", "0:00", "epoch", "3/4"]
    assert board.drawn == 2
    board.end(1)
    assert "\x1b[2A\x1b[J" in capsys.readouterr().out


@pytest.mark.parametrize("command, room, code", [
    (["sleep", "60"], False, -9), (["sleep", "3"], True, 0), (["sh", "-c", "sleep 3; true"], False, 0)])  # the last runs a stage
def test_a_dvc_that_runs_no_stage_and_has_no_room_on_the_disk_is_ended(monkeypatch, command, room, code):
    monkeypatch.setattr(local, "without_room", lambda: not room)
    monkeypatch.setattr(local, "SECONDS_WITHOUT_ROOM", 1)
    with subprocess.Popen(command) as process:
        local.end_without_room(process)
    assert process.returncode == code
