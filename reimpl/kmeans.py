"""The baselines: k-means on pixels, and on the embedding of the pretext task (slides, Comparison with SOTA)."""

import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from harness.datasets import SPLITS, PreparedDataset, need_images
from harness.errors import UserError
from harness.files import checked, read_npz, write_npz
from harness.metrics import empty_clusters, score
from harness.record import score_metrics
from harness.session import Session, derive_seed


def pixels(folder):
    """float32 [n, h * w * c] in 0..1, for train and test."""
    images = [PreparedDataset(folder).images(split) for split in SPLITS]
    return [part.reshape(len(part), -1) / np.float32(255) for part in images]


def embeddings(folder):
    """float32 [n, dim] for train and test; what is not finite counts as zero."""
    return [np.nan_to_num(part, posinf=0, neginf=0) for part in read_npz(folder / "embeddings.npz", *SPLITS)]


def cluster(train, test, settings, seed):
    """int [n]: the cluster of each row of `test`, by the centres of `train`, both float32 [n, dim].

    Args: settings: has `clusters` and `restarts`, as a settings.KMeans.
    """
    with threadpool_limits(1), warnings.catch_warnings():  # more threads would add their sums in the order in which they end
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different images than clusters: empty ones are recorded
        return KMeans(settings.clusters, n_init=settings.restarts, random_state=seed).fit(train).predict(test)


FEATURES = {"pixels": pixels, "embeddings": embeddings}


def run(cell, settings, inputs, out):
    """Clusters the training images, assigns the test images to the nearest centre, and writes predictions.npz (`clusters`, uint16
    [n]) and metrics.json."""
    if cell.variant not in FEATURES:
        raise UserError(f"--on is '{cell.variant}', and should be one of {', '.join(FEATURES)}")
    dataset = PreparedDataset(inputs["data"])
    kmeans = settings["kmeans"]
    session = Session(cell, inputs, settings)
    session.device = torch.device("cpu")  # scikit-learn knows no other
    train, test = FEATURES[cell.variant](inputs["features"])
    checked(train, f"{inputs['features']}: train {cell.variant}", "float", (dataset.counts["train"], None))
    checked(test, f"{inputs['features']}: test {cell.variant}", "float", (dataset.counts["test"], train.shape[1]))
    need_images("kmeans.clusters", kmeans.clusters, "train", len(train))
    predictions = cluster(train, test, kmeans, derive_seed(cell.stage, cell.seed) % 2**32)
    scores = score(dataset.labels("test"), predictions, len(dataset.classes), kmeans.clusters)
    write_npz(out / "predictions.npz", compressed=True, clusters=predictions.astype(np.uint16))
    session.record(out, score_metrics(scores), degenerate=empty_clusters(predictions, kmeans.clusters))
