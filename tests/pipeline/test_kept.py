"""Kept records: what ran in one checkout is reported in another without its runs and data; what does not fit is named."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from harness.files import sha256
from harness.pipeline.cells import Result
from harness.results import verify
from harness.results.archive import reduced, write_sums
from tests.pipeline.conftest import ROOT

SCAN = "records/digits/main/reimpl/default/0-0/scan"
SELFLABEL = "records/digits/main/reimpl/default/0-0/selflabel"
KMEANS = "records/digits/kmeans/pixels/0"
ELSEWHERE = {"processor": "p", "cores": 8, "threads": 1, "device": "cuda", "accelerator": "NVIDIA H200"}


@pytest.fixture(scope="module")
def away(finished, tmp_path_factory):
    """The finished project as if it had run on a machine with a GPU; its records are kept."""
    project = finished.copy(tmp_path_factory.mktemp("away") / "project")
    for file in project.folder.glob("runs/digits/**/metrics.json"):
        record = json.loads(file.read_text())
        if record["settings"]:
            record["evidence"]["hardware"] = ELSEWHERE
            file.write_text(json.dumps(record))
    project.log = project.run("studies", "keep").stdout
    return project


@pytest.fixture
def clone(fresh, away, tmp_path):
    """Another checkout with these records, on another data set, in which nothing has run."""
    project = fresh.copy(tmp_path / "clone")
    shutil.copytree(away.folder / "records", project.folder / "records", dirs_exist_ok=True)
    project.edit("params.yaml", lambda params: params.update(dataset="other", pretext_seeds=[7]))
    shutil.copy(project.folder / "params/digits.yaml", project.folder / "params/other.yaml")
    return project


def test_what_is_kept_is_small_and_says_what_it_is(away):
    root = away.folder / "records/digits"
    assert re.search(r"records/digits: 6 records, 0\.\d MiB", away.log)  # not those of the authors' code, which was not there
    assert {file.name for file in root.rglob("*") if file.is_file()} == {
        "SHA256SUMS", "dataset.json", "test_labels.npy", "metrics.json", "predictions.npz"}
    names = (root / "SHA256SUMS").read_text().splitlines()
    assert len(names) == 2 + 6 + 4 and all(sha256(root / line[66:]) == line[:64] for line in names)
    whole = np.load(away.folder / "runs/digits/studies/main/reimpl/default/0-0/scan/predictions.npz")["probabilities"]
    few = np.load(away.folder / SCAN / "predictions.npz")
    assert few["clusters"].dtype == np.uint8 and (few["clusters"] == whole.argmax(1)).all()
    np.testing.assert_allclose(few["confidence"], whole.max(1), rtol=1e-3)


def test_a_checkout_without_runs_and_data_reports_what_was_kept(clone, away):
    """With the seeds that were kept, though params.yaml has others; and marked as what it is."""
    assert "6 of 6 kept records are right" in clone.run("studies", "records").stdout
    clone.run("report")
    assert not (clone.folder / "data").exists() and not list(clone.folder.glob("runs/digits/*/**/metrics.json"))
    with open(clone.folder / "runs/digits/summary/main/cells.csv", newline="") as file:
        ours = {(row["step"], row["seed"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    with open(away.folder / "runs/digits/summary/main/cells.csv", newline="") as file:
        assert ours == {(row["step"], row["seed"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    page = (clone.folder / "report/output/digits/index.html").read_text()
    revision = json.loads((clone.folder / SCAN / "metrics.json").read_text())["evidence"]["revision"]
    assert f"kept record, NVIDIA H200, revision {revision[:7]}" in page and "6 kept records:</b>" in page
    assert f'../../../{SCAN}/metrics.json"' in page and "Prototypes: what each" not in page  # for want of images
    overview = (clone.folder / "report/output/index.html").read_text()
    assert "6 records, all kept" in overview and 'href="digits/index.html"' in overview


def test_a_plan_tells_what_is_kept_and_what_is_missing(clone):
    """Missing are six steps of ours on one seed, and three of theirs on two."""
    clone.edit("params.yaml", lambda params: params.update(pretext_seeds=[0, 1]))
    first, *missing = clone.run("studies", "plan", "--dataset", "digits").stdout.splitlines()
    assert first == "main on digits: 0 ran here, 6 kept, 12 missing"
    for line in ("kmeans/pixels: seed 1", "original_ref/pretext/simclr: seeds 0, 1", "reimpl/default/scan: seed 1-0"):
        assert f"  {line}" in missing


def test_pictures_are_shown_where_the_same_images_are_prepared(clone, away):
    shutil.copytree(away.folder / "data", clone.folder / "data")
    clone.run("studies", "records")
    pictures = np.load(clone.folder / "runs/digits/summary/main/gallery.npz")
    whole = np.load(away.folder / "runs/digits/summary/main/gallery.npz")
    name = "prototypes/reimpl/default/selflabel/images"
    assert (pictures[name] == whole[name]).all() and "neighbors/simclr/images" not in pictures
    images = np.load(clone.folder / "data/digits/test_images.npy")
    np.save(clone.folder / "data/digits/test_images.npy", images[::-1])
    clone.run("studies", "records")
    assert np.load(clone.folder / "runs/digits/summary/main/gallery.npz").files == []


def rewritten(**changes):
    """Change a record and its hash: `metrics__acc=0.5` sets its metrics' acc."""
    def spoil(project, folder=SCAN):
        file = project.folder / folder / "metrics.json"
        record = json.loads(file.read_text())
        for path, value in changes.items():
            *keys, last = path.split("__")
            inner = record
            for key in keys:
                inner = inner[key]
            inner[last] = value
        file.write_text(json.dumps(record))
        write_sums(project.folder / "records/digits")
    return spoil


def setting(*keys, value):
    def spoil(project):
        def change(inner):
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = value
        project.edit("params/digits.yaml", change)
    return spoil


def one_byte(name):
    def spoil(project):
        file = project.folder / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    return spoil


def other_predictions(project):
    file = project.folder / SCAN / "predictions.npz"
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"clusters": np.roll(arrays["clusters"], 1)})
    write_sums(project.folder / "records/digits")


def other_labels(project):
    file = project.folder / "records/digits/test_labels.npy"
    np.save(file, np.roll(np.load(file), 1))
    write_sums(project.folder / "records/digits")


def arm(project):
    project.edit("studies/main/study.yaml", lambda study: study["arms"]["reimpl"]["clustering"]["default"].update(
        scan={"num_neighbors": 3}))


@pytest.mark.parametrize("spoil, folder, says", [
    (one_byte(f"{SCAN}/metrics.json"), SCAN, "metrics.json: is not the file that was kept, its SHA-256 differs; `git checkout"),
    (one_byte(f"{SCAN}/predictions.npz"), SCAN, "scan/predictions.npz: is not the file that was kept"),
    (one_byte("records/digits/test_labels.npy"), SCAN, "test_labels.npy: is not the file that was kept"),
    (lambda project: (project.folder / SCAN / "predictions.npz").unlink(), SCAN, "predictions.npz: is missing; `git checkout"),
    (lambda project: (project.folder / SCAN / "model.pt").touch(), SCAN, "model.pt: is not named in records/digits/SHA256SUMS"),
    (setting("scan", "entropy_weight", value=4.0), SCAN,
     "scan.entropy_weight was 5.0, and by params/digits.yaml with studies/main/study.yaml it is 4.0 today; run and keep"),
    (setting("scan", "training", "optimizer", "lr", value=0.5), SCAN, "scan.training.optimizer.lr was 0.0004, and"),
    (setting("augmentation", "strong", "cutout", value=2), SCAN, "augmentation.cutout was 3, and by params/digits.yaml"),
    (setting("kmeans", "restarts", value=3), KMEANS, "kmeans.restarts was 1, and by params/digits.yaml it is 3 today"),
    (arm, SCAN, "scan.num_neighbors was 10, and by params/digits.yaml with studies/main/study.yaml it is 3 today"),
    (setting("scan", "entropy_weight", value=4.0), SELFLABEL, "was made from .*/scan, whose scan.entropy_weight was 5"),
    (setting("pretext", "simclr", "temperature", value=0.5), SELFLABEL, "was made from .*pretext/simclr/0, whose pretext.temp"),
    (rewritten(metrics__acc=0.9999), SCAN, "metrics.json: acc is 0.9999, and .*predictions.npz against .*labels.npy gives 0."),
    (lambda project: (project.folder / KMEANS / "predictions.npz").unlink() or rewritten(metrics__nmi=0.9999)(project, KMEANS),
     KMEANS, "nmi is 0.9999, and its confusion matrix gives 0."),
    (other_predictions, SCAN, "acc is 0.*, and .*predictions.npz against"),
    (other_labels, KMEANS, "was run on other images: its test_labels.npy has another SHA-256"),
    (rewritten(evidence__revision="unknown"), SCAN, "evidence.revision is 'unknown', and should be a commit"),
    (rewritten(evidence__hardware={"processor": "p"}), SCAN, "evidence.hardware has no device"),
    (rewritten(evidence__packages={}), SCAN, "evidence.packages has no python"),
    (rewritten(cell__seed="0-1"), SCAN, "is the record of .*/main/reimpl/default/0-1/scan, and lies in another folder"),
    (rewritten(settings={}), SCAN, "has no settings of scan"),
    (rewritten(cell__arm="gone"), SCAN, "has no arm 'gone'"),
    (rewritten(cell=3), SCAN, "is no record"),
])
def test_what_does_not_fit_is_named_and_does_not_count(clone, monkeypatch, spoil, folder, says):
    monkeypatch.chdir(clone.folder)
    result = Result("s", "0", verify.RUNS / folder.replace("main", "studies/main").removeprefix("records/"))
    assert verify.problems(verify.Path(folder)) == [] and verify.located(result).kept
    spoil(clone)
    found = verify.problems(verify.Path(folder))
    assert any(re.search(says, message) for message in found), found
    assert all(message.startswith("records/digits/") and "\n" not in message for message in found)
    assert verify.located(result) == result


def test_the_command_leaves_out_what_does_not_fit_and_fails(clone):
    rewritten(metrics__acc=0.9999)(clone)
    shutil.rmtree(clone.folder / KMEANS)
    done = clone.run("studies", "records", check=False)
    assert done.returncode == 2 and "things wrong with records, which were left out" in done.stderr
    assert "4 of 6 kept records are right" in done.stdout and f"{KMEANS}/metrics.json: is missing" in done.stdout
    with open(clone.folder / "runs/digits/summary/main/cells.csv", newline="") as file:
        steps = {row["step"] for row in csv.DictReader(file)}
    assert "reimpl/default/selflabel" in steps and not {"reimpl/default/scan", "kmeans/pixels"} & steps


def test_make_report_reports_what_fits_and_names_the_rest(clone):
    rewritten(metrics__acc=0.9999)(clone)
    shutil.copy(ROOT / "Makefile", clone.folder)
    done = subprocess.run(["make", "--assume-old", ".venv/.installed", "report"], cwd=clone.folder, env=clone.environment(),
                          capture_output=True, text=True)
    assert done.returncode == 0 and "5 of 6 kept records are right" in done.stdout and "1 thing wrong with records" in done.stderr
    assert "5 records, all kept" in (clone.folder / "report/output/index.html").read_text()


def test_what_ran_here_wins(clone, away, monkeypatch):
    """And a stage that could not run here did not run."""
    monkeypatch.chdir(clone.folder)
    result = Result("s", "0", verify.RUNS / "digits/kmeans/pixels/0")
    result.folder.mkdir(parents=True)
    record = json.loads((away.folder / "runs/digits/kmeans/pixels/0/metrics.json").read_text())
    (result.folder / "metrics.json").write_text(json.dumps(record | {"settings": {}, "not_run": "no reason"}))
    assert verify.located(result).kept
    (result.folder / "metrics.json").write_text(json.dumps(record))
    assert verify.located(result) == result


def test_a_record_that_would_not_count_is_not_kept_and_replaces_none(project):
    file = project.folder / "runs/digits/studies/main/reimpl/default/0-0/scan/metrics.json"
    right = file.read_text()
    record = json.loads(right)
    record["metrics"]["acc"] = 0.9999
    file.write_text(json.dumps(record))
    done = project.run("studies", "keep", "main", check=False)
    assert done.returncode == 2 and "1 thing wrong with records, which were not kept" in done.stderr
    assert not (project.folder / SCAN).exists() and (project.folder / KMEANS / "metrics.json").exists()
    file.write_text(right)
    project.run("studies", "keep", "main")
    kept = project.bytes("records/digits/**/*.*")
    file.write_text(json.dumps(record))
    assert project.run("studies", "keep", "main", check=False).returncode == 2 and project.bytes("records/digits/**/*.*") == kept
    file.write_text(right)
    (file.parent / "predictions.npz").write_bytes(b"cut short")
    done = project.run("studies", "keep", "main", check=False)
    assert done.returncode == 2 and "predictions.npz cannot be read" in done.stdout
    assert project.bytes("records/digits/**/*.*") == kept


def test_where_images_were_read_from_is_neither_kept_nor_asked_for(away, clone, monkeypatch):
    for file in clone.folder.glob("records/digits/**/metrics.json"):
        assert not {"source", "root"} & json.loads(file.read_text())["settings"].get("dataset", {}).keys()
    monkeypatch.chdir(clone.folder)
    clone.edit("params/digits.yaml", lambda settings: settings["dataset"].update(source="folder", root="elsewhere"))
    assert verify.problems(verify.Path(SCAN)) == []


def test_many_clusters_take_two_bytes():
    probabilities = np.eye(300, dtype=np.float32)
    found = reduced(probabilities, probabilities)
    assert found["clusters"].dtype == np.uint16 and found["clusters"].tolist() == found["prototypes"].tolist() == list(range(300))
