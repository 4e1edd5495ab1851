"""Spectral clustering of the pixels by a graph of nearest neighbors (SC in the paper's tables; von Luxburg 2007, section 4).

It places the training images alone. A test image gets the cluster that most of its nearest training images have.
"""

import warnings
from dataclasses import dataclass

from sklearn.cluster import SpectralClustering
from sklearn.neighbors import KNeighborsClassifier

from harness import settings


@dataclass(frozen=True, slots=True)
class Settings(settings.Baseline):
    neighbors: int
    """Of the graph that is cut, and of a test image."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(self.neighbors >= 1, "neighbors", self.neighbors, "at least 1")


def cluster(train, test, settings, seed, model=None):
    found = SpectralClustering(settings.clusters, affinity="nearest_neighbors", n_neighbors=settings.neighbors, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")  # whose parts are clusters, then
        found.fit(train)
    return KNeighborsClassifier(settings.neighbors).fit(train, found.labels_).predict(test)
