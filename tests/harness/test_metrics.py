"""Scores against brute force over all matchings, against naive counts, and by hand."""

import itertools
import math

import numpy as np
import pytest

from harness.metrics import count, degeneracies, empty_clusters, hungarian_match, score


def best_accuracy(labels, predictions, classes, clusters):
    """Over every one-to-one matching of the smaller to the larger side."""
    best = 0
    for chosen in itertools.permutations(range(max(classes, clusters)), clusters):
        best = max(best, np.mean([chosen[p] == label for p, label in zip(predictions, labels)]))
    return best


def naive_nmi(labels, predictions):
    """Mutual information over the mean of the entropies, from joint frequencies."""
    def entropy(values):
        return -sum(p * math.log(p) for p in (np.mean(values == v) for v in np.unique(values)))

    mutual = 0.0
    for a, b in itertools.product(np.unique(labels), np.unique(predictions)):
        joint = np.mean((labels == a) & (predictions == b))
        if joint:
            mutual += joint * math.log(joint / (np.mean(labels == a) * np.mean(predictions == b)))
    return mutual / ((entropy(labels) + entropy(predictions)) / 2)


def naive_ari(labels, predictions):
    """Agreement over all pairs of images, corrected for chance."""
    pairs = list(itertools.combinations(range(len(labels)), 2))
    same_class = np.array([labels[i] == labels[j] for i, j in pairs])
    same_cluster = np.array([predictions[i] == predictions[j] for i, j in pairs])
    index, expected = (same_class & same_cluster).sum(), same_class.sum() * same_cluster.sum() / len(pairs)
    return (index - expected) / ((same_class.sum() + same_cluster.sum()) / 2 - expected)


@pytest.mark.parametrize("classes, clusters", [(2, 2), (3, 3), (4, 4), (3, 5), (5, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_naive_derivations(classes, clusters, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=60)
    predictions = np.where(rng.random(60) < 0.6, labels % clusters, rng.integers(clusters, size=60))
    scores = score(labels, predictions, classes, clusters)
    assert scores.acc == pytest.approx(best_accuracy(labels, predictions, classes, clusters))
    assert scores.nmi == pytest.approx(naive_nmi(labels, predictions))
    assert scores.ari == pytest.approx(naive_ari(labels, predictions))
    majority = {cluster: np.bincount(labels[predictions == cluster]).argmax() for cluster in np.unique(predictions)}
    assert scores.acc_many_to_one == pytest.approx(np.mean([majority[p] == label for p, label in zip(predictions, labels)]))


def test_by_hand():
    """Clusters 2, 0, 1 stand for classes 0, 1, 2, with one image astray."""
    labels, predictions = [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 0]
    scores = score(labels, predictions, 3, 3)
    assert scores.acc == scores.acc_many_to_one == scores.acc_reference == pytest.approx(5 / 6)
    assert scores.match.tolist() == [1, 2, 0]
    assert scores.confusion.tolist() == [[2, 0, 0], [0, 2, 0], [0, 1, 1]]


def test_clusters_without_a_class_count_as_wrong_and_stand_last():
    scores = score([0, 0, 0, 1, 1, 1], [3, 3, 1, 0, 0, 2], 2, 4)
    assert scores.acc == pytest.approx(4 / 6)
    assert scores.acc_many_to_one == 1  # every cluster is pure
    assert scores.match.tolist() == [1, -1, -1, 0]
    assert scores.confusion.tolist() == [[2, 0, 1, 0], [0, 2, 0, 1]]


def test_the_authors_accuracy_matches_the_first_clusters_alone_and_counts_the_others_as_class_0():
    """By hand. Of two classes and four clusters, 0 and 1 are matched; what is in 2 and 3 counts as class 0."""
    def authors(*arguments):
        return score(*arguments).acc_reference

    assert authors([0, 0, 0, 1, 1, 1], [3, 3, 1, 0, 0, 2], 2, 4) == pytest.approx(5 / 6)  # 1 + 2 matched, the two in 3
    assert authors([1, 1, 1, 0], [2, 2, 2, 3], 2, 4) == pytest.approx(1 / 4)  # the 0 in cluster 3, though ACC is 1
    assert authors([0, 1, 2, 2], [1, 0, 0, 0], 3, 2) == pytest.approx(3 / 4)  # of fewer clusters each has a class, as in ACC
    assert authors([1, 2], [0, 1], 3, 3) == pytest.approx(1 / 2)  # as many as there are labels: class 2 is not looked for


def test_one_cluster_for_all_is_scored_not_refused():
    scores = score([0, 1, 2, 0], [1, 1, 1, 1], 3, 3)
    assert scores.acc == pytest.approx(0.5) and scores.nmi == 0 and scores.ari == 0


@pytest.mark.parametrize("images", [1, 3])
def test_one_class_in_one_cluster_is_found_whole(images):
    scores = score([0] * images, [1] * images, 1, 2)
    assert scores.acc == scores.nmi == scores.ari == 1


def test_counts_are_of_classes_by_clusters():
    assert count(np.array([0, 1, 1]), np.array([2, 0, 0]), 2, 3).tolist() == [[0, 0, 1], [2, 0, 0]]
    assert hungarian_match(np.array([[0, 0, 1], [2, 0, 0]])).tolist() == [1, -1, 0]


def test_degenerate_results_are_put_into_words():
    assert empty_clusters(np.array([0, 0, 2]), 4) == ["2 of 4 clusters are empty"]
    assert empty_clusters(np.array([0, 1]), 2) == []
    assert degeneracies([1.0, float("nan")]) == ["the loss is not finite from epoch 2 on; training stopped there"]
    assert degeneracies([1.0]) == []
