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
    """uint8 [n, h * w * c] for train and test, memory-mapped."""
    return [part.reshape(len(part), -1) for part in map(PreparedDataset(folder).images, SPLITS)]


def embeddings(folder):
    """float32 [n, dim] for train and test."""
    return read_npz(folder / "embeddings.npz", *SPLITS)


def numbers(features):
    """The features as float32: pixels in 0..1; of embeddings, what is not finite counts as zero."""
    return features / np.float32(255) if features.dtype == np.uint8 else np.nan_to_num(features, posinf=0, neginf=0)


def cluster(train, test, settings, seed, model=None):
    """int [n]: the cluster of each row of `test`, by the centres of `train`, both float32 [n, dim].

    Args: settings: has `clusters` and `restarts`, as a settings.KMeans.
    """
    with threadpool_limits(1), warnings.catch_warnings():  # more threads would add their sums in the order in which they end
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different images than clusters: empty ones are recorded
        return KMeans(settings.clusters, n_init=settings.restarts, random_state=seed).fit(train).predict(test)


FEATURES = {"pixels": (pixels, "uint8"), "embeddings": (embeddings, "float")}
"""What is clustered: the function that reads it, and its type."""


def run(cell, settings, inputs, out):
    """Clusters the training images, assigns the test images to the nearest centre, and writes predictions.npz (`clusters`, uint16
    [n]) and metrics.json."""
    if cell.variant not in FEATURES:
        raise UserError(f"--on is '{cell.variant}', and should be one of {', '.join(FEATURES)}")
    dataset = PreparedDataset(inputs["data"])
    kmeans = settings["kmeans"]
    session = Session(cell, inputs, settings)
    session.device = torch.device("cpu")  # scikit-learn knows no other
    read, kind = FEATURES[cell.variant]
    train, test = read(inputs["features"])
    checked(train, f"{inputs['features']}: train {cell.variant}", kind, (dataset.counts["train"], None))
    checked(test, f"{inputs['features']}: test {cell.variant}", kind, (dataset.counts["test"], train.shape[1]))
    need_images("kmeans.clusters", kmeans.clusters, "train", len(train))
    seed = derive_seed(cell.stage, cell.seed) % 2**32
    if 0 < kmeans.train_images < len(train):
        train = train[np.sort(np.random.default_rng(seed).choice(len(train), kmeans.train_images, replace=False))]
    predictions = cluster(numbers(train), numbers(test), kmeans, seed)
    scores = score(dataset.labels("test"), predictions, len(dataset.classes), kmeans.clusters)
    write_npz(out / "predictions.npz", compressed=True, clusters=predictions.astype(np.uint16))
    session.record(out, score_metrics(scores), degenerate=empty_clusters(predictions, kmeans.clusters))
