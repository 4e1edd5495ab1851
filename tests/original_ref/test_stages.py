"""The authors' scripts from end to end: what they leave, that they repeat, and that they go on after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml

from original_ref.checkout import fetch
from tests.original_ref.conftest import STAGES


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".pt", ".npz")}


def record(project, stage):
    return json.loads((project.folder / stage / "metrics.json").read_text())


def test_the_outputs_are_those_of_the_rewrite(ran):
    mined = np.load(ran.folder / "pretext/neighbors.npz")
    assert mined["train"].shape == (1437, 21) and mined["test"].shape == (360, 6)
    for stage in ("scan", "selflabel"):
        predictions, metrics = np.load(ran.folder / stage / "predictions.npz"), record(ran, stage)["metrics"]
        assert predictions["probabilities"].shape == (360, 10) and predictions["features"].shape == (360, 16)
        np.testing.assert_allclose(predictions["probabilities"].sum(1), 1, rtol=1e-5)
        assert metrics["acc"] == metrics["acc_reference"] == pytest.approx(metrics["reported_acc"])  # printed by theirs
        weights = torch.load(ran.folder / stage / "model.pt", weights_only=True)
        assert "cluster_head.0.weight" in weights and "cluster_head.1.weight" not in weights
    for stage in STAGES:
        rows = record(ran, stage)["curves"]
        assert [row["epoch"] for row in rows] == [1, 2] and all(np.isfinite(row["loss"]) for row in rows)


def test_the_best_epoch_and_head_are_those_of_lowest_validation_loss(ran):
    rows, metrics = record(ran, "scan")["curves"], record(ran, "scan")["metrics"]
    best = min(rows, key=lambda row: row["validation_loss"])
    assert (metrics["epoch"], metrics["head"]) == (best["epoch"], best["head"]) and metrics["acc"] == pytest.approx(best["acc"])


def test_nothing_is_left_behind_and_nothing_is_written_elsewhere(ran):
    fetch()  # refuses a checkout in which anything was changed or written
    left = {str(file.relative_to(ran.folder)) for file in ran.folder.rglob("*") if file.is_file()}
    locks = {f"checkpoints/{name}.lock" for name in ("data-digits", *STAGES)}
    assert {name for name in left if name.startswith("checkpoints/")} == locks
    assert not os.path.exists("/path/to")


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_run_has_the_same_bits_and_so_has_one_with_two_loading_processes(project, stage):
    before = contents(project.folder / stage)
    shutil.rmtree(project.folder / stage)
    project.stage(stage, before="from original_ref.launch import Launch; Launch.workers = lambda self: 2")
    assert contents(project.folder / stage) == before


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_was_killed_goes_on_to_the_same_bits(project, stage):
    before, rows = contents(project.folder / stage), record(project, stage)["curves"]
    shutil.rmtree(project.folder / stage)
    process = subprocess.Popen([sys.executable, *project.command(stage)], cwd=project.folder,
                               env=project.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((project.folder / "checkpoints").glob(f"original_ref-{stage}-*/cifar-10/{stage}/checkpoint.pth.tar")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (project.folder / stage / "metrics.json").exists()
    log = next((project.folder / "checkpoints").glob(f"original_ref-{stage}-*")) / "log.txt"
    project.stage(stage, before=f"import atexit, shutil; copy = shutil.rmtree; "
                                f"shutil.rmtree = lambda path: (shutil.copy({str(log)!r}, 'log.txt'), copy(path))")
    assert "Restart from checkpoint" in (project.folder / "log.txt").read_text()
    assert contents(project.folder / stage) == before and record(project, stage)["curves"] == rows


def test_more_neighbors_than_mined_is_refused_where_their_code_would_take_fewer(project):
    text = (project.folder / "params/digits.yaml").read_text().replace("num_neighbors: 20", "num_neighbors: 21")
    (project.folder / "params/digits.yaml").write_text(text)
    done = project.stage("scan", check=False)
    assert done.returncode == 2
    assert "scan.num_neighbors is 21, and the authors' code knows only the 20 that were mined" in done.stderr


def set_digits(project, section, **settings):
    file = project.folder / "params/digits.yaml"
    params = yaml.safe_load(file.read_text())
    params[section].update(settings)
    file.write_text(yaml.safe_dump(params))


def test_a_batch_without_a_confident_image_ends_selflabel_and_scans_predictions_are_scored(project):
    set_digits(project, "selflabel", threshold=0.999)
    project.stage("selflabel")
    found, scan = record(project, "selflabel"), record(project, "scan")
    assert "ended itself in epoch 1, since no image of a batch was confident" in found["degenerate"][-1]
    assert found["not_run"] is None and found["curves"] == [] and found["evidence"]["inputs"]
    for name in ("acc", "nmi", "ari", "confusion"):
        assert found["metrics"][name] == scan["metrics"][name]
    assert found["metrics"]["reported_acc"] == pytest.approx(scan["metrics"]["acc"])
    assert contents(project.folder / "selflabel").keys() == {"model.pt", "predictions.npz"}
    before, after = (torch.load(project.folder / stage / "model.pt", weights_only=True) for stage in ("scan", "selflabel"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not list((project.folder / "checkpoints").glob("original_ref-selflabel-*/"))


def test_a_later_batch_without_a_confident_image_leaves_what_a_run_of_fewer_epochs_leaves(project):
    """In the second epoch, the mask is emptied for them."""
    project.stage("selflabel", before="""
from original_ref import adapters
begin = adapters.Seeds.begin_epoch
def begin_epoch(self, epoch):
    begin(self, epoch)
    if epoch == 1:
        from losses.losses import MaskedCrossEntropyLoss as Loss
        theirs = Loss.forward
        Loss.forward = lambda self, input, target, mask, **kwargs: theirs(self, input, target, mask & False, **kwargs)
adapters.Seeds.begin_epoch = begin_epoch
""")
    ended, found = record(project, "selflabel"), contents(project.folder / "selflabel")
    assert "ended itself in epoch 2" in ended["degenerate"][-1] and ended["degenerate"][-1].endswith("what it had after epoch 1")
    set_digits(project, "selflabel", training={**ended["settings"]["selflabel"]["training"], "epochs": 1})
    project.stage("selflabel")
    assert contents(project.folder / "selflabel") == found
    for part in ("metrics", "curves"):
        assert record(project, "selflabel")[part] == ended[part]


def test_a_prediction_that_is_not_finite_ends_scan_and_its_first_weights_are_scored(project):
    set_digits(project, "scan", training={"epochs": 2, "batch_size": 64, "optimizer": {
        "kind": "sgd", "lr": 1e30, "weight_decay": 0.0}})
    project.stage("scan")
    found = record(project, "scan")
    assert "ended itself in epoch 1, since a prediction was not finite" in found["degenerate"][-1]
    assert found["metrics"]["epoch"] == 0 and found["metrics"]["acc_reference"] == pytest.approx(found["metrics"]["reported_acc"])
    assert np.isfinite(np.load(project.folder / "scan/predictions.npz")["probabilities"]).all()
    project.stage("selflabel")  # goes on from these
    assert record(project, "selflabel")["not_run"] is None


def test_a_batch_larger_than_the_data_set_is_refused_where_their_code_would_train_for_no_step(project):
    set_digits(project, "selflabel", training={"epochs": 2, "batch_size": 1438, "optimizer": {
        "kind": "adam", "lr": 0.001, "weight_decay": 0.0}})
    done = project.stage("selflabel", check=False)
    assert done.returncode == 2
    assert "training.batch_size is 1438, and the authors' code knows only batches of at most the 1437" in done.stderr


def nowhere(project):
    """The variables with which the authors' code is out of reach."""
    return {"XDG_CACHE_HOME": str(project.folder / "cache"), "SCAN_REFERENCE": "/nowhere"}


def test_without_the_checkout_the_reason_is_recorded_and_handed_on(project):
    done = project.python("-m", "original_ref", "fetch", check=False, **nowhere(project))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "set SCAN_REFERENCE" in done.stderr
    project.python("-m", "original_ref", "availability", **nowhere(project))
    for stage in STAGES:
        shutil.rmtree(project.folder / stage)
        project.stage(stage, **nowhere(project))
        assert "/nowhere cannot be used" in record(project, stage)["not_run"]
        assert [file.name for file in (project.folder / stage).iterdir()] == ["metrics.json"]
    project.python("-m", "original_ref", "availability")  # within reach again
    project.stage("pretext")
    assert record(project, "pretext")["not_run"] is None


def everything(project, stage):
    return {file.name: file.read_bytes() for file in (project.folder / stage).iterdir()}


def test_results_stay_whatever_becomes_of_the_authors_code_until_they_count_no_more(project):
    before = {stage: everything(project, stage) for stage in STAGES}
    project.python("-m", "original_ref", "availability", **nowhere(project))
    for stage in STAGES:
        project.stage(stage, keep=True, **nowhere(project))
        assert everything(project, stage) == before[stage]
    set_digits(project, "scan", entropy_weight=4.0)
    for stage in STAGES:
        project.stage(stage, keep=True, **nowhere(project))
    assert everything(project, "pretext") == before["pretext"]
    for stage in ("scan", "selflabel"):
        assert "/nowhere cannot be used" in record(project, stage)["not_run"] and len(everything(project, stage)) == 1
    project.python("-m", "original_ref", "availability")  # within reach again
    for stage in STAGES:
        project.stage(stage, keep=True)
    assert everything(project, "pretext") == before["pretext"]  # to the second
    assert record(project, "selflabel")["not_run"] is None and everything(project, "selflabel") != before["selflabel"]


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")], ids=["gone", "truncated"])
def test_a_result_of_which_a_file_is_not_as_it_was_is_made_again(project, spoil):
    before = contents(project.folder / "selflabel")
    spoil(project.folder / "selflabel/model.pt")
    project.stage("selflabel", keep=True)
    assert contents(project.folder / "selflabel") == before


def test_a_checkout_that_is_gone_since_it_was_last_seen_replaces_nothing(project):
    """runs/reference.json still says that it is there."""
    before = everything(project, "selflabel")
    project.python("-m", "original_ref", "availability")
    set_digits(project, "selflabel", threshold=0.2)
    done = project.stage("selflabel", keep=True, check=False, **nowhere(project))
    assert done.returncode == 2 and "/nowhere cannot be used" in done.stderr and everything(project, "selflabel") == before


def test_without_labels_the_same_is_learned_and_nothing_is_scored(project):
    data = project.folder / "data/digits"
    facts = json.loads((data / "dataset.json").read_text()) | {"classes": [], "labelled": []}
    (data / "dataset.json").write_text(json.dumps(facts))
    for file in data.glob("*_labels.npy"):
        file.unlink()
    for stage in STAGES:
        before, with_labels = contents(project.folder / stage), record(project, stage)
        project.stage(stage)
        assert contents(project.folder / stage) == before
        found = record(project, stage)
        scores = {"acc", "nmi", "ari", "knn_accuracy", "reported_acc", "confusion", "train_accuracy", "test_accuracy"}
        assert not [key for key in scores & set(found["metrics"]) if found["metrics"][key] is not None]
        rows = [{key: value for key, value in row.items() if key not in scores} for row in with_labels["curves"]]
        assert found["curves"] == rows
