"""Prototypes by hand."""

import numpy as np

from harness.prototypes import prototypes


def test_a_prototype_is_nearest_to_the_mean_of_the_most_confident_of_its_cluster():
    """Cluster 0: the surest image (row 2) points along x, and row 2 itself is nearest; cluster 1 is empty; cluster 2 has one."""
    probabilities = np.array([[0.6, 0.1, 0.3], [0.7, 0.1, 0.2], [0.9, 0.05, 0.05], [0.2, 0.1, 0.7]])
    features = np.array([[0.0, 5.0], [1.0, 1.0], [2.0, 0.0], [9.0, 9.0]])
    assert prototypes(probabilities, features).tolist() == [2, -1, 3]


def test_length_does_not_count_and_the_mean_is_over_a_tenth():
    """Of 20 images the two surest point up and right: the prototype lies between them, however long the others are."""
    angles = np.linspace(0, np.pi / 2, 20)
    features = np.stack([np.cos(angles), np.sin(angles)], 1) * np.arange(1, 21)[:, None]
    confidence = np.full(20, 0.6)
    confidence[[0, 19]] = 0.9
    chosen = prototypes(np.stack([confidence, 1 - confidence], 1), features)
    assert chosen[0] in (9, 10) and chosen[1] == -1
