"""The baselines: k-means on pixels, and on the embedding of the pretext task (slides, Comparison with SOTA)."""

import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from harness.errors import UserError
from harness.files import checked, read_npz, write_npz
from harness.metrics import empty_clusters, score
from harness.prepared import PreparedDataset, need_images
from harness.record import score_metrics
from harness.session import Session, derive_seed
from harness.sources import SPLITS


def pixels(folder):
    """uint8 [n, h, w, c] for train and test, as PreparedDataset.images has them."""
    return [*map(PreparedDataset(folder).images, SPLITS)]


def embeddings(folder):
    """float32 [n, dim] for train and test."""
    return read_npz(folder / "embeddings.npz", *SPLITS)


def numbers(features):
    """The features as float32 [n, dim]: pixels in 0..1; of embeddings, what is not finite counts as zero."""
    if features.dtype == np.uint8:
        return features.reshape(len(features), -1) / np.float32(255)
    return np.nan_to_num(features, posinf=0, neginf=0)


def finite(features):
    """What a network makes of images, float32 [n, dim], as NumPy; what is not finite counts as zero, and the loss tells of it."""
    return torch.nan_to_num(features, posinf=0, neginf=0).cpu().numpy()


def fitted(features, settings, seed, copy_x=True):
    """scikit-learn's k-means of float32 [n, dim].

    Args: settings: has `clusters` and `restarts`, as a settings.KMeans; copy_x: whether the features stay as they are.
    """
    with threadpool_limits(1), warnings.catch_warnings():  # more threads would add their sums in the order in which they end
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different images than clusters: empty ones are recorded
        return KMeans(settings.clusters, n_init=settings.restarts, random_state=seed, copy_x=copy_x).fit(features)


def centres(features, settings, generator):
    """The centres, float32 [clusters, dim], of what a network makes of images, float32 [n, dim]. Args: settings: as in fitted."""
    seed = torch.randint(2**31, (), generator=generator).item()
    return torch.from_numpy(fitted(finite(features), settings, seed).cluster_centers_)


def cluster(train, test, settings, seed, model=None):
    """int [n]: the cluster of each row of `test`, by the centres of `train`, both float32 [n, dim].

    `train` is written to, unless it is `test`: it is centered in place and then moved back, since there may be no memory for a
    copy, and loses its last bits.

    Args: settings: as in fitted.
    """
    return fitted(train, settings, seed, copy_x=train is test).predict(test)


FEATURES = {"pixels": (pixels, "uint8", 3), "embeddings": (embeddings, "float", 1)}
"""What is clustered: the function that reads it, its type, and how many axes there are of one image."""


def run(cell, settings, inputs, out):
    """Clusters the training images, assigns the test images to the nearest centre, and writes predictions.npz (`clusters`, uint16
    [n]) and metrics.json."""
    if cell.variant not in FEATURES:
        raise UserError(f"--on is '{cell.variant}', and should be one of {', '.join(FEATURES)}")
    dataset = PreparedDataset(inputs["data"])
    kmeans = settings["kmeans"]
    session = Session(cell, inputs, settings)
    session.device = torch.device("cpu")  # scikit-learn knows no other
    read, kind, axes = FEATURES[cell.variant]
    train, test = read(inputs["features"])
    checked(train, f"{inputs['features']}: train {cell.variant}", kind, (dataset.counts["train"], *(None,) * axes))
    checked(test, f"{inputs['features']}: test {cell.variant}", kind, (dataset.counts["test"], *train.shape[1:]))
    need_images("kmeans.clusters", kmeans.clusters, "train", len(train))
    seed = derive_seed(cell.stage, cell.seed) % 2**32
    some = slice(None)
    if 0 < kmeans.train_images < len(train):
        some = np.sort(np.random.default_rng(seed).choice(len(train), kmeans.train_images, replace=False))
    predictions = cluster(numbers(train[some]), numbers(test[:]), kmeans, seed)
    scores = score(dataset.labels("test"), predictions, len(dataset.classes), kmeans.clusters)
    write_npz(out / "predictions.npz", compressed=True, clusters=predictions.astype(np.uint16))
    session.record(out, score_metrics(scores), degenerate=empty_clusters(predictions, kmeans.clusters))
