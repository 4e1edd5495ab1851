"""Which file is in which cluster, by hand; and sheets that show the images they should, pixel by pixel."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from harness import datasets
from harness.pipeline.cells import Result
from harness.prepared import PreparedDataset
from harness.record import Cell
from harness.results import sheets
from harness.results.sheets import write_sheets
from harness.settings import Dataset

ARM = "reimpl/default"
CELL = Cell("harness", "dataset", "d", "0")


def prepared(root, photos, out, **counts):
    """A data set of photographs without labels: files a.png, b.png, ... in each split."""
    names = {split: [f"{chr(ord('a') + index)}.png" for index in range(count)] for split, count in counts.items()}
    for first, (split, files) in enumerate(names.items()):
        (root / split).mkdir(parents=True)
        for index, name in enumerate(files):
            Image.fromarray(photos[64 * first + index].permute(1, 2, 0).numpy()).save(root / split / name)
    datasets.run(CELL, {"dataset": Dataset("folder", "measured", "measured", str(root))}, {}, out)
    return PreparedDataset(out)


def result(folder, stage, probabilities, seed="0-0", joint=False, **others):
    probabilities, folder = np.array(probabilities, np.float32), folder / stage / seed
    features = np.ones((len(probabilities), 2), np.float32)
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", probabilities=probabilities, features=features, **others)
    (folder / "metrics.json").write_text(json.dumps({"settings": {"dataset": {"joint": joint}}}))
    return Result(f"{ARM}/{stage}", seed, folder)


def rows(out):
    with open(out / ARM / "clusters.csv", newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_an_image_whose_name_is_not_utf_8_is_listed_by_the_bytes_of_its_name(tmp_path, photos):
    for split in ("train", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        for index, name in enumerate((b"a.png", b"caf\xe9.png")):
            Image.fromarray(photos[index].permute(1, 2, 0).numpy()).save(tmp_path / "images" / split / os.fsdecode(name))
    datasets.run(CELL, {"dataset": Dataset("folder", "measured", "measured", str(tmp_path / "images"))}, {}, tmp_path / "data")
    dataset = PreparedDataset(tmp_path / "data")
    write_sheets(dataset, [result(tmp_path, "selflabel", [[0.8, 0.2], [0.6, 0.4]])], [ARM], tmp_path / "out")
    assert (tmp_path / "out" / ARM / "clusters.csv").read_bytes().splitlines()[1:] == [
        b"test/a.png,test,0,0.8000", b"test/caf\xe9.png,test,0,0.6000"]


LEARNED = {"train_clusters": np.array([2, 0, 0, 2], np.uint16), "train_confidence": np.array([0.5, 0.75, 0.9, 0.5], np.float32)}


def test_images_are_listed_by_cluster_the_surest_first(tmp_path, photos):
    """Of the last step of its first seed, those of both splits; cluster 1 is empty."""
    dataset = prepared(tmp_path / "images", photos, tmp_path / "data", train=4, test=2)
    last = [result(tmp_path, "selflabel", [[0.8, 0.0, 0.2], [0.3, 0.1, 0.6]], **LEARNED),
            result(tmp_path, "selflabel", [[0, 1, 0], [0, 1, 0]], seed="1-0", **LEARNED)]
    write_sheets(dataset, [result(tmp_path, "scan", [[0, 1, 0], [0, 1, 0]]), *last], [ARM], tmp_path / "out")
    assert rows(tmp_path / "out") == [
        ("train/c.png", "train", "0", "0.9000"), ("test/a.png", "test", "0", "0.8000"), ("train/b.png", "train", "0", "0.7500"),
        ("test/b.png", "test", "2", "0.6000"), ("train/a.png", "train", "2", "0.5000"), ("train/d.png", "train", "2", "0.5000")]
    found = json.loads((tmp_path / "out" / ARM / "sheets.json").read_text())
    assert (found["step"], found["seed"]) == (f"{ARM}/selflabel", "0-0")
    assert [(each["cluster"], each["images"]) for each in found["clusters"]] == [(0, 3), (1, 0), (2, 3)]
    assert [each["confidence"] for each in found["clusters"]] == [pytest.approx(2.45 / 3), None, pytest.approx(1.6 / 3)]
    assert sorted(file.name for file in (tmp_path / "out" / ARM).glob("*.png")) == ["0.png", "2.png"]


def test_images_that_are_looked_at_again_are_listed_once(tmp_path, photos):
    dataset = prepared(tmp_path / "images", photos, tmp_path / "data", train=2)
    write_sheets(dataset, [result(tmp_path, "scan", [[0.75, 0.25], [0.5, 0.5]])], [ARM], tmp_path / "out")
    assert rows(tmp_path / "out") == [("train/a.png", "train", "0", "0.7500"), ("train/b.png", "train", "0", "0.5000")]


def test_an_arm_that_learned_from_both_splits_lists_each_image_once(tmp_path, photos):
    dataset = prepared(tmp_path / "images", photos, tmp_path / "data", train=2, test=2)
    learned = LEARNED | {"train_clusters": np.uint16([0, 0, 0, 1])}
    found = result(tmp_path, "scan", [[0.75, 0.25], [0.5, 0.5]], joint=True, **learned)
    write_sheets(dataset, [found], [ARM], tmp_path / "out")
    assert rows(tmp_path / "out") == [("test/a.png", "test", "0", "0.9000"), ("train/b.png", "train", "0", "0.7500"),
                                      ("train/a.png", "train", "0", "0.5000"), ("test/b.png", "test", "1", "0.5000")]


def test_a_sheet_shows_the_surest_and_some_of_the_others(tmp_path, photos, monkeypatch):
    """Of ten images in one cluster, surer from a to j, on a sheet of two rows of two: j, i, h, g, and four of the other six."""
    monkeypatch.setattr(sheets, "SHOWN", 4)
    monkeypatch.setattr(sheets, "ACROSS", 2)
    dataset = prepared(tmp_path / "images", photos, tmp_path / "data", train=10)
    sure = np.linspace(0.6, 0.9, 10)
    write_sheets(dataset, [result(tmp_path, "scan", np.stack([sure, 1 - sure], 1))], [ARM], tmp_path / "out")
    picture = np.asarray(Image.open(tmp_path / "out" / ARM / "0.png"))
    step = sheets.SIDE + sheets.GAP

    def shown(block, index):
        """Which of the ten images stands there."""
        top = block * (sheets.LINE + 2 * step) + sheets.LINE + index // 2 * step
        left = sheets.GAP + index % 2 * step
        there = picture[top : top + sheets.SIDE, left : left + sheets.SIDE]
        enlarged = [np.asarray(Image.fromarray(image).resize((sheets.SIDE, sheets.SIDE))) for image in dataset.images("train")]
        return [place for place, image in enumerate(enlarged) if (image == there).all()]

    assert [shown(0, index) for index in range(4)] == [[9], [8], [7], [6]]
    others = [place for index in range(4) for place in shown(1, index)]
    assert len(set(others)) == 4 and set(others) < set(range(6)) and others == sorted(others, reverse=True)


def test_images_without_files_have_no_sheets(tmp_path):
    datasets.run(CELL, {"dataset": Dataset("digits", (0.3,), (0.3,))}, {}, tmp_path / "data")
    write_sheets(PreparedDataset(tmp_path / "data"), [result(tmp_path, "scan", [[1.0, 0.0]])], [ARM], tmp_path / "out")
    assert not (tmp_path / "out").exists()
