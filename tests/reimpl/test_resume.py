"""Each pretext task and baseline that trains and that the digits have settings for, killed as kill -9 does, and run again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import reimpl.baseline
import reimpl.pretext
from harness import datasets, tasks
from harness.command import main
from harness.errors import GO_ON
from harness.files import read_npz, read_yaml, write_json
from harness.pipeline.resolve import in_force
from harness.record import Cell
from reimpl.train.trainer import Trainer

ROOT = Path(__file__).parent.parent.parent
PARAMS = read_yaml(ROOT / "params/digits.yaml")
PATIENCE = 600  # seconds, of a machine that is busy with other work
TASKS = sorted({*tasks.known()} & {*PARAMS["pretext"]})
METHODS = [method for method in tasks.known("baseline") if "training" in PARAMS["baseline"].get(method, ())]
PHASES = ("reconstruction_epochs", "warm_up_epochs", "every")


def run(module, cell, inputs, out):
    module.run(cell, in_force(cell), inputs, out)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the digits, and settings of a few epochs that are saved after each."""
    monkeypatch.chdir(tmp_path)
    params = json.loads(json.dumps(PARAMS))
    params["network"] = {"width": 8, "blocks": [1, 1]}
    for settings in params["pretext"].values():
        settings["training"]["epochs"], settings["evaluate_every"] = 5, 2
    for settings in (params["baseline"][method] for method in METHODS):
        settings["training"]["epochs"] = 5
        settings.update({key: 2 for key in PHASES if key in settings})
    write_json(tmp_path / "params/digits.yaml", params)
    seeds = {"pretext_seeds": [0], "clustering_seeds": [0]}
    execution = {"device": "cpu", "threads": 1, "tracking": "disabled", "checkpoint_seconds": 0}
    write_json(tmp_path / "params.yaml", seeds | {"execution": execution})
    run(datasets, Cell("harness", "dataset", "digits", "0"), {}, tmp_path / "data")
    return tmp_path


def killed_and_run_again(folder, stage, option, picked):
    """The records of a stage that was killed once it had a checkpoint, and run again, and of one in `whole` that was not."""
    command = [sys.executable, "-m", "reimpl", stage, option, picked, "--dataset", "digits", "--seed", "0", "--data", "data",
               "--out", "out"]
    places = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **places)
    deadline = time.monotonic() + PATIENCE
    while not [*folder.glob("checkpoints/*.pt")] and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not [*folder.glob("out/*")]
    again = subprocess.run(command, **places)
    assert again.returncode == 0 and "going on after epoch" in again.stderr, again.stderr
    run(getattr(reimpl, stage), Cell("reimpl", stage, "digits", "0", variant=picked), {"data": folder / "data"}, folder / "whole")
    return [json.loads((folder / out / "metrics.json").read_text()) for out in ("out", "whole")]


def test_where_one_of_two_processes_is_killed_both_end_and_go_on_to_the_same_bits(folder):
    """The second, then the first, which writes: the stage ends within a minute, with the exit code of the one that died."""
    params = json.loads((folder / "params.yaml").read_text())
    params["execution"]["processes"] = 2
    write_json(folder / "params.yaml", params)
    command = [sys.executable, "-m", "reimpl", "pretext", "--task", "simclr", "--dataset", "digits", "--data", "data", "--out"]
    places = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    for rank in (1, 0):
        before = saved(folder)
        stage = subprocess.Popen([*command, "out"], **places)
        while saved(folder) == before and stage.poll() is None:
            time.sleep(0.002)
        next(one for one in psutil.Process(stage.pid).children() if one.environ()["RANK"] == str(rank)).kill()
        assert f"error: process {rank} of 2 was killed by signal 9" in stage.communicate(timeout=60)[1]
        assert stage.returncode == 128 + signal.SIGKILL and not [*folder.glob("out/*")]
    again = subprocess.run([*command, "out"], **places)
    assert again.returncode == 0 and again.stderr.count("going on after epoch") == 1, again.stderr
    assert subprocess.run([*command, "whole"], **places).returncode == 0
    assert (folder / "out/model.pt").read_bytes() == (folder / "whole/model.pt").read_bytes()
    assert json.loads((folder / "out/metrics.json").read_text())["evidence"]["hardware"]["processes"] == 2


def saved(folder):
    """The checkpoint, and when it was written last."""
    return [(file, file.stat().st_mtime_ns) for file in folder.glob("checkpoints/*.pt")]


@pytest.mark.parametrize("task", TASKS)
def test_a_killed_task_goes_on_and_ends_with_the_same_bits(folder, task):
    resumed, whole = killed_and_run_again(folder, "pretext", "--task", task)
    assert (folder / "out/model.pt").read_bytes() == (folder / "whole/model.pt").read_bytes()
    assert resumed["curves"] == whole["curves"] and len(whole["curves"]) == 5


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_baseline_goes_on_and_ends_with_the_same_bits(folder, method):
    resumed, whole = killed_and_run_again(folder, "baseline", "--method", method)
    found, expected = (read_npz(folder / out / "predictions.npz") for out in ("out", "whole"))
    assert found.keys() == expected.keys() and all((found[name] == expected[name]).all() for name in expected)
    assert resumed["curves"] == whole["curves"] and len(whole["curves"]) == 5


def test_a_training_that_is_stopped_goes_on_and_ends_with_the_same_bits(folder, capsys):
    """Stopped after each epoch, by its time, and run again."""
    def set_time(seconds):
        params = json.loads((folder / "params.yaml").read_text())
        params["execution"]["stop_after"] = seconds
        write_json(folder / "params.yaml", params)

    command = ["pretext", "--task", "simclr", "--dataset", "digits", "--seed", "0", "--data", "data", "--out"]
    set_time(1e-9)
    assert [main("reimpl", [*command, "out"]) for _ in range(5)] == [GO_ON] * 4 + [0]
    assert "stopped after epoch 4 of 5: run the same command again to go on" in capsys.readouterr().err
    set_time(0)
    assert main("reimpl", [*command, "whole"]) == 0
    assert (folder / "out/model.pt").read_bytes() == (folder / "whole/model.pt").read_bytes()
    stopped, whole = (json.loads((folder / out / "metrics.json").read_text()) for out in ("out", "whole"))
    assert stopped["curves"] == whole["curves"] and len(whole["curves"]) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_training_that_is_told_to_stop_goes_on_and_ends_with_the_same_bits(folder, capsys, number):
    """Told in each epoch, as from outside."""
    command = ["pretext", "--task", "simclr", "--dataset", "digits", "--seed", "0", "--data", "data", "--out"]
    assert main("reimpl", [*command, "whole"]) == 0
    epoch, before = Trainer._epoch, signal.getsignal(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_epoch", lambda *arguments: (os.kill(os.getpid(), number), epoch(*arguments))[1])
        assert [main("reimpl", [*command, "out"]) for _ in range(5)] == [GO_ON] * 4 + [0]
    assert "stopped after epoch 4 of 5: run the same command again to go on" in capsys.readouterr().err
    assert (folder / "out/model.pt").read_bytes() == (folder / "whole/model.pt").read_bytes()
    assert signal.getsignal(number) == before
