"""What W&B is told, with a stand-in for it: groups, and the epochs of a run that is resumed."""

import sys
from types import SimpleNamespace

import pytest

from harness.record import Cell
from harness.tracking import Tracker


class Run:
    """A stand-in for W&B's run, which has the epochs before `step` already."""

    def __init__(self, step, folder):
        self.step, self.logged, self.id = step, [], "abc"
        self.settings = SimpleNamespace(sync_dir=str(folder / "run-1-abc"))
        self.summary = {}

    def log(self, row, step):
        assert row.get("epoch", self.step) == step
        self.step = step
        self.logged.append(row.get("epoch", row))

    def finish(self):
        self.finished = True


@pytest.fixture
def started(monkeypatch, tmp_path):
    """`started(step, cell, rows)`: a Tracker, and what its run was begun with."""
    def start(step, cell, rows=(), mode="online"):
        given = {}

        def init(**arguments):
            given.update(arguments)
            return Run(step, tmp_path)

        monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(
            init=init, Settings=dict, Table=dict, plot_table=lambda *found: found))
        return Tracker(mode, cell, {}, "identity", rows), given
    return start


def scan(implementation="reimpl", dataset="digits", study="main", arm="default"):
    return Cell(implementation, "scan", dataset, "0-0", study, arm)


CELLS = [scan(), scan("original_ref"), scan(dataset="cifar10"), scan(study="seeds"), scan(arm="k5"),
         *(Cell(implementation, "pretext", "digits", "0", variant="simclr") for implementation in ("reimpl", "original_ref")),
         Cell("reimpl", "pretext", "digits", "0", variant="rotation")]


def test_runs_of_a_group_differ_by_seed_and_stage_alone(started):
    groups = [started(0, cell)[1]["group"] for cell in CELLS]
    assert len(set(groups)) == len(CELLS) and groups[0] == "digits/main/reimpl/default"
    other = Cell("reimpl", "selflabel", "digits", "1-2", "main", "default")
    given = started(0, other)[1]
    assert given["group"] == groups[0] and given["job_type"] == "selflabel" and given["config"]["seed"] == "1-2"


@pytest.mark.parametrize("step, logged", [(0, [1, 2, 3]), (3, [3]), (4, []), (9, [])])
def test_a_resumed_run_is_told_of_the_epochs_that_it_lacks(started, step, logged):
    """W&B's step is that of the next row: an epoch before it is there already."""
    tracker, _ = started(step, CELLS[0], [{"epoch": epoch} for epoch in (1, 2, 3)])
    assert tracker.run.logged == logged
    tracker.log({"epoch": 4})
    assert tracker.run.logged == [*logged, 4]


def test_the_parts_of_a_run_are_removed_once_it_is_whole_and_nothing_else(started, tmp_path):
    left = ["offline-run-2-abc", "offline-run-3-abc", "offline-run-4-abcd", "offline-run-5-other", "run-6-abc"]
    for name in left:
        (tmp_path / name).mkdir()
    (tmp_path / "offline-run-3-abc/run-abc.wandb.synced").touch()
    tracker, _ = started(0, CELLS[0])
    assert len(list(tmp_path.iterdir())) == len(left)
    run = tracker.run
    tracker.finish({"acc": 0.5, "confusion": [[1]]})
    assert run.summary == {"acc": 0.5} and run.finished
    assert sorted(path.name for path in tmp_path.iterdir()) == left[1:]


def test_the_variable_of_wandb_goes_before_the_settings(started, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert started(0, CELLS[0])[0].run is None
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert started(0, CELLS[0], mode="disabled")[1]["mode"] == "offline"


def test_a_run_has_its_confusion_matrix_beside_its_last_epoch_and_tags(started):
    """Two classes in three clusters, of which the last is matched to none."""
    tracker, given = started(0, CELLS[0])
    assert given["tags"] == ["digits", "main", "reimpl", "default"]
    tracker.log({"epoch": 1})
    run = tracker.run
    tracker.finish({"confusion": [[5, 1, 0], [0, 7, 2]]})
    epoch, chart = run.logged
    assert epoch == 1 and run.step == 1
    kind, table, fields = chart["confusion"]
    assert kind == "wandb/confusion_matrix/v1" and list(fields) == table["columns"] == ["Actual", "Predicted", "nPredictions"]
    assert table["data"] == [["class 0", "class 0", 5], ["class 0", "class 1", 1], ["class 0", "unmatched 0", 0],
                             ["class 1", "class 0", 0], ["class 1", "class 1", 7], ["class 1", "unmatched 0", 2]]
