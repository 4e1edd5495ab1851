"""The roads that the default settings do not take: rotation prediction, several heads, color images from a folder."""

import itertools
import json

import numpy as np
import torch
from PIL import Image

from .conftest import CELL, STAGES


def record(project, folder):
    return json.loads((project.folder / folder / "metrics.json").read_text())


def with_options(stage, **options):
    """The stage's command line with the values of some options replaced."""
    arguments = list(STAGES[stage])
    for name, value in options.items():
        arguments[arguments.index(f"--{name}") + 1] = value
    return arguments


def test_rotation_prediction_takes_the_place_of_simclr(project, call):
    pretext, neighbors = "runs/digits/pretext/rotation/0", "runs/digits/neighbors/rotation/0"
    for arguments in (with_options("pretext", task="rotation", out=pretext),
                      with_options("neighbors", task="rotation", pretext=pretext, out=neighbors),
                      with_options("scan", pretext=pretext, neighbors=neighbors)):
        assert call(project, *arguments)[0] == 0
    chance = np.log(4)
    assert record(project, pretext)["metrics"]["loss"] < 0.9 * chance  # it has learned something
    assert record(project, neighbors)["metrics"]["train_accuracy"] > 0.2  # and its neighbors beat chance, 0.1
    assert record(project, f"{CELL}/scan")["evidence"]["inputs"].keys() >= {f"{pretext}/model.pt"}


def test_of_several_heads_the_one_of_lowest_validation_loss_is_kept(project, call):
    project.edit("params/digits.yaml", lambda digits: digits["scan"].update(heads=3))
    assert call(project, *STAGES["scan"])[0] == 0
    result = record(project, f"{CELL}/scan")
    best = min(result["curves"], key=lambda row: row["validation_loss"])
    assert (result["metrics"]["epoch"], result["metrics"]["head"]) == (best["epoch"], best["head"])
    assert result["metrics"]["acc"] == best["acc"]
    state = torch.load(project.folder / CELL / "scan/model.pt", weights_only=True)
    assert [name for name in state if name.startswith("cluster_head")] == ["cluster_head.0.weight", "cluster_head.0.bias"]
    assert call(project, *STAGES["selflabel"])[0] == 0


def test_five_test_images_are_enough(project, call):
    """Each is a neighbor of all others, in the monitoring of the pretext task, too: so accuracy is the share of equal pairs."""
    def change(settings):
        settings["dataset"]["test_images"] = 5
        settings["neighbors"]["test"] = 4

    project.edit("params/digits.yaml", change)
    for stage in STAGES:
        assert call(project, *STAGES[stage])[0] == 0, stage
    with np.load(project.folder / "runs/digits/neighbors/simclr/0/neighbors.npz") as mined:
        assert np.sort(mined["test"], 1).tolist() == [list(range(5))] * 5
    labels = np.load(project.folder / "data/digits/test_labels.npy").tolist()
    equal = np.mean([first == second for first, second in itertools.permutations(labels, 2)])
    curves = record(project, "runs/digits/pretext/simclr/0")["curves"]
    assert [row["neighbor_accuracy"] for row in curves if "neighbor_accuracy" in row] == [equal] * 2
    assert record(project, "runs/digits/neighbors/simclr/0")["metrics"]["test_accuracy"] == equal


def test_color_images_from_a_folder_go_all_the_way(project, call, photos):
    """A flower's petals and a temple: 96 patches of each to train on, 32 to test on."""
    for label, name in enumerate(("temple", "flower")):
        for index in range(128):
            split = "test" if index % 4 == 0 else "train"
            folder = project.folder / "photos" / split / name
            folder.mkdir(parents=True, exist_ok=True)
            image = photos[128 * label + index].permute(1, 2, 0).numpy()
            Image.fromarray(image).save(folder / f"{index:03}.png")

    def change(settings):
        settings["dataset"] = {"source": "folder", "root": "photos", "size": 16, "mean": [0.5] * 3, "std": [0.25] * 3}
        settings["neighbors"]["train"] = 10
        settings["scan"]["clusters"] = settings["kmeans"]["clusters"] = 2
        for stage in (settings["pretext"]["simclr"], settings["scan"], settings["selflabel"]):
            stage["training"].update(batch_size=32, epochs=8)

    (project.folder / "params/digits.yaml").rename(project.folder / "params/photos.yaml")
    project.edit("params/photos.yaml", change)
    for stage in STAGES:
        arguments = [argument.replace("digits", "photos") for argument in STAGES[stage]]
        assert call(project, *arguments)[0] == 0, stage
    cell = CELL.replace("digits", "photos")
    facts = json.loads((project.folder / "data/photos/dataset.json").read_text())
    assert facts["classes"] == ["flower", "temple"] and facts["shape"] == [16, 16, 3]
    assert np.sum(record(project, f"{cell}/selflabel")["metrics"]["confusion"]) == 64
    assert record(project, "runs/photos/neighbors/simclr/0")["metrics"]["train_accuracy"] > 0.75  # chance is 0.5
