"""The pieces of `make bench` on made-up records; that the whole of it runs is seen by running it."""

import subprocess
import sys
import time

import numpy as np
import pytest

from harness import ROOT
from harness.bench import __main__ as bench
from harness.bench import first_step, workspace
from harness.files import read_json, write_json, write_npy
from harness.pipeline.resolve import in_force
from harness.progress import Progress
from harness.record import Cell


def test_ratios_are_taken_within_a_round():
    """By hand: 20/10 and 60/20, whose mean is 2.5 and whose deviation is the root of 1/2."""
    found = bench.compared({"original_ref": [10.0, 20.0], "reimpl": [20.0, 60.0]})
    assert found["ratios"] == [2, 3] and found["ratio_mean"] == 2.5 and found["ratio_std"] == pytest.approx(0.5**0.5)
    assert bench.compared({"original_ref": [10.0], "reimpl": [20.0]})["ratio_std"] is None
    assert bench.compared({"original_ref": [], "reimpl": [20.0]})["ratio_mean"] is None


class Recorded:
    """A Workspace in which every stage has run already: 50 images a second, 4 GFLOP an image, and 400 GFLOP/s in a product."""

    def __init__(self, not_run=None):
        self.not_run, self.ran = not_run, []

    def stages(self, dataset, data=None):
        return {stage: [stage, "--out", f"out/{stage}"] for stage in ("pretext", "neighbors", "scan", "selflabel")}

    def repeat(self, source, target, count):
        self.count = count

    def run(self, module, arguments):
        self.ran.append(arguments[0])

    def record(self, implementation, arguments):
        rate = None if arguments[0] == "neighbors" else 50.0
        reason = self.not_run if implementation == "original_ref" else None
        return {"not_run": reason, "metrics": {"simclr": 4e9, "scan": 4e9, "selflabel": 3e9, "matmul": 4e11},
                "evidence": {"images_per_second": rate, "seconds": self.count / 10 if rate is None else 0.0,
                             "peak_memory_mib": 7}}

    def record_and_start(self, arguments):
        return self.record("reimpl", arguments), 1.5


def test_operations_a_second_are_those_an_image_times_the_images():
    recorded = Recorded()
    rows = list(bench.stage_costs(recorded, "digits"))
    assert [(row["stage"], row["operations_per_second"], row["share"]) for row in rows] == [
        ("SimCLR", 2e11, 0.5), ("SCAN", 2e11, 0.5), ("self-label", 1.5e11, 0.375)]
    assert all(row["seconds_to_first_step"] == 1.5 and row["peak_memory_mib"] == 7 for row in rows)
    assert recorded.ran == ["neighbors"]  # SCAN starts from its output


def test_growth_is_seconds_an_epoch_and_of_a_stage_without_epochs_all_of_them():
    rows = [(row["stage"], row["images"], row["seconds"]) for row in bench.growth(Recorded(), (100, 200))]
    assert rows == [("SimCLR", 100, 2.0), ("neighbors", 100, 10.0), ("SCAN", 100, 2.0), ("self-label", 100, 2.0),
                    ("SimCLR", 200, 4.0), ("neighbors", 200, 20.0), ("SCAN", 200, 4.0), ("self-label", 200, 4.0)]


def test_where_the_authors_code_is_not_to_be_had_the_rewrite_is_measured_alone():
    for row in bench.side_by_side(Recorded("it is not at hand"), "digits", 2):
        assert row["not_run"] == "it is not at hand" and row["ratio_mean"] is None
        assert row["images_per_second"] == {"original_ref": [], "reimpl": [50.0, 50.0]}


def test_what_the_stages_of_a_data_set_read_those_of_another_do_not_write():
    """Otherwise the authors' code is given the neighbors of other images, and stops."""
    of = {data: list(object.__new__(workspace.Workspace).stages("photos", data).values()) for data in ("photos", "grown")}
    written = {data: {arguments[-1] for arguments in stages} for data, stages in of.items()}
    assert not written["photos"] & written["grown"]
    for data, stages in of.items():
        read = {value for arguments in stages for value in arguments[:-1] if value.startswith("out/")}
        assert read and read < written[data]


def test_images_are_repeated_in_their_order(tmp_path):
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    for split in ("train", "test"):
        write_npy(tmp_path / "data/a" / f"{split}_images.npy", images)
        write_npy(tmp_path / "data/a" / f"{split}_labels.npy", np.arange(3))
    write_json(tmp_path / "data/a/dataset.json", {"images": {"train": 3, "test": 3}, "classes": ["x"]})
    empty = object.__new__(workspace.Workspace)
    empty.root = tmp_path
    empty.repeat("a", "b", 5)
    for name, expected in (("train_images", images[[0, 1, 2, 0, 1]]), ("train_labels", np.array([0, 1, 2, 0, 1])),
                           ("test_images", images)):
        assert np.array_equal(np.load(tmp_path / "data/b" / f"{name}.npy"), expected)
    assert read_json(tmp_path / "data/b/dataset.json") == {"images": {"train": 5, "test": 3}, "classes": ["x"]}


def test_the_first_step_is_noted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "step", Progress.step)  # put back afterwards
    file, loss, before = tmp_path / "first", np.float32(1), time.time()
    first_step.watch(file)
    progress = Progress("title", 1, 4, 0)
    progress.step(2, loss)
    noted = file.read_text()
    assert before <= float(noted) <= time.time() and progress.done == 2
    progress.step(2, loss)
    assert file.read_text() == noted and progress.done == 4


def test_bench_imports_nothing_that_a_gpu_machine_may_lack():
    code = ("import sys; import harness.bench.__main__, harness.bench.first_step, reimpl.operations; "
            "print({'dvc', 'wandb', 'faiss'} & set(sys.modules))")
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_operations_by_hand():
    """A 3x3 convolution of 2 to 4 channels on 5x5 with padding, and back to its weights: 2 * 5 * 5 * 4 * 2 * 9 each way."""
    import torch

    from reimpl.operations import count

    convolution = torch.nn.Conv2d(2, 4, 3, padding=1, bias=False)
    images = torch.ones(3, 2, 5, 5)
    assert count(lambda: convolution(images)) == 3 * 3600
    assert count(lambda: convolution(images).sum().backward()) == 2 * 3 * 3600
    assert count(lambda: images @ torch.ones(5, 6)) == 3 * 2 * 2 * 5 * 5 * 6


def test_the_workspace_has_settings_on_which_commands_run(tmp_path, monkeypatch):
    """Making it prepares both data sets, by the command line; the arm has settings in its study."""
    workspace.Workspace(tmp_path, on_gpu=False)
    monkeypatch.chdir(tmp_path)
    for stage in ("scan", "selflabel"):
        assert in_force(Cell("reimpl", stage, "photos", "0", "bench", "default"))[stage].augmentation == "strong"
    assert {name: read_json(tmp_path / "data" / name / "dataset.json")["shape"] for name in workspace.DATASETS} == {
        "digits": [12, 12, 1], "photos": [32, 32, 3]}
