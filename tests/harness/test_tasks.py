"""The settings of pretext tasks are read as their modules have them, and nothing else of these is run."""

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from harness import settings, tasks
from harness.errors import UserError
from harness.stages import PICKED
from harness.validation import build

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("section, name", [(section, name) for section in PICKED for name in tasks.known(section)])
def test_settings_are_read_as_the_module_has_them(section, name):
    read, imported = tasks.settings_of(name, section), importlib.import_module(f"{PICKED[section]}.{name}").Settings
    assert issubclass(read, {"pretext": settings.Features, "baseline": settings.Baseline}[section])
    assert read.__name__ == imported.__name__ and read.__slots__ == imported.__slots__
    assert [(field.name, field.type, field.default) for field in dataclasses.fields(read)] == [
        (field.name, field.type, field.default) for field in dataclasses.fields(imported)]


TASK = """
import nowhere
from dataclasses import dataclass
from harness import settings
from nowhere import what


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    pieces: int

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        settings.need(self.pieces > 1, "pieces", self.pieces, "at least 2")


class Task(what.Task):
    pass
"""
VARIANT = """
from dataclasses import dataclass
from reimpl.tasks import cut


@dataclass(frozen=True, slots=True)
class Settings(cut.Settings):
    swaps: int
"""
VALUES = {"training": {"epochs": 1, "batch_size": 2, "optimizer": {"kind": "sgd", "lr": 1, "weight_decay": 0}},
          "augmentation": {"none": {}}, "evaluate_every": 1}


def test_a_pretext_task_is_a_file_with_settings_of_one(tmp_path, monkeypatch):
    monkeypatch.setitem(tasks.FOLDERS, "pretext", tmp_path)
    (tmp_path / "cut.py").write_text(TASK)
    (tmp_path / "clustering.py").write_text("from harness.settings import Scan\n\nSettings = Scan\n")
    (tmp_path / "helper.py").write_text("import nowhere\n")
    assert tasks.known() == ["cut"]
    assert build(tasks.settings_of("cut"), VALUES | {"pieces": 4}, "x").pieces == 4
    with pytest.raises(UserError, match="x: pieces is 1, and should be at least 2"):
        build(tasks.settings_of("cut"), VALUES | {"pieces": 1}, "x")
    with pytest.raises(UserError, match="the pretext task is 'helper', and should be one of cut"):
        tasks.settings_of("helper")


def test_settings_may_be_those_of_another_task_and_more(tmp_path, monkeypatch):
    monkeypatch.setitem(tasks.FOLDERS, "pretext", tmp_path)
    (tmp_path / "cut.py").write_text(TASK)
    (tmp_path / "shuffled.py").write_text(VARIANT)
    assert tasks.known() == ["cut", "shuffled"]
    assert build(tasks.settings_of("shuffled"), VALUES | {"pieces": 4, "swaps": 2}, "x").pieces == 4
    with pytest.raises(UserError, match="x: pieces is 1, and should be at least 2"):
        build(tasks.settings_of("shuffled"), VALUES | {"pieces": 1, "swaps": 2}, "x")
    (tmp_path / "shuffled.py").write_text(VARIANT.replace("from reimpl.tasks import cut", "from nowhere import cut"))
    tasks._declared.cache_clear()
    with pytest.raises(UserError, match="shuffled.py: Settings refers to 'cut', and should refer to nothing but data"):
        tasks.known()


def test_torch_is_not_imported_for_them():
    command = "import sys; from harness import tasks; tasks.known(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT).returncode == 0


def test_a_file_that_is_no_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(tasks.FOLDERS, "pretext", tmp_path)
    (tmp_path / "broken.py").write_text("class Settings(:\n")
    with pytest.raises(UserError, match="broken.py, line 1: "):
        tasks.known()
