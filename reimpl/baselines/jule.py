"""JULE (Yang, Parikh and Batra 2016): clusters are merged two at a time, the network learns to tell them apart, and so on in
turns.

A graph joins each image with its nearest ones. The two clusters merge that have most affinity: how well one can walk from the
one to the other and back (Zhang et al. 2012, graph degree linkage). The first clusters are chains of nearest neighbors by
pixels. Between the merges the network learns by triplets: an image should be nearer to one of its own cluster than to one of
another. What is scored are the clusters that training ends with, by the last features merged down to `clusters`; a test image
goes with most of its nearest training images.

It follows the authors' code (jwyang/JULE.torch), but that affinities are exact after each merge, all triplets of a batch
count, and a pair of clusters need not stand out from the next nearest. It holds two matrices of all images by all clusters, a
quarter as many as images at first: for 50,000 images 5 GB.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import nn

from harness import settings
from reimpl.kmeans import finite
from reimpl.predict import embed_all
from reimpl.train.task import Task as BaseTask


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    neighbors: int
    """Of the graph, and of a test image, K_s [20]."""
    every: int
    """Epochs from one round of merges to the next [20]."""
    unrolled: float
    """Share of the clusters that a round of merges does away with, eta [0.2 or 0.9]."""
    margin: float
    """By how much a squared distance should be less than another [0.2]."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(self.neighbors >= 1, "neighbors", self.neighbors, "at least 1")
        settings.need(self.every >= 1, "every", self.every, "at least 1")
        settings.need(0 < self.unrolled < 1, "unrolled", self.unrolled, "between 0 and 1")
        settings.need(self.margin > 0, "margin", self.margin, "above 0")


def graph(features, neighbors):
    """float32 [n, n]: how near each image's nearest ones are to it, 0 for all others; and int [n], which is nearest."""
    distance, index = NearestNeighbors(n_neighbors=min(neighbors, len(features) - 1)).fit(features).kneighbors()
    square = distance**2
    found = np.zeros((len(features), len(features)), np.float32)
    np.put_along_axis(found, index, np.exp(-square / max(square.mean(), 1e-12)).astype(np.float32), axis=1)
    return found, index[:, 0]


def chains(nearest):
    """The first clusters, int [n]: images that lead to one another by `nearest`, int [n], each image's nearest."""
    labels, count = np.full(len(nearest), -1), 0
    for image in range(len(nearest)):
        path = []
        while labels[image] == -1:
            labels[image] = -2
            path.append(image)
            image = nearest[image]
        if labels[image] == -2:  # the path ends in itself
            labels[image], count = count, count + 1
        labels[path] = labels[image]
    return labels


def merge(joined, labels, clusters):
    """int [n]: the labels after merges down to so many clusters.

    The affinity of two clusters is the sum of 1' W_ab W_ba 1 / |a|^2 both ways, where W_ab joins images of a with those of b. Of
    an image j in b, `into` and `out` have how much joins a with j and j with a; their products make that sum.

    Args: joined: as `graph` has it; labels: int [n], from 0 on without gaps.
    """
    members = np.eye(labels.max() + 1, dtype=np.float32)[labels].T
    into, out, size = members @ joined, members @ joined.T, members.sum(1)
    walks = (into * out) @ members.T
    labels, alive = labels.copy(), np.ones(len(size), bool)
    both = walks / size[:, None] ** 2
    both += both.T
    np.fill_diagonal(both, -1)
    for _ in range(len(size) - clusters):
        one, other = divmod(int(both.argmax()), len(size))
        for whole in (members, into, out, size):
            whole[one] += whole[other]
        labels[labels == other], alive[other] = one, False
        walks[:, one] += walks[:, other]
        walks[one] = members @ (into[one] * out[one])
        both[one] = both[:, one] = np.where(alive, walks[one] / size[one] ** 2 + walks[:, one] / size**2, -1)
        both[other] = both[:, other] = both[one, one] = -1
    return np.unique(labels, return_inverse=True)[1]


def cluster(train, test, settings, seed, model):
    train, test = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (train, test))
    labels = merge(graph(train, settings.neighbors)[0], model.labels.cpu().numpy(), settings.clusters)
    return KNeighborsClassifier(settings.neighbors).fit(train, labels).predict(test)


def triplet_loss(features, labels, margin):
    """The mean over all triplets of a batch, 0 where there is none. Args: unit vectors float32 [b, dim]; labels: int64 [b]."""
    square = 2 - 2 * features @ features.T
    same = labels.unsqueeze(1) == labels
    pairs = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    counts = (pairs.unsqueeze(2) & ~same.unsqueeze(1)).to(features.dtype)
    each = F.relu(square.unsqueeze(2) - square.unsqueeze(1) + margin)
    return (counts * each).sum() / counts.sum().clamp(min=1)


class Jule(nn.Module):
    """Images float32 [n, c, h, w] -> unit vectors float32 [n, dim]; with the cluster of each of so many training images."""

    def __init__(self, backbone, images):
        super().__init__()
        self.backbone = backbone
        self.register_buffer("labels", torch.zeros(images, dtype=torch.int64))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def forward(self, images):
        return F.normalize(self.backbone(images), dim=1)


class Task(BaseTask):
    VIEWS = ("augmentation",)

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)
        self.images = shape[0]

    def network(self, backbone):
        return Jule(backbone, self.images)

    @torch.no_grad()
    def before_epoch(self, model, images, generator):
        s, epoch = self.settings, model.epoch.item()
        if epoch == 0:
            labels = chains(graph(images[:].flatten(1).cpu().numpy() / np.float32(255), s.neighbors)[1])
            model.labels.copy_(torch.from_numpy(labels))
        elif epoch % s.every == 0:
            labels = model.labels.cpu().numpy()
            features = finite(embed_all(self, model, images, self.views[0].normalize))
            left = max(s.clusters, math.ceil((1 - s.unrolled) * (labels.max() + 1)))
            model.labels.copy_(torch.from_numpy(merge(graph(features, s.neighbors)[0], labels, left)))
        model.epoch.add_(1)

    def loss(self, model, batch, progress):
        (images,) = batch.views
        return {"loss": triplet_loss(model(images), model.labels[batch.indices], self.settings.margin)}

    def embed(self, model, images):
        return model(images)
