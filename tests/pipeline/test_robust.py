"""Killed and run again, run twice, run with other labels, run on bad input: what must not happen does not."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from harness.files import alone

from .conftest import CELL, PATIENCE, STAGES

OUT = {"pretext": "runs/digits/pretext/simclr/0", "neighbors": "runs/digits/neighbors/simclr/0", "scan": f"{CELL}/scan",
       "selflabel": f"{CELL}/selflabel"}
TRAINING = ("pretext", "scan", "selflabel")


def checkpoint(project):
    """The one checkpoint there is, or None."""
    found = list((project.folder / "checkpoints").glob("*.pt"))
    return found[0] if found else None


def kill_after_a_checkpoint(project, stage):
    """Start a stage on empty outputs and kill it, as kill -9 does, once it has saved itself."""
    for file in (project.folder / OUT[stage]).iterdir():
        file.unlink()
    process = project.start(*STAGES[stage])
    deadline = time.monotonic() + PATIENCE
    while checkpoint(project) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("stage", TRAINING)
def test_a_killed_stage_goes_on_and_ends_with_the_same_bits(project, finished, stage):
    kill_after_a_checkpoint(project, stage)
    assert checkpoint(project) is not None and not (project.folder / OUT[stage] / "metrics.json").exists()
    again = project.stage(stage)
    assert "going on after epoch" in again.stderr
    for file in ("model.pt", "predictions.npz"):
        assert project.bytes(f"{OUT[stage]}/{file}") == finished.bytes(f"{OUT[stage]}/{file}")
    ours, theirs = (json.loads((p.folder / OUT[stage] / "metrics.json").read_text()) for p in (project, finished))
    assert ours["metrics"] == theirs["metrics"] and ours["curves"] == theirs["curves"]
    assert checkpoint(project) is None


def test_shuffled_labels_leave_every_weight_as_it_was(project, finished, call):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        file = project.folder / f"data/digits/{split}_labels.npy"
        np.save(file, rng.permutation(np.load(file)))
    for stage in OUT:
        assert call(project, *STAGES[stage])[0] == 0
        for pattern in ("*.pt", "*.npz"):
            assert project.bytes(f"{OUT[stage]}/{pattern}") == finished.bytes(f"{OUT[stage]}/{pattern}"), stage
    ours, theirs = (json.loads((p.folder / OUT["scan"] / "metrics.json").read_text()) for p in (project, finished))
    assert ours["metrics"]["acc"] != theirs["metrics"]["acc"]  # the labels do reach the evaluation


def test_a_second_process_waits_for_the_first(project, monkeypatch):
    """This process is the first; the stage says that it waits, and works once it is let."""
    monkeypatch.chdir(project.folder)
    with alone(OUT["scan"]):
        second = subprocess.Popen([sys.executable, "-m", *STAGES["scan"]], cwd=project.folder, env=project.environment(),
                                  stderr=subprocess.PIPE, text=True)
        assert f"process {os.getpid()} (python " in (line := second.stderr.readline())
        assert line.endswith(" is at work on it; waiting until it ends\n")
        assert second.poll() is None
    second.communicate(timeout=PATIENCE)
    assert second.returncode == 0


def settings(keys, value):
    def spoil(project):
        def change(digits):
            *path, last = keys.split(".")
            for key in path:
                digits = digits[key]
            digits[last] = value

        project.edit("params/digits.yaml", change)
    return spoil


def truncate(file):
    def spoil(project):
        path = project.folder / file
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return spoil


def remove(file):
    return lambda project: (project.folder / file).unlink()


def twice(key):
    return lambda project: project.edit("params.yaml", lambda params: params.update({key: [0, 1, 0]}))


def holds(file, value):
    """A file of weights that holds something else."""
    return lambda project: torch.save(value, project.folder / file)


def arrays(file, name, change):
    """An array by itself, or of an archive, that is another one."""
    def spoil(project):
        path = project.folder / file
        if path.suffix == ".npy":
            np.save(path, change(np.load(path)))
        else:
            np.savez(path, **{key: change(array) if key == name else array for key, array in np.load(path).items()})
    return spoil


def set_at(index, value):
    def change(array):
        changed = array.copy()
        changed[index] = value
        return changed
    return change


COMMANDS = STAGES | {
    "kmeans": ["reimpl", "kmeans", "--on", "embeddings", "--dataset", "digits", "--seed", "0", "--data", "data/digits",
               "--features", "runs/digits/neighbors/simclr/0", "--out", "runs/digits/kmeans/embeddings/0"],
    "summary": ["harness.results.summary", "--study", "main", "--dataset", "digits", "--out", "runs/digits/summary/main"],
}
MINED, PREDICTED = "runs/digits/neighbors/simclr/0/neighbors.npz", f"{CELL}/scan/predictions.npz"
PRETEXT, SCAN = "runs/digits/pretext/simclr/0/model.pt", f"{CELL}/scan/model.pt"
BAD = [
    ("scan", settings("scan.num_neighbours", 5), "unknown setting 'num_neighbours'; did you mean 'num_neighbors'?"),
    ("scan", settings("scan.entropy_weight", -1), "scan: entropy_weight is -1.0, and should be 0 or more"),
    ("scan", settings("scan.num_neighbors", 11), "scan.num_neighbors is 11, but only 10 are mined"),
    ("pretext", settings("pretext.simclr.training.batch_size", 1438), "training.batch_size is 1438, but there are only 1437"),
    ("selflabel", settings("selflabel.training.batch_size", 5000), "training.batch_size is 5000, but there are only 1437"),
    ("neighbors", settings("neighbors.test", 360), "neighbors.test is 360, but there are only 360 test images; it should be"),
    ("kmeans", settings("kmeans.clusters", 1438), "kmeans.clusters is 1438, but there are only 1437 training images"),
    ("scan", settings("scan.entropy_weight", float("nan")), "scan.entropy_weight is nan, and should be a finite number"),
    ("dataset", settings("dataset.mean", [float("inf")]), "dataset.mean.0 is inf, and should be a finite number"),
    ("scan", settings("scan", [1]), "scan should be a mapping of settings, not [1]"),
    ("neighbors", holds(PRETEXT, [1]), f"{PRETEXT} is no mapping of names to weights: remove it and run `dvc repro`"),
    ("scan", holds(PRETEXT, {0: torch.zeros(3)}), f"{PRETEXT} is no mapping of names to weights"),
    ("scan", holds(PRETEXT, {"backbone.x": 5}), f"{PRETEXT} holds the weights of another network"),
    ("selflabel", holds(SCAN, torch.zeros(3)), f"{SCAN} is no mapping of names to weights"),
    ("selflabel", holds(SCAN, {"cluster_head.0.bias": torch.zeros(())}), f"{SCAN} holds no cluster head"),
    ("scan", arrays(MINED, "train", set_at((5, 2), -1)), f"{MINED}: train holds -1 to 1436, and should hold 0 to 1436"),
    ("scan", arrays(MINED, "test", set_at((5, 2), 360)), f"{MINED}: test holds 0 to 360, and should hold 0 to 359"),
    ("scan", arrays(MINED, "train", lambda array: array[:1000]), f"{MINED}: train is int64 [1000, 11], and should be int64"),
    ("scan", arrays("data/digits/test_labels.npy", "", set_at(7, 10)), "test_labels.npy holds 0 to 10, and should hold 0 to 9"),
    ("scan", arrays("data/digits/test_labels.npy", "", lambda array: array[1:]), "test_labels.npy is int64 [359], and should be"),
    ("kmeans", arrays(MINED.replace("neighbors.npz", "embeddings.npz"), "test", lambda array: array[:9]),
     "runs/digits/neighbors/simclr/0: test embeddings is float32 [9, 64], and should be float [360, 64]"),
    ("summary", arrays(PREDICTED, "probabilities", lambda array: array[:9]),
     f"{PREDICTED}: probabilities is float32 [9, 10], and should be float [360, any]"),
    ("summary", arrays(MINED, "train", set_at((5, 2), -1)), f"{MINED}: train holds -1 to 1436, and should hold 0 to 1436"),
    ("scan", settings("augmentation.strong.flip", 2), "augmentation.strong: flip is 2.0, and should be from 0 to 1"),
    ("scan", settings("network.width", 16), f"{PRETEXT} holds the weights of another network"),
    ("selflabel", settings("network.blocks", [1]), f"{SCAN} holds the weights of another network"),
    ("neighbors", truncate(PRETEXT), f"{PRETEXT} is truncated or no file of weights"),
    ("scan", truncate("runs/digits/neighbors/simclr/0/neighbors.npz"), "neighbors.npz cannot be read"),
    ("scan", truncate("data/digits/train_images.npy"), "data/digits/train_images.npy cannot be read"),
    ("selflabel", remove(SCAN), f"{SCAN} is missing: it is made by `dvc repro`"),
    ("scan", remove("runs/digits/neighbors/simclr/0/neighbors.npz"), "neighbors.npz is missing: it is made by `dvc repro`"),
    ("scan", twice("pretext_seeds"), "params.yaml: pretext_seeds holds 0 twice; a seed counts once"),
    ("dataset", twice("clustering_seeds"), "params.yaml: clustering_seeds holds 0 twice; a seed counts once"),
    ("dataset", settings("dataset.source", "mnist"), "the dataset source is 'mnist', and should be one of digits"),
]


@pytest.mark.parametrize("stage, spoil, says", BAD, ids=[row[2][:40] for row in BAD])
def test_bad_input_ends_with_one_line_and_overwrites_nothing(project, call, stage, spoil, says):
    spoil(project)
    before = project.bytes("runs/**/*.*") | project.bytes("data/**/*.*")
    code, errors = call(project, *COMMANDS[stage])
    lines = errors.splitlines()
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0], errors
    assert project.bytes("runs/**/*.*") | project.bytes("data/**/*.*") == before


def test_a_damaged_checkpoint_is_named(project):
    kill_after_a_checkpoint(project, "scan")
    file = checkpoint(project)
    file.write_bytes(file.read_bytes()[:1000])
    result = project.stage("scan", check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"error: {file.relative_to(project.folder)} is truncated")
    assert "remove it, and the stage starts anew" in result.stderr and "Traceback" not in result.stderr


def test_a_checkpoint_of_another_shape_is_named(project):
    kill_after_a_checkpoint(project, "scan")
    file = checkpoint(project)
    torch.save({"model": {}}, file)
    result = project.stage("scan", check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (f"error: {file.relative_to(project.folder)} is no mapping of model, optimizer, "
                                              "generator, curves, state, seconds: remove it, and the stage starts anew")


def test_a_full_disk_is_one_line_and_leaves_the_old_files(project):
    before = project.bytes(f"{OUT['neighbors']}/*")
    result = subprocess.run(
        [sys.executable, "-m", *STAGES["neighbors"]], cwd=project.folder, env=project.environment(), capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ") and "File too large" in result.stderr
    assert project.bytes(f"{OUT['neighbors']}/*") == before


@pytest.mark.parametrize("arguments, says", [
    (["reimpl", "cluster"], "error: no stage 'cluster'; usage: python -m reimpl {pretext,neighbors,kmeans,baseline,scan,"),
    ([*STAGES["scan"][:5], "nobody", *STAGES["scan"][6:]], "has no arm 'nobody' of reimpl; it has default"),
    ([*STAGES["scan"][:7], "cifar11", *STAGES["scan"][8:]], "params/ has no 'cifar11.yaml'; it has digits.yaml"),
    ([*STAGES["pretext"][:3], "jigsaw", *STAGES["pretext"][4:]], "the pretext task is 'jigsaw'"),
    (["report", "--dataset", "digits", "--summaries", "runs/digits/nowhere", "--out", "x"], "nowhere is missing"),
    (["harness.results.summary", "--study", "nothing", "--dataset", "digits", "--out", "x"],
     "studies/nothing/study.yaml is missing"),
    (["studies", "plan", "nothing"], "error: there is no study 'nothing'; there are main"),
])
def test_a_wrong_name_is_one_line(finished, call, arguments, says):
    code, errors = call(finished, *arguments)
    assert code == 2 and says in errors and len(errors.splitlines()) == 1


def test_wandb_offline_leaves_a_run_and_the_same_weights(project, finished):
    project.edit("params.yaml", lambda params: params["execution"].update(tracking="offline"))
    project.stage("selflabel")
    assert list((project.folder / "wandb").glob("offline-run-*/*.wandb"))
    assert project.bytes(f"{OUT['selflabel']}/*.pt") == finished.bytes(f"{OUT['selflabel']}/*.pt")


@pytest.mark.parametrize("stages, change, says", [
    (["selflabel"], lambda digits: digits["selflabel"].update(threshold=0.999999), "no image was ever more confident"),
    (["scan"], lambda digits: digits["scan"].update(entropy_weight=0.0), None),
    (["pretext", "neighbors", "scan", "selflabel"],
     lambda digits: digits["pretext"]["simclr"]["training"]["optimizer"].update(lr=1e12), "not finite"),
])
def test_a_degenerate_run_is_recorded_and_is_no_error(project, call, stages, change, says):
    project.edit("params/digits.yaml", change)
    for stage in stages:
        assert call(project, *STAGES[stage])[0] == 0
    record = json.loads((project.folder / OUT[stages[0]] / "metrics.json").read_text())
    assert says is None or any(says in sentence for sentence in record["degenerate"])
    last = json.loads((project.folder / OUT[stages[-1]] / "metrics.json").read_text())
    assert 0 <= last["metrics"]["acc"] <= 1
