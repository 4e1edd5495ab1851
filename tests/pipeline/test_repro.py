"""`dvc repro` from nothing to the report, and what it does after an edit."""

import csv
import json
import os
import re
import warnings
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image

from harness.params import overlay

from .conftest import CELL
from .test_unlabelled import as_folder

UPSTREAM = {"dataset", "pretext@simclr-0", "neighbors@simclr-0", "kmeans_pixels@0", "kmeans_embeddings@0"}
MAIN = "studies/main/dvc.yaml:"
SCAN, SELFLABEL, SUMMARY = MAIN + "scan@default-0-0", MAIN + "selflabel@default-0-0", MAIN + "summary"
AFTER_SELFLABEL = {SELFLABEL, SUMMARY, "report"}
AFTER_SCAN = {SCAN} | AFTER_SELFLABEL
AFTER_PRETEXT = UPSTREAM - {"dataset", "kmeans_pixels@0"} | AFTER_SCAN
KMEANS = {"kmeans_pixels@0", "kmeans_embeddings@0", SUMMARY, "report"}
THEIR_SELFLABEL = {MAIN + "original_selflabel@default-0-0"}
THEIR_SCAN = {MAIN + "original_scan@default-0-0"} | THEIR_SELFLABEL
THEIRS = {"original_pretext@0"} | THEIR_SCAN
EVERYTHING = UPSTREAM | AFTER_SCAN | THEIRS | {"reference"}
FIRST = {"code", "settings", MAIN + "settings", "listing"}
"""Those that tell the others of code, settings and images."""


@pytest.fixture(scope="module")
def after(finished):
    """For each stage, those that read what it writes: as `dvc dag` draws it, which no edit of this file's tests changes."""
    edges = re.findall(r'"([^"]+)" -> "([^"]+)"', finished.run("dvc", "dag", "--dot").stdout)
    return {stage: {after for before, after in edges if before == stage} for pair in edges for stage in pair}


@pytest.fixture
def would_run(after, monkeypatch):
    """`would_run(project)`: brings FIRST up to date; the stages that an edit runs again, and all that come after."""
    def run(project):
        from dvc.repo import Repo

        monkeypatch.chdir(project.folder)
        for key, value in project.environment().items():
            monkeypatch.setenv(key, value)
        with warnings.catch_warnings(action="ignore"), Repo() as repo:
            repo.reproduce(sorted(FIRST))
            waiting, found = list(set(repo.status()) - {"listing"}), set()  # which runs each time
        while waiting:
            stage = waiting.pop()
            found.add(stage)
            waiting += after[stage]
        return found
    return run


def ran(log):
    """The stages that a `dvc repro` ran, from what it printed."""
    return set(re.findall(r"Running stage '(?:dvc\.yaml:)?([^']+)'", log))


def test_every_stage_runs_and_leaves_its_record(finished):
    assert ran(finished.log) == EVERYTHING | FIRST
    record = json.loads((finished.folder / CELL / "selflabel/metrics.json").read_text())
    assert record["cell"] == {"implementation": "reimpl", "stage": "selflabel", "dataset": "digits", "seed": "0-0",
                              "study": "main", "arm": "default", "variant": ""}
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
        assert record["metrics"][row["metric"]] == float(row["value"]) and record["cell"]["seed"] == row["seed"]


def test_a_record_has_the_settings_that_its_stage_depends_on(finished):
    """And of a section's settings also those that are left at their defaults."""
    for stage, file in {"pretext/simclr/0": "settings/pretext.simclr", "neighbors/simclr/0": "settings/neighbors.simclr",
                        "kmeans/pixels/0": "settings/kmeans", "kmeans/embeddings/0": "settings/kmeans",
                        "studies/main/reimpl/default/0-0/scan": "studies/main/settings/reimpl/default/scan",
                        "studies/main/reimpl/default/0-0/selflabel": "studies/main/settings/reimpl/default/selflabel"}.items():
        read = json.loads((finished.folder / f"runs/digits/{stage}/metrics.json").read_text())["settings"]
        given = json.loads((finished.folder / f"runs/digits/{file}.json").read_text())
        given = {section: values["simclr"] if section == "pretext" else values for section, values in given.items()}
        named = {kind: values for kind, values in given.pop("augmentation", {}).items()}
        assert len(named) == sum("augmentation" in section for section in read) or stage.startswith("pretext/"), stage
        assert set(given) == {section for section in read if "augmentation" not in section}, stage
        for section, values in given.items():
            assert overlay(read[section], values) == read[section], (stage, section)


def test_nothing_runs_again_when_nothing_has_changed(finished, would_run):
    assert would_run(finished) == set()


@pytest.mark.parametrize("file, keys, value, expected", [
    ("params/digits.yaml", "pretext.simclr.temperature", 0.3, AFTER_PRETEXT | THEIRS),
    ("params/digits.yaml", "pretext.rotation.evaluate_every", 5, set()),
    ("params/digits.yaml", "neighbors.test", 4, AFTER_PRETEXT - {"pretext@simclr-0"} | THEIRS),
    ("params/digits.yaml", "kmeans.restarts", 2, KMEANS),
    ("params/digits.yaml", "scan.entropy_weight", 2.0, AFTER_SCAN | THEIR_SCAN),
    ("params/digits.yaml", "selflabel.threshold", 0.3, AFTER_SELFLABEL | THEIR_SELFLABEL),
    ("params/digits.yaml", "augmentation.strong.cutout", 2, AFTER_SCAN | THEIR_SCAN),
    ("params/digits.yaml", "augmentation.standard.flip", 0.1, set()),  # which no arm names
    ("params/digits.yaml", "dataset.size", 9, EVERYTHING - {"reference"}),
    ("params/digits.yaml", "matters", 3.0, {"report"}),
    ("params.yaml", "execution.tracking", "offline", set()),
])
def test_an_edited_setting_runs_again_what_depends_on_it(project, would_run, file, keys, value, expected):
    *path, last = keys.split(".")

    def change(settings):
        for key in path:
            settings = settings[key]
        settings[last] = value

    project.edit(file, change)
    assert would_run(project) == expected


@pytest.mark.parametrize("file, expected", [
    ("reimpl/selflabel.py", AFTER_SELFLABEL),
    ("reimpl/scan.py", AFTER_SCAN),
    ("reimpl/tasks/simclr.py", AFTER_PRETEXT),
    ("reimpl/tasks/rotation.py", set()),
    ("reimpl/kmeans.py", KMEANS),
    ("original_ref/selflabel.py", THEIR_SELFLABEL | {SUMMARY, "report"}),
    ("original_ref/shims.py", THEIRS | {SUMMARY, "report"}),
    ("original_ref/divergences.yaml", {"report"}),
    ("report/figures.py", {"report"}),
    ("report/published.yaml", {"report"}),
    ("report/style.css", {"report"}),
    ("harness/results/examples.py", {SUMMARY, "report"}),
    ("harness/pipeline/study.py", {SUMMARY, "report"}),
    ("harness/engine/run.py", set()),
    ("harness/listing.py", set()),  # it lists the same
    ("harness/settings.py", EVERYTHING),
    ("harness/stages.py", {SUMMARY, "report"}),  # its titles and its order; the rest is in the commands, and in what they read
])
def test_an_edited_source_file_runs_again_what_imports_it(project, would_run, file, expected):
    path = project.folder / file
    path.write_text(path.read_text() + "\n# an edit\n")
    assert would_run(project) == expected


def test_the_report_is_one_file_with_every_number_of_the_summary(finished):
    page = (finished.folder / "report/output/digits/index.html").read_text()
    assert not re.search(r'src="https?:|<link|@import|url\((?!#)', page)  # opens from disk, needs no network
    for step in ("kmeans/pixels/0", "neighbors/simclr/0", "studies/main/reimpl/default/0-0/selflabel"):
        record = json.loads((finished.folder / f"runs/digits/{step}/metrics.json").read_text())
        figure = record["metrics"].get("acc", record["metrics"].get("test_accuracy"))
        assert f"{100 * figure:.1f}" in page and f"runs/digits/{step}/metrics.json" in page
    assert "87.6" in page and "original_ref/default/scan (seed 0-0)" in page and "/nowhere cannot be used" in page
    with open(finished.folder / "report/output/digits/main/tables/table1.csv", newline="") as file:
        ours = [row for row in csv.DictReader(file) if row["source"] == "rewrite, here" and row["metric"] == "ACC"]
    assert [row["step"] for row in ours] == ["SCAN", "SCAN + self-label"] and ours[0]["n"] == "1" and ours[0]["std"] == ""
    latex = (finished.folder / "report/output/digits/main/tables/table1.tex").read_text()
    assert r"$87.6 $\pm$ 0.4$" in latex or r"87.6 $\pm$ 0.4" in latex


def test_every_command_can_be_seen_in_a_checkout_in_which_nothing_has_run(fresh, finished):
    """Without `--force` DVC would look for the files that the stages before have not made yet."""
    def commands(log):
        return [line for line in log.splitlines() if line.startswith("> ")]

    assert commands(fresh.run("dvc", "repro", "--dry", "--force").stdout) == commands(finished.log) != []
    assert not (fresh.folder / "runs").exists()


def test_images_that_have_changed_are_prepared_anew_and_others_are_not(project):
    """Of images in a folder: one rewritten with as many bytes, one more, one less; and the folder gone, as on another machine."""
    def stale():
        return ran(project.run("dvc", "repro", "dataset").stdout) - {"listing"}

    def count():
        return json.loads((project.folder / "data/digits/dataset.json").read_text())["images"]

    as_folder(project, labelled=("train", "test"))
    assert stale() == {"settings", "dataset"} and count() == {"train": 1437, "test": 360}
    assert stale() == set()
    image, *others = sorted((project.folder / "images/test/3").iterdir())
    before = project.bytes("data/digits/*.npy")
    pixels = np.asarray(Image.open(image))
    Image.fromarray(pixels.T).save(image, compress_level=0)
    os.utime(image, ns=(0, 0))
    assert stale() == {"dataset"} and project.bytes("data/digits/*.npy") != before
    image.rename(image.with_name("another.png"))
    others[0].unlink()
    assert stale() == {"dataset"} and count() == {"train": 1437, "test": 359}
    (project.folder / "images").rename(project.folder / "elsewhere")
    assert stale() == set()


def test_an_arm_is_one_entry_and_runs_its_own_cells_alone(project):
    """The report, too; and the pipeline as it stands has the arm's stages, since its group has had arms before."""
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"]["clustering"].update(
        k5={"scan": {"num_neighbors": 5, "augmentation": "simclr"}, "selflabel": {}}))
    log = project.run("dvc", "repro").stdout
    assert ran(log) - {"listing"} == {MAIN + "settings", MAIN + "scan@k5-0-0", MAIN + "selflabel@k5-0-0", SUMMARY, "report"}
    record = json.loads((project.folder / "runs/digits/studies/main/reimpl/k5/0-0/scan/metrics.json").read_text())
    assert record["settings"]["scan"]["num_neighbors"] == 5 and record["settings"]["augmentation"]["jitter"] == 0.8
    assert "rewrite, here: k5" in (project.folder / "report/output/digits/index.html").read_text()
    written = (project.folder / "studies/main/dvc.yaml").read_bytes()
    project.run("studies", "write")
    assert (project.folder / "studies/main/dvc.yaml").read_bytes() == written
