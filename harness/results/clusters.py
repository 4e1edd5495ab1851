"""The cluster of each test image in each run, by which the report compares two runs image by image, and clusters' prototypes."""

from pathlib import Path

import numpy as np

from harness.files import read_npy, read_npz
from harness.prototypes import prototypes
from harness.results.verify import LABELS, PREDICTIONS, RECORDS


def clusters(found, dataset):
    """Arrays for the report: `labels` int64 [n]; of each Result with predictions `<step>/<seed>` uint8 or uint16 [n], and where
    it says how sure it is of them, `prototypes/<step>/<seed>` int32 [clusters]. Empty where the test images have no labels."""
    files = [folder / dataset / LABELS for folder in (Path("data"), RECORDS)]
    labels = next((read_npy(file) for file in files if file.exists()), None)
    if labels is None:
        return {}
    arrays = {"labels": labels}
    for result in found:
        if (result.folder / PREDICTIONS).exists():
            predictions, name = read_npz(result.folder / PREDICTIONS), f"{result.step}/{result.seed}"
            arrays[name] = clusters_of(predictions)
            if (chosen := prototypes_of(predictions)) is not None:
                arrays[f"prototypes/{name}"] = chosen
    return arrays


def clusters_of(predictions):
    """The cluster of each image, of a run's predictions.npz or of a kept one, which has it without the probabilities."""
    if "clusters" in predictions:
        return predictions["clusters"]
    probabilities = predictions["probabilities"]
    return probabilities.argmax(1).astype(np.uint8 if probabilities.shape[1] <= 256 else np.uint16)


def prototypes_of(predictions):
    """The prototype of each cluster, -1 for an empty one, likewise; None of a run that is not sure of them, such as k-means."""
    if "probabilities" in predictions:
        return prototypes(predictions["probabilities"], predictions["features"]).astype(np.int32)
    return predictions.get("prototypes")
