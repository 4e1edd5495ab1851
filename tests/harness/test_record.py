"""Records carry their evidence, and W&B can break without breaking anything."""

import subprocess
import sys
import types

import pytest
import torch

from harness import record
from harness.errors import UserError
from harness.record import Cell
from harness.tracking import Tracker

CELL = Cell("reimpl", "scan", "digits", "3-1", "main", "default")


def test_the_revision_is_the_commit_and_says_whether_files_differ(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True,
                       capture_output=True)

    (tmp_path / "harness").mkdir()
    code = tmp_path / "harness/record.py"
    code.write_text("a = 1\n")
    (tmp_path / "params").mkdir()
    no_code = [tmp_path / "dvc.lock", tmp_path / "params.yaml", tmp_path / "params/digits.yaml"]
    for file in no_code:
        file.write_text("1\n")
    monkeypatch.setattr(record, "__file__", str(code))
    assert record.revision() == "unknown"
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    head = subprocess.run(["git", "-C", tmp_path, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert record.revision() == head
    for file in no_code:
        file.write_text("2\n")
    assert record.revision() == head
    (tmp_path / "harness/new.py").write_text("")
    assert record.revision() == head + "+changes"
    (tmp_path / "harness/new.py").unlink()
    code.write_text("a = 2\n")
    assert record.revision() == head + "+changes"


@pytest.mark.parametrize("convolutions, products, expected", [
    ("tf32", "none", "convolutions"),  # torch's own defaults
    ("tf32", "tf32", "convolutions and matrix products"),
    ("ieee", "ieee", "nowhere"),
])
def test_a_record_says_what_was_computed_in_what(tf32, convolutions, products, expected):
    tf32[0].fp32_precision, tf32[1].fp32_precision = convolutions, products
    assert record.precision(torch.device("cuda"), "bfloat16") == {
        "training_precision": "bfloat16", "evaluation_precision": "float32", "tf32": expected}
    assert record.precision(torch.device("cpu"), None) == {"evaluation_precision": "float32"}


def test_hashes_are_of_what_later_stages_read(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"abc")
    (tmp_path / "metrics.json").write_text("{}")
    assert record.hashes([tmp_path]) == {
        str(tmp_path / "model.pt"): "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}


class BrokenRun:
    def log(self, *arguments, **options):
        raise ConnectionError("no network\nat all")

    def finish(self):
        raise ConnectionError


@pytest.mark.parametrize("broken_at", ["init", "log"])
def test_a_failing_wandb_is_one_warning(monkeypatch, capsys, broken_at):
    def init(**options):
        if broken_at == "init":
            raise ConnectionError("no network")
        return BrokenRun()

    fake = types.SimpleNamespace(init=init, Settings=lambda **options: None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tracker = Tracker("online", CELL, {}, "0" * 64)
    tracker.log({"epoch": 1, "loss": 0.5})
    tracker.log({"epoch": 2, "loss": 0.5})
    tracker.finish({"acc": 0.5})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("warning: W&B run") and "ConnectionError: no network" in lines[0]


@pytest.mark.parametrize("mode, warnings", [("online", 1), ("disabled", 0)])
def test_pictures_that_cannot_be_made_are_one_warning_where_any_are_shown(monkeypatch, capsys, mode, warnings):
    def broken():
        raise UserError("predictions.npz is missing")

    fake = types.SimpleNamespace(init=lambda **options: BrokenRun(), Settings=lambda **options: None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    Tracker(mode, CELL, {}, "0" * 64).finish({"acc": 0.5}, broken)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == warnings and all("not finished (UserError: predictions.npz is missing)" in line for line in lines)
