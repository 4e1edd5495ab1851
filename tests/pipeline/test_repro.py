"""`dvc repro` from nothing to the report, and what it does after an edit."""

import csv
import json
import re
from importlib.metadata import version

import numpy as np
import pytest

from .conftest import CELL

UPSTREAM = {"dataset", "pretext@simclr-0", "neighbors@simclr-0", "kmeans_pixels@0", "kmeans_embeddings@0"}
STUDY = {f"studies/main/dvc.yaml:{stage}" for stage in ("scan@default-0", "selflabel@default-0", "summary")}
AFTER_SCAN = STUDY | {"report"}
AFTER_PRETEXT = UPSTREAM - {"dataset", "kmeans_pixels@0"} | AFTER_SCAN
THEIR_SELFLABEL = {"studies/main/dvc.yaml:original_selflabel@default-0"}
THEIR_SCAN = {"studies/main/dvc.yaml:original_scan@default-0"} | THEIR_SELFLABEL
THEIRS = {"original_pretext@0"} | THEIR_SCAN
EVERYTHING = UPSTREAM | AFTER_SCAN | THEIRS | {"reference"}


def would_run(project):
    """The stages whose own inputs have changed, and all that come after them."""
    status = json.loads(project.run("dvc", "status", "--json", check=False).stdout)
    graph = re.findall(r'"([^"]+)" -> "([^"]+)"', project.run("dvc", "dag", "--dot").stdout)
    waiting, found = [name.removeprefix("dvc.yaml:") for name in status], set()
    while waiting:
        stage = waiting.pop()
        found.add(stage)
        waiting += [after for before, after in graph if before == stage]
    return found


def test_every_stage_runs_and_leaves_its_record(finished):
    assert set(re.findall(r"Running stage '(?:dvc\.yaml:)?([^']+)'", finished.log)) == EVERYTHING
    record = json.loads((finished.folder / CELL / "selflabel/metrics.json").read_text())
    assert record["cell"] == {"implementation": "reimpl", "stage": "selflabel", "dataset": "digits", "seed": 0, "study": "main",
                              "arm": "default", "variant": ""}
    assert [row["epoch"] for row in record["curves"]] == [1, 2, 3, 4]
    assert record["settings"]["selflabel"]["threshold"] == 0.2
    evidence = record["evidence"]
    assert re.fullmatch("[0-9a-f]{40}", evidence["revision"]) and evidence["packages"]["torch"] == version("torch")
    assert evidence["seconds"] > 0 and evidence["peak_memory_mib"] > 50 and evidence["hardware"]["threads"] == 1
    assert set(evidence["inputs"]) == {"data/digits/" + name for name in (
        "train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")} | {
        f"{CELL}/scan/model.pt", f"{CELL}/scan/predictions.npz"}
    assert np.sum(record["metrics"]["confusion"]) == 360
    assert not list((finished.folder / "checkpoints").glob("*.pt"))


def test_the_summary_is_the_records_and_nothing_else(finished):
    with open(finished.folder / "runs/digits/summary/main/cells.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["step"] for row in rows} == {"kmeans/pixels", "kmeans/embeddings", "pretext/simclr", "neighbors/simclr",
                                             "reimpl/default/scan", "reimpl/default/selflabel"}
    for row in rows:
        record = json.loads((finished.folder / row["record"]).read_text())
        assert record["metrics"][row["metric"]] == float(row["value"]) and record["cell"]["seed"] == int(row["seed"])


def test_nothing_runs_again_when_nothing_has_changed(finished):
    assert would_run(finished) == set()


@pytest.mark.parametrize("keys, value, expected", [
    ("datasets.digits.pretext.simclr.temperature", 0.3, AFTER_PRETEXT | THEIRS),
    ("datasets.digits.pretext.rotation.evaluate_every", 5, set()),
    ("datasets.digits.neighbors.test", 4, AFTER_PRETEXT - {"pretext@simclr-0"} | THEIRS),
    ("datasets.digits.kmeans.restarts", 2,
     {"kmeans_pixels@0", "kmeans_embeddings@0", "studies/main/dvc.yaml:summary", "report"}),
    ("datasets.digits.scan.entropy_weight", 2.0, AFTER_SCAN | THEIR_SCAN),
    ("datasets.digits.selflabel.threshold", 0.3,
     AFTER_SCAN - {"studies/main/dvc.yaml:scan@default-0"} | THEIR_SELFLABEL),
    ("datasets.digits.augmentation.strong.cutout", 3, AFTER_SCAN | THEIR_SCAN),
    ("datasets.digits.augmentation.standard.flip", 0.1, set()),
    ("datasets.digits.dataset.size", 9, EVERYTHING - {"reference"}),
    ("execution.tracking", "offline", set()),
])
def test_an_edited_setting_runs_again_what_depends_on_it(project, keys, value, expected):
    def change(params):
        *path, last = keys.split(".")
        for key in path:
            params = params[key]
        params[last] = value

    project.edit("params.yaml", change)
    assert would_run(project) == expected


@pytest.mark.parametrize("file, expected", [
    ("reimpl/selflabel.py", AFTER_SCAN - {"studies/main/dvc.yaml:scan@default-0"}),
    ("reimpl/scan.py", AFTER_SCAN),
    ("reimpl/pretext/simclr.py", AFTER_PRETEXT),
    ("reimpl/pretext/rotation.py", set()),
    ("reimpl/kmeans.py", {"kmeans_pixels@0", "kmeans_embeddings@0", "studies/main/dvc.yaml:summary", "report"}),
    ("original_ref/selflabel.py", THEIR_SELFLABEL | {"studies/main/dvc.yaml:summary", "report"}),
    ("original_ref/shims.py", THEIRS | {"studies/main/dvc.yaml:summary", "report"}),
    ("original_ref/divergences.yaml", {"report"}),
    ("report/figures.py", {"report"}),
    ("report/style.css", {"report"}),
    ("studies/gallery.py", {"studies/main/dvc.yaml:summary", "report"}),
    ("harness/settings.py", EVERYTHING),
])
def test_an_edited_source_file_runs_again_what_imports_it(project, file, expected):
    path = project.folder / file
    path.write_text(path.read_text() + "\n# an edit\n")
    assert would_run(project) == expected


def test_the_report_is_one_file_with_every_number_of_the_summary(finished):
    page = (finished.folder / "report/output/digits/index.html").read_text()
    assert not re.search(r'(src|href)="https?:|@import|url\((?!#)', page)  # opens from disk, needs no network
    for step in ("kmeans/pixels/0", "neighbors/simclr/0", "main/reimpl/default/0/selflabel"):
        record = json.loads((finished.folder / f"runs/digits/{step}/metrics.json").read_text())
        figure = record["metrics"].get("acc", record["metrics"].get("test_accuracy"))
        assert f"{100 * figure:.1f}" in page and f"runs/digits/{step}/metrics.json" in page
    assert "87.6" in page and "original_ref/default/scan (seed 0)" in page and "/nowhere cannot be used" in page
    with open(finished.folder / "report/output/digits/main/tables/table1.csv", newline="") as file:
        ours = [row for row in csv.DictReader(file) if row["source"] == "rewrite, here" and row["metric"] == "ACC"]
    assert [row["step"] for row in ours] == ["SCAN", "SCAN + self-label"] and ours[0]["n"] == "1" and ours[0]["std"] == ""
    latex = (finished.folder / "report/output/digits/main/tables/table1.tex").read_text()
    assert r"$87.6 $\pm$ 0.4$" in latex or r"87.6 $\pm$ 0.4" in latex


def test_an_arm_is_one_entry_and_runs_its_own_cells_alone(project):
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"].update(
        k5={"scan": {"augmentation": "strong", "num_neighbors": 5}, "selflabel": {"augmentation": "strong",
                                                                               "target_augmentation": "none"}}))
    log = project.run("dvc", "repro", timeout=300).stdout
    ran = set(re.findall(r"Running stage '(?:dvc\.yaml:)?([^']+)'", log))
    assert ran == {"studies/main/dvc.yaml:scan@k5-0", "studies/main/dvc.yaml:selflabel@k5-0", "studies/main/dvc.yaml:summary",
                   "report"}
    record = json.loads((project.folder / "runs/digits/main/reimpl/k5/0/scan/metrics.json").read_text())
    assert record["settings"]["scan"]["num_neighbors"] == 5
    assert "rewrite, here: k5" in (project.folder / "report/output/digits/index.html").read_text()
