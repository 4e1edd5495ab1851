"""Spectral clustering against the eigenvectors of the graph's Laplacian, by NumPy, on real digits."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from reimpl.baselines.spectral import Settings, cluster

FOUND = load_digits(n_class=4)
IMAGES = (FOUND.images / 16).astype(np.float32).reshape(len(FOUND.images), -1)[:300]


def by_eigenvectors(images, clusters, neighbors):
    """k-means on the first eigenvectors of D^-1 W, where W joins an image with its nearest ones, itself among them."""
    distance = np.square(images[:, None] - images[None]).sum(2)
    near = np.zeros_like(distance)
    np.put_along_axis(near, distance.argsort(1, kind="stable")[:, :neighbors], 1.0, axis=1)
    joined = (near + near.T) / 2
    root = np.sqrt(joined.sum(1))
    _, vectors = np.linalg.eigh(joined / root[:, None] / root)
    return KMeans(clusters, n_init=20, random_state=0).fit_predict(vectors[:, -clusters:] / root[:, None])


def test_clusters_are_those_of_the_laplacian_and_of_k_means_they_are_not():
    """Of the training images themselves, each goes with most of its nearest; the few at borders may be outvoted, hence 0.97."""
    found = cluster(IMAGES, IMAGES, Settings(clusters=4, neighbors=5), 0)
    nearest = adjusted_rand_score(by_eigenvectors(IMAGES, 4, 5), found)
    assert nearest > 0.97 > adjusted_rand_score(KMeans(4, n_init=20, random_state=0).fit_predict(IMAGES), found)


def test_a_test_image_goes_with_most_of_its_nearest_training_images():
    """By hand, on a line: two groups, and of the three nearest to 3.4 two are in the right one, though not the nearest."""
    train = np.array([[0.0], [1.0], [2.0], [5.0], [5.5], [7.0]], np.float32)
    low, high, between = cluster(train, np.array([[0.2], [6.0], [3.4]], np.float32), Settings(clusters=2, neighbors=3), 0)
    assert low != high and between == high
