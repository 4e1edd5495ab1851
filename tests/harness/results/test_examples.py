"""Images worth looking at, of data sets with few."""

import numpy as np

from harness.files import write_json, write_npy, write_npz
from harness.pipeline.cells import Result
from harness.prepared import PreparedDataset
from harness.results.examples import gallery


def test_of_fewer_training_images_than_are_shown_each_is_a_query_once(tmp_path):
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    write_npy(tmp_path / "data/train_images.npy", images)
    write_npy(tmp_path / "data/train_labels.npy", np.array([0, 1, 1]))
    write_json(tmp_path / "data/dataset.json", {"classes": ["x", "y"], "images": {"train": 3, "test": 3}, "shape": [2, 2, 1]})
    mined = np.array([[0, 1], [1, 2], [2, 1]])
    write_npz(tmp_path / "mined/neighbors.npz", train=mined, test=mined)
    write_json(tmp_path / "mined/metrics.json", {"settings": {"dataset": {}}})
    found = gallery(PreparedDataset(tmp_path / "data"), [Result("neighbors/simclr", "0", tmp_path / "mined")])
    labels = {tuple(row) for row in found["neighbors/simclr/labels"].tolist()}
    assert found["neighbors/simclr/images"].shape == (3, 2, 2, 2, 1) and labels == {(0, 1), (1, 1)}
    assert sorted(found["neighbors/simclr/images"][:, 0, 0, 0, 0].tolist()) == [0, 4, 8]
