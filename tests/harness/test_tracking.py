"""What W&B's own client sends to a server, or leaves in a folder, of what a Tracker tells it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.engine.view import view
from harness.record import Cell
from harness.tracking import MOST_IMAGES, Tracker
from tests.wandb_server import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server, and the client in a folder of its own, without a home."""
    import wandb

    with serving() as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tracked"))
        for name, value in {**server.environment, "HOME": "/dev/null/home", "WANDB_DATA_DIR": ""}.items():
            patch.setenv(name, value)
        patch.delenv("WANDB_DATA_DIR")  # which a Tracker sets, and which is as it was afterwards
        yield server
        wandb.teardown()


def scan(implementation="reimpl", dataset="digits", study="main", arm="default"):
    return Cell(implementation, "scan", dataset, "0-0", study, arm)


CELLS = [scan(), scan("original_ref"), scan(dataset="cifar10"), scan(study="seeds"), scan(arm="k5"),
         *(Cell(implementation, "pretext", "digits", "0", variant="simclr") for implementation in ("reimpl", "original_ref")),
         Cell("reimpl", "pretext", "digits", "0", variant="rotation")]


def test_runs_of_a_group_differ_by_seed_and_stage_alone(server):
    cells = [*CELLS, Cell("reimpl", "selflabel", "digits", "1-2", "main", "default")]
    for number, cell in enumerate(cells):
        Tracker("online", cell, {}, f"group{number}").finish({})
    *first, other = (server.runs[f"group{number}"] for number in range(len(cells)))
    groups = [run.given["groupName"] for run in first]
    assert len(set(groups)) == len(CELLS) and groups[0] == "digits/main/reimpl/default"
    assert other.given["groupName"] == groups[0] and other.given["jobType"] == "selflabel" and other.config["seed"] == "1-2"
    assert first[0].given["tags"] == ["digits", "main", "reimpl", "default"]


@pytest.mark.parametrize("there, kept", [(0, 3), (2, 3), (3, 3), (5, 3), (3, 0)])
def test_a_run_that_was_stopped_goes_on_with_each_epoch_once(server, there, kept):
    """Of epochs that W&B has, and that the checkpoint has: any of both."""
    identity = f"resumed{there}{kept}"
    rows = [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 8)]
    stopped = Tracker("online", CELLS[0], {}, identity)
    for row in rows[:there]:
        stopped.log(row)
    stopped.run.finish()
    tracker = Tracker("online", CELLS[0], {}, identity, rows[:kept])
    for row in rows[kept:]:
        tracker.log(row)
    tracker.finish({"acc": 0.5})
    run = server.runs[identity]
    assert [{key: row[key] for key in ("epoch", "loss")} for row in run.history] == rows
    assert run.summary["acc"] == 0.5 and run.complete


def test_the_parts_of_a_run_are_removed_once_it_is_whole_and_nothing_else(server):
    left = ["offline-run-2-abc", "offline-run-3-abc", "offline-run-4-abcd", "offline-run-5-other", "run-6-abc"]
    for name in left:
        Path("wandb", name).mkdir(parents=True)
    Path("wandb/offline-run-3-abc/run-abc.wandb.synced").touch()
    Tracker("offline", CELLS[0], {}, "abc").finish({})
    found = {folder.name for pattern in ("*-abc*", "*-other") for folder in Path("wandb").glob(pattern)}
    (whole,) = found - {*left}
    assert found == {whole, *left[1:]} and Path("wandb", whole, "run-abc.wandb").exists()


@pytest.mark.parametrize("variable, sent", [("disabled", False), ("offline", False), ("online", True)])
def test_the_variable_of_wandb_goes_before_the_settings(server, monkeypatch, variable, sent):
    monkeypatch.setenv("WANDB_MODE", variable)
    tracker = Tracker("offline" if sent else "online", CELLS[0], {}, f"mode-{variable}")
    assert bool(tracker.run) == (variable != "disabled")
    tracker.finish({})
    assert (f"mode-{variable}" in server.runs) == sent


def test_a_run_has_its_figures_and_its_confusion_matrix_beside_its_last_epoch(server):
    """Two classes in three clusters, of which the last is matched to none."""
    tracker = Tracker("online", CELLS[0], {}, "confusion")
    tracker.log({"epoch": 1, "acc": 0.5})
    tracker.finish({"acc": 0.8, "clusters": 3, "match": [0, 1, -1], "confusion": [[5, 1, 0], [0, 7, 2]]})
    run = server.runs["confusion"]
    (row,) = run.history
    assert row["_step"] == row["epoch"] == 1 and row["acc"] == 0.5
    assert run.summary["acc"] == 0.8 and run.summary["clusters"] == 3 and "match" not in run.summary
    table = json.loads(run.files[row["confusion_table"]["path"]])
    chart = json.loads(run.given["config"])["_wandb"]["value"]["visualize"]["confusion"]["panel_config"]
    assert chart["panelDefId"] == "wandb/confusion_matrix/v1"
    assert table["columns"] == ["Actual", "Predicted", "nPredictions"]
    assert chart["fieldSettings"] == {column: column for column in table["columns"]}
    assert table["data"] == [["class 0", "class 0", 5], ["class 0", "class 1", 1], ["class 0", "unmatched 0", 0],
                             ["class 1", "class 0", 0], ["class 1", "class 1", 7], ["class 1", "unmatched 0", 2]]


def test_prototypes_are_images_with_what_they_stand_for(server):
    """Gray and coloured ones, byte for byte, and no more of them than W&B shows."""
    images = np.random.default_rng(0).integers(0, 256, (MOST_IMAGES + 1, 4, 5, 3), dtype=np.uint8)
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    tracker = Tracker("online", CELLS[0], {}, "prototypes")
    tracker.finish({"acc": 0.8}, lambda: [(gray, "cluster 0"), *((image, "another") for image in images)])
    run = server.runs["prototypes"]
    (row,) = run.history
    assert row["prototypes"]["captions"] == ["cluster 0", *["another"] * (MOST_IMAGES - 1)]
    sent = [np.asarray(Image.open(io.BytesIO(run.files[name]))) for name in row["prototypes"]["filenames"]]
    assert np.array_equal(sent[0], gray[..., 0]) and np.array_equal(sent[1:], images[: MOST_IMAGES - 1])


def test_a_view_of_a_study_averages_over_what_groups_and_stages_leave(server, capsys):
    """By the package that W&B makes views with."""
    pytest.importorskip("wandb_workspaces.reports.v2")
    Path("params.yaml").write_text("dataset: digits")
    view("main")
    assert capsys.readouterr().out.startswith(f"{server.url}/someone/scan-repro?nw=")
    section = server.views["digits/main: mean and deviation over seeds"]["section"]
    (runs,) = section["runSets"]
    assert [(one["key"]["name"], one["op"], one["value"]) for one in runs["filters"]["filters"]] == [
        ("dataset", "=", "digits"), ("study", "=", "main")]
    assert [one["name"] for one in runs["grouping"]] == ["group", "jobType"]
    panels = [panel["config"] for part in section["panelBankConfig"]["sections"] for panel in part["panels"]]
    assert [panel["metrics"] for panel in panels] == [["acc"], ["loss"], ["acc"]]
    assert all((panel["groupAgg"], panel["groupArea"]) == ("mean", "stddev") for panel in panels)
