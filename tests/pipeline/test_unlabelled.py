"""A folder of real images without labels, all the way to the report: the same weights as with labels, and no scores."""

import json

import numpy as np
import pytest
from PIL import Image

from .conftest import CELL, STAGES

KMEANS = {on: ["reimpl", "kmeans", "--on", on, "--dataset", "digits", "--seed", "0", "--data", "data/digits",
               "--features", features, "--out", f"runs/digits/kmeans/{on}/0"]
          for on, features in (("pixels", "data/digits"), ("embeddings", "runs/digits/neighbors/simclr/0"))}
LAST = [["harness.results.summary", "--study", "main", "--dataset", "digits", "--out", "runs/digits/summary/main"],
        ["report", "--dataset", "digits", "--summaries", "runs/digits/summary", "--out", "report/output/digits"]]
SCORES = {"acc", "nmi", "ari", "confusion", "acc_many_to_one", "acc_reference", "match", "train_accuracy", "test_accuracy"}


def as_folder(project, labelled=()):
    """The project's images as files, those of a split that is not labelled without class folders and in the same order."""
    data = project.folder / "data/digits"
    for split in ("train", "test"):
        images, labels = np.load(data / f"{split}_images.npy"), np.load(data / f"{split}_labels.npy")
        for index, (image, label) in enumerate(zip(images, labels)):
            folder = project.folder / "images" / split / (str(label) if split in labelled else "")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(folder / f"{index:04}.png")

    project.edit("params/digits.yaml", lambda digits: digits["dataset"].update(source="folder", root="images"))


@pytest.fixture
def unlabelled(project, call):
    """The finished project, run again on the same images without labels."""
    as_folder(project)
    for arguments in [*STAGES.values(), *KMEANS.values(), *LAST]:
        code, error = call(project, *arguments)
        assert code == 0, error
    return project


def test_everything_runs_without_labels_but_the_scores(unlabelled, finished):
    for pattern in ("data/digits/*_images.npy", "runs/digits/**/*.pt", "runs/digits/**/predictions.npz"):
        assert unlabelled.bytes(pattern) == finished.bytes(pattern) != {}
    assert not list((unlabelled.folder / "data/digits").glob("*_labels.npy"))
    facts = json.loads((unlabelled.folder / "data/digits/dataset.json").read_text())
    assert facts["classes"] == [] and facts["labelled"] == []
    for file in sorted(unlabelled.folder.glob("runs/digits/**/metrics.json")):
        record = json.loads(file.read_text())
        if not record["not_run"]:
            assert not [key for key in SCORES & set(record["metrics"]) if record["metrics"][key] is not None], file
            before = json.loads((finished.folder / file.relative_to(unlabelled.folder)).read_text())
            for key in ("epoch", "head", "validation_loss", "loss", "confident"):  # the choice among epochs reads no label
                assert record["metrics"].get(key) == before["metrics"].get(key)
            assert record["degenerate"] == before["degenerate"]
    page = (unlabelled.folder / "report/output/digits/index.html").read_text()
    assert "test images without labels" in page and 'id="claims"' not in page and 'id="published"' not in page
    assert "Prototypes after SCAN + self-label" in page and "Confusion" not in page
    sheets = unlabelled.folder / "runs/digits/summary/main/clusters/reimpl/default"
    assert '../../../runs/digits/summary/main/clusters/reimpl/default/clusters.csv"' in page
    shown = [file for file in sorted(sheets.glob("*.png")) if f'src="../../../{file.relative_to(unlabelled.folder)}"' in page]
    assert len(shown) == len(list(sheets.glob("*.png"))) > 1
    listed = (sheets / "clusters.csv").read_text().splitlines()
    assert listed[0] == "file,split,cluster,confidence" and len(listed) == 1 + 1437 + 360
    tables = (unlabelled.folder / "report/output/digits/main/tables/table1.csv").read_text()
    assert '"rewrite, here",digits,ACC,,,1,' in tables


def test_a_test_split_with_labels_is_scored_where_the_training_images_have_none(project, finished, call):
    as_folder(project, labelled=("test",))
    for stage in ("dataset", "pretext", "neighbors", "scan"):
        assert call(project, *STAGES[stage])[0] == 0
    accuracy = json.loads((project.folder / "runs/digits/neighbors/simclr/0/metrics.json").read_text())["metrics"]
    before = json.loads((finished.folder / "runs/digits/neighbors/simclr/0/metrics.json").read_text())["metrics"]
    assert accuracy["train_accuracy"] is None and accuracy["test_accuracy"] == pytest.approx(before["test_accuracy"], abs=0.02)
    assert 0.1 < json.loads((project.folder / CELL / "scan/metrics.json").read_text())["metrics"]["acc"] < 1
