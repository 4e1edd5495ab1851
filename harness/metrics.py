"""Scores of a clustering against the labels: ACC, NMI, ARI, the confusion matrix, and what has gone wrong."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Scores:
    """Fractions of 1. `confusion` [classes, clusters]: images of each class in each cluster, the clusters in the
    order of the classes they are matched to, unmatched ones last. `match` [clusters]: each cluster's class, or -1.
    """

    acc: float
    acc_many_to_one: float
    """Each cluster counted for the class that most of its images have: rises with the number of clusters."""
    acc_reference: float
    """What the authors' code calls accuracy (reference_accuracy)."""
    nmi: float
    """Mutual information as a share of the mean of both entropies; 1 where there is one class and one cluster, as is ARI."""
    ari: float
    confusion: np.ndarray
    match: np.ndarray


def count(labels, predictions, classes, clusters):
    """Images of each class in each cluster, int64 [classes, clusters], from int64 [n] and int64 [n]."""
    flat = np.bincount(labels * clusters + predictions, minlength=classes * clusters)
    return flat.reshape(classes, clusters)


def hungarian_match(counts):
    """The one-to-one matching of clusters to classes that gets most images right.

    Args: counts int64 [classes, clusters]. Returns: int64 [clusters], each cluster's class, -1 where it has none
    (more clusters than classes). Source: H. W. Kuhn, 1955.
    """
    rows, columns = linear_sum_assignment(counts, maximize=True)
    match = np.full(counts.shape[1], -1)
    match[columns] = rows
    return match


def reference_accuracy(counts):
    """The share of images that the authors' evaluation calls right.

    It matches only clusters numbered below the number of classes that there are, and counts the images of all others as class 0.

    Args: counts int64 [classes, clusters]. Source: the authors' utils/evaluate_utils.py:134-143.

    >>> reference_accuracy(np.array([[0, 0, 1], [0, 2, 4]]))  # cluster 2 cannot be class 1
    0.42857142857142855
    """
    known = np.count_nonzero(counts.sum(1))
    matched = counts[:known, :known]
    right = matched[linear_sum_assignment(matched, maximize=True)].sum() + counts[0, known:].sum()
    return float(right / counts.sum())


def score(labels, predictions, classes, clusters):
    """Scores of int64 [n] predictions (clusters) against int64 [n] labels; None where `labels` is, for images without them.

    In `acc`, images in a cluster without a class count as wrong.
    """
    if labels is None:
        return None
    from sklearn import metrics  # here, since few processes that import this score anything

    labels, predictions = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    counts = count(labels, predictions, classes, clusters)
    match = hungarian_match(counts)
    matched = np.flatnonzero(match >= 0)
    order = np.concatenate([matched[np.argsort(match[matched])], np.flatnonzero(match < 0)])
    right = counts[match[matched], matched].sum()
    return Scores(
        acc=float(right / len(labels)),
        acc_many_to_one=float(counts.max(0).sum() / len(labels)),
        acc_reference=reference_accuracy(counts),
        nmi=metrics.normalized_mutual_info_score(labels, predictions),
        ari=metrics.adjusted_rand_score(labels, predictions),
        confusion=counts[:, order],
        match=match,
    )


def empty_clusters(predictions, clusters):
    """A sentence on clusters that int64 [n] predictions never name, in a list; an empty list where there are none."""
    empty = int((np.bincount(predictions, minlength=clusters) == 0).sum())
    return [f"{empty} of {clusters} clusters are empty"] if empty else []


def degeneracies(losses):
    """A sentence on the first loss (one an epoch) that is not finite, in a list."""
    bad = np.flatnonzero(~np.isfinite(losses))
    return [f"the loss is not finite from epoch {bad[0] + 1} on; training stopped there"] if len(bad) else []
