"""The clusters of a summary: those of runs and of kept records alike, beside the labels that there are."""

from pathlib import Path

import numpy as np
import pytest

from harness.files import write_npy, write_npz
from harness.pipeline.cells import Result
from harness.results.clusters import clusters, clusters_of, prototypes_of


def test_a_run_and_a_kept_record_say_the_same():
    probabilities = np.random.default_rng(0).random((50, 300)).astype(np.float32)
    found = clusters_of({"probabilities": probabilities, "features": np.zeros((50, 2))})
    assert found.dtype == np.uint16 and (found == probabilities.argmax(1)).all()  # more than 256 clusters
    assert clusters_of({"probabilities": probabilities[:, :10]}).dtype == np.uint8
    assert clusters_of({"clusters": found, "prototypes": np.zeros(3)}) is found


def test_prototypes_are_those_of_the_probabilities_or_the_kept_ones():
    kept = np.array([4, -1], np.int32)
    assert prototypes_of({"clusters": np.zeros(5, np.uint8), "prototypes": kept}) is kept
    assert prototypes_of({"clusters": np.zeros(5, np.uint8)}) is None
    found = prototypes_of({"probabilities": np.array([[0.9, 0.1], [0.8, 0.2]]), "features": np.array([[1.0, 0.0], [0.0, 1.0]])})
    assert found.tolist() == [0, -1]


@pytest.mark.parametrize("root", ("data", "records"))
def test_each_run_with_predictions_is_there_by_step_and_seed(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    results = [Result("reimpl/a/scan", "0-0", Path("runs/d/x")), Result("kmeans/pixels", "0", Path("runs/d/y")),
              Result("neighbors/simclr", "0", Path("runs/d/z"))]
    write_npz(results[0].folder / "predictions.npz", probabilities=np.eye(3), features=np.ones((3, 2)))
    write_npz(results[1].folder / "predictions.npz", clusters=np.array([1, 1, 0], np.uint16))
    assert clusters(results, "d") == {}  # without labels
    write_npy(Path(root) / "d/test_labels.npy", np.array([0, 1, 2]))
    found = clusters(results, "d")
    assert {key: array.tolist() for key, array in found.items()} == {
        "labels": [0, 1, 2], "reimpl/a/scan/0-0": [0, 1, 2], "prototypes/reimpl/a/scan/0-0": [0, 1, 2],
        "kmeans/pixels/0": [1, 1, 0]}
