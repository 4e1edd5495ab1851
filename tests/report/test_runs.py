"""Merged classes and collapsed runs, by hand and against random clusterings."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import confusion_matrix

from harness.metrics import score
from report.runs import accuracy, balance, collapsed, merged, merges, purity, right

APART = [[9, 1, 0], [0, 8, 2], [0, 0, 10]]
ONE_AND_TWO = [[10, 0, 0], [0, 9, 1], [0, 6, 4]]  # cluster 1 has most of both, cluster 2 a part of the last


def test_classes_are_merged_where_one_cluster_has_most_of_both():
    assert merged(APART) == () and merged(ONE_AND_TWO) == ((1, 2),)
    assert merged([[10, 0], [6, 4], [7, 3]]) == ((0, 1, 2),)
    assert merged([[10, 0, 0], [5, 5, 0], [0, 4, 6]]) == ()  # half is not more than half
    assert merged([[9, 0, 0, 1], [8, 2, 0, 0], [0, 0, 9, 1]]) == ((0, 1),)  # more clusters than classes


def test_a_sentence_counts_the_runs_and_names_the_classes():
    runs = [APART, ONE_AND_TWO, [[9, 0, 1], [0, 2, 8], [0, 1, 9]], [[10, 0, 0], [9, 1, 0], [0, 0, 10]]]
    assert merges(runs, ["cat", "dog", "frog"]) == "3 of 4 runs merge classes: dog and frog (2 runs), cat and dog (1 run)"
    assert merges([[[9], [9], [9]]], ["1", "3", "8"]) == "1 of 1 runs merges classes: 1, 3 and 8 (1 run)"
    assert merges([APART, APART], ["cat", "dog", "frog"]) == "" and merges([], []) == ""


def test_a_run_collapses_where_it_uses_few_clusters_or_is_at_chance():
    one_cluster = np.zeros((10, 10), int)
    one_cluster[:, 0] = 36
    assert collapsed(one_cluster) == "1 of 10 clusters are used"
    half = np.zeros((4, 4), int)
    half[:2, 0] = half[2:, 1] = 50
    assert collapsed(half) == ""  # two of four, and they tell the classes apart as far as two can
    assert collapsed(np.eye(10, dtype=int) * 36) == ""
    assert collapsed([[50, 0], [50, 0]]) == "accuracy is 50.0, and random clusters reach 50.0"  # one of two is no fewer than half
    random = confusion_matrix(np.repeat(np.arange(4), 500), np.random.default_rng(0).integers(4, size=2000))
    assert collapsed(random).startswith("accuracy is 2")


def test_the_balance_of_clusters_is_the_accuracy_that_their_sizes_allow():
    """Whatever is in them: by hand, and as the best match of clusters to classes where each pair shares all that it can."""
    assert balance(np.eye(4) * 9) == balance(np.eye(4)[::-1] * 9) == balance([[6, 4], [4, 6]]) == 1
    assert balance([[10, 0], [6, 4]]) == 0.7 and balance([[7, 0, 0], [0, 3, 0], [0, 0, 0]]) == 1  # 10 and 4 of the 20
    assert balance([[50, 0, 0], [30, 0, 0], [20, 0, 0]]) == 0.5
    rng = np.random.default_rng(0)
    for clusters in (2, 4, 7):
        counts = rng.integers(30, size=(4, clusters))
        shared = np.minimum.outer(counts.sum(1), counts.sum(0))
        assert balance(counts) == pytest.approx(shared[linear_sum_assignment(shared, maximize=True)].sum() / counts.sum())


def test_the_purity_of_prototypes_goes_by_the_class_that_each_cluster_is_matched_to():
    """Cluster 1 is matched to class 0, 0 to 1, and 2, with one image of either, to none; 3 is empty."""
    labels, clusters = np.array([0, 0, 0, 1, 1, 1, 0, 1]), np.array([1, 1, 0, 0, 0, 0, 2, 2], np.uint8)
    assert purity(labels, clusters, np.array([3, 0, -1, -1], np.int32)) == 1
    assert purity(labels, clusters, np.array([2, 0, -1, -1])) == 0.5
    assert purity(labels, clusters, np.array([3, 0, 6, -1])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("clusters", (3, 5))
def test_which_images_are_right_is_what_the_scores_count(clusters):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200)
    found = np.where(rng.random(200) < 0.6, labels, rng.integers(clusters, size=200)).astype(np.uint8)
    oracle = score(labels, found, 3, clusters)
    for figure in ("acc", "acc_many_to_one"):
        assert right(labels, found, figure).mean() == pytest.approx(getattr(oracle, figure))
    assert accuracy(oracle.confusion) == pytest.approx(oracle.acc)
