"""Learning from training and test images together: what each stage learns from, and what it is scored on, on real digits."""

import numpy as np
import pytest
import yaml

from harness import datasets, stages
from harness.errors import UserError
from harness.files import read_json, read_npz, read_yaml
from harness.params import data_set_settings, overlay
from harness.pipeline.cells import Result
from harness.prepared import PreparedDataset
from harness.record import Cell
from harness.results.examples import gallery
from harness.sections import Sections, read_settings
from harness.settings import Dataset
from reimpl import baseline, neighbors, pretext, scan, selflabel
from reimpl.train.trainer import Trainer

TRAIN, TEST = 60, 24
SHORT = {"training": {"epochs": 2, "batch_size": 16}}
SMALL = {"dataset": {"size": 0, "train_images": TRAIN, "test_images": TEST, "joint": True},
         "network": {"width": 8, "blocks": [1, 1]}, "pretext": {"simclr": SHORT},
         "neighbors": {"train": 5, "test": 3, "scored": 5}, "scan": {**SHORT, "num_neighbors": 5},
         "selflabel": {**SHORT, "threshold": 0.1},
         "baseline": {"autoencoder": SHORT, "supervised": SHORT}}


@pytest.fixture
def digits_at(tmp_path, monkeypatch):
    """(settings, the folder of the prepared data set), and the working folder is an empty one."""
    params = read_yaml("params.yaml")
    settings = Sections(overlay(data_set_settings("digits"), SMALL), "small")
    monkeypatch.chdir(tmp_path)
    params["execution"] |= {"device": "cpu", "tracking": "disabled"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    datasets.run(Cell("harness", "dataset", "d", "0"), {"dataset": settings.read("dataset", Dataset)}, {}, tmp_path / "data")
    return settings, tmp_path / "data"


def run(stage, variant, settings, inputs, out):
    name = stage.__name__.rpartition(".")[2]
    found = read_settings(settings, stages.STAGES[name], "reimpl", variant)
    stage.run(Cell("reimpl", name, "d", "0", variant=variant), found, inputs, out / name)
    return read_json(out / name / "metrics.json")


def test_its_training_images_are_those_of_both_splits(digits_at):
    apart, both = PreparedDataset(digits_at[1]), PreparedDataset(digits_at[1], joint=True)
    assert (both.counts, apart.counts) == ({"train": 84, "test": 24}, {"train": 60, "test": 24})
    for read in (PreparedDataset.images, PreparedDataset.labels):
        assert np.array_equal(read(both, "train"), np.concatenate([read(apart, "train"), read(apart, "test")]))
        assert np.array_equal(read(both, "test"), read(apart, "test"))
    both.facts["labelled"] = ["train"]
    assert both.labels("train") is None and both.labels("test") is None


def test_each_stage_learns_from_both_and_is_scored_on_the_test_images(digits_at, tmp_path, monkeypatch):
    """From the pretext task to self-labeling, and a baseline; neighbors are mined among all that is learned from."""
    (settings, data), seen, theirs = digits_at, {}, Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", lambda self, session, task, model, training, images, *rest, **by: (
        seen.update({session.cell.stage: images.numpy()}), theirs(self, session, task, model, training, images, *rest, **by))[1])
    inputs = {"data": data} | {name: tmp_path / name for name in ("pretext", "neighbors", "scan")}
    for stage, variant in ((pretext, "simclr"), (neighbors, "simclr"), (scan, ""), (selflabel, ""), (baseline, "autoencoder")):
        record = run(stage, variant, settings, inputs, tmp_path)
        assert record["settings"]["dataset"]["joint"]
        if "confusion" in record["metrics"]:
            assert np.sum(record["metrics"]["confusion"]) == TEST
    prepared = PreparedDataset(data)
    everything = np.concatenate([prepared.images(split).transpose(0, 3, 1, 2) for split in ("train", "test")])
    assert set(seen) == {"pretext", "scan", "selflabel", "baseline"}
    assert all(np.array_equal(images, everything) for images in seen.values())
    mined = read_npz(tmp_path / "neighbors/neighbors.npz")
    assert {split: mined[split].shape for split in mined} == {"train": (84, 6), "test": (24, 4)} and mined["train"].max() >= TRAIN
    pictures = gallery(prepared, [Result("reimpl/a/neighbors", "0", tmp_path / "neighbors")])
    (images,) = (value for name, value in pictures.items() if name.endswith("images"))
    queries = np.random.default_rng(0).choice(84, 8, replace=False)
    assert np.array_equal(images[:, 0].transpose(0, 3, 1, 2), everything[queries])


def test_labels_of_test_images_are_learned_by_nothing(digits_at, tmp_path):
    settings, data = digits_at
    with pytest.raises(UserError, match="supervised learns from labels, and by dataset.joint it would learn those of the test"):
        run(baseline, "supervised", settings, {"data": data}, tmp_path)
