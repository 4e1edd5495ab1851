"""The image that stands for each cluster. Stages show it to who watches them, so it is apart from what the report makes of it."""

import numpy as np

from harness.metrics import count, hungarian_match
from harness.prepared import read_predictions

CONFIDENT = 0.1  # share of a cluster's images, the most confident ones, whose mean is the cluster's


def shown_prototypes(dataset, predictions, chosen):
    """The prototypes of clusters that have one, by the class that each is matched to, as results/examples.py has them: images,
    labels, classes, clusters. Args: predictions int64 [n]; chosen int64 [clusters], as `prototypes` returns."""
    match = matched(dataset, predictions, len(chosen))
    order = np.lexsort((np.arange(len(chosen)), match))
    present = order[chosen[order] >= 0]
    rows = chosen[present]
    return dataset.images("test")[rows], labels_of(dataset, "test", rows), match[present], present


def captioned_prototypes(dataset, file):
    """[(uint8 [h, w, c], what it stands for)] of the predictions that a stage has written, for whoever watches it."""
    probabilities, features = read_predictions(file, dataset.counts["test"])
    shown = shown_prototypes(dataset, probabilities.argmax(1), prototypes(probabilities, features))
    names = [*dataset.classes, "none"]  # the last is -1
    return [(image, f"cluster {cluster}, matched to {names[matched_to]}; its own label: {names[label]}")
            for image, label, matched_to, cluster in zip(*shown)]


def labels_of(dataset, split, rows):
    """The labels at some rows, int64 alike; -1 where the split has none."""
    labels = dataset.labels(split)
    return np.full(rows.shape, -1) if labels is None else labels[rows]


def matched(dataset, predictions, clusters):
    """The class that each cluster of int64 [n] predictions is matched to, int64 [clusters]; -1 for those without one."""
    labels = dataset.labels("test")
    return np.full(clusters, -1) if labels is None else hungarian_match(
        count(labels, predictions, len(dataset.classes), clusters))


def prototypes(probabilities, features):
    """For each cluster, the image nearest to the mean feature of its most confident images (slides, Prototypical behavior).

    Args: probabilities float32 [n, clusters]; features float32 [n, dim], compared by angle.
    Returns: int64 [clusters], -1 for an empty cluster.
    """
    predictions, confidence = probabilities.argmax(1), probabilities.max(1)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    chosen = np.full(probabilities.shape[1], -1)
    for cluster in range(probabilities.shape[1]):
        members = np.flatnonzero(predictions == cluster)
        if len(members):
            surest = members[np.argsort(-confidence[members], kind="stable")[: max(1, round(CONFIDENT * len(members)))]]
            chosen[cluster] = members[np.argmax(unit[members] @ unit[surest].mean(0))]
    return chosen
