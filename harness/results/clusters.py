"""The cluster of each test image in each run, by which the report compares two runs image by image."""

from pathlib import Path

import numpy as np

from harness.files import read_npy, read_npz
from harness.results.verify import LABELS, PREDICTIONS, RECORDS


def clusters(found, dataset):
    """Arrays for the report: `labels` int64 [n], and `<step>/<seed>` uint8 or uint16 [n] of each Result with predictions. Empty
    where the test images have no labels."""
    files = [folder / dataset / LABELS for folder in (Path("data"), RECORDS)]
    labels = next((read_npy(file) for file in files if file.exists()), None)
    if labels is None:
        return {}
    return {"labels": labels} | {f"{result.step}/{result.seed}": clusters_of(read_npz(result.folder / PREDICTIONS))
                                 for result in found if (result.folder / PREDICTIONS).exists()}


def clusters_of(predictions):
    """The cluster of each image, of a run's predictions.npz or of a kept one, which has it without the probabilities."""
    if "clusters" in predictions:
        return predictions["clusters"]
    probabilities = predictions["probabilities"]
    return probabilities.argmax(1).astype(np.uint8 if probabilities.shape[1] <= 256 else np.uint16)
