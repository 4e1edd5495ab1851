"""What single runs came to, from their confusion matrices: classes merged in one cluster, uneven clusters, and collapses.

A confusion matrix is int [classes, clusters], the images of each class in each cluster.
"""

import numpy as np
from scipy import stats

from harness.metrics import count, hungarian_match

DEALS = 99
"""Random clusterings that a run is held against. One that finds nothing is above them all with a chance of 1 in 100."""


def merged(confusion):
    """The groups of classes that share a cluster, which holds more than half of the images of each: a tuple of tuples of classes.
    With as many clusters as classes, another cluster is then empty, or holds a part of a class."""
    counts = np.asarray(confusion)
    home = np.where(2 * counts.max(1) > counts.sum(1), counts.argmax(1), -1)
    groups = (np.flatnonzero(home == cluster).tolist() for cluster in range(counts.shape[1]))
    return tuple(tuple(group) for group in groups if len(group) > 1)


def merges(confusions, classes):
    """A sentence on the runs that merge classes, with which: "3 of 10 runs merge classes: 1 and 8 (2 runs), 3 and 9 (1 run)".
    Empty where none does.

    Args: confusions: one a run; classes: their names.
    """
    found = [merged(confusion) for confusion in confusions]
    runs = sum(map(bool, found))
    groups = [listed([classes[index] for index in group]) for groups in found for group in groups]
    often = sorted(set(groups), key=lambda group: (-groups.count(group), group))
    each = ", ".join(f"{group} ({groups.count(group)} run{'s' * (groups.count(group) > 1)})" for group in often)
    return f"{runs} of {len(found)} runs merge{'s' * (len(found) == 1)} classes: {each}" if runs else ""


def listed(names):
    """Two names or more in a sentence: "1, 3 and 8"."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def collapsed(confusion):
    """Why a run counts as collapsed, in words; empty where it does not.

    It does where it uses fewer than half of its clusters, or where its accuracy is at chance. Chance is not the share of the
    largest class alone, which one cluster reaches: the matching finds some more in clusters that know nothing. So it is the most
    that 99 random clusterings reach, which have clusters of the same sizes (random tables with the same sums; Patefield 1981).
    """
    counts = np.asarray(confusion)
    used = int((counts.sum(0) > 0).sum())
    if 2 * used < counts.shape[1]:
        return f"{used} of {counts.shape[1]} clusters are used"
    deals = stats.random_table(counts.sum(1), counts.sum(0)).rvs(DEALS, method="patefield", random_state=0)
    reached, chance = accuracy(counts), max(map(accuracy, deals))
    return f"accuracy is {100 * reached:.1f}, and random clusters reach {100 * chance:.1f}" if reached <= chance else ""


def accuracy(counts):
    """The share of images that the best one-to-one match of clusters to classes gets right."""
    match = hungarian_match(counts)
    clusters = np.flatnonzero(match >= 0)
    return counts[match[clusters], clusters].sum() / counts.sum()


def balance(confusion):
    """The most accuracy that clusters of these sizes allow, as a share: 1 where they are as large as the classes, and where one
    cluster has everything the share of the largest class. The largest cluster stands for the largest class, and so on."""
    counts = np.asarray(confusion)
    sizes = [np.sort(counts.sum(axis))[::-1] for axis in (0, 1)]
    return sum(map(min, *sizes)) / counts.sum()


def purity(labels, clusters, prototypes):
    """The share of prototypes whose label is the class that their cluster is matched to, of int [images] labels and clusters, and
    int [clusters] the prototype of each, -1 for an empty cluster, which has none to count."""
    labels, prototypes = np.asarray(labels, np.int64), np.asarray(prototypes, np.int64)
    match = hungarian_match(count(labels, np.asarray(clusters, np.int64), labels.max() + 1, len(prototypes)))
    present = prototypes >= 0
    return float((labels[prototypes[present]] == match[present]).mean())


def right(labels, clusters, figure):
    """bool [images]: which images a figure (acc, acc_many_to_one) counts as right, from int [images] labels and clusters."""
    labels, clusters = np.asarray(labels, np.int64), np.asarray(clusters, np.int64)
    counts = count(labels, clusters, labels.max() + 1, clusters.max() + 1)
    classes = counts.argmax(0) if figure == "acc_many_to_one" else hungarian_match(counts)
    return classes[clusters] == labels
