"""DeepCluster (Caron et al. 2018): k-means on a network's features gives labels, the network learns them, and so on in turns.

Before they are clustered, features are whitened and brought to unit length. The last layer begins anew with each clustering,
but not the optimizer's memory of it. Each cluster counts the same however many images it has: the loss is weighted by its
size, which the paper holds equivalent to drawing images evenly over the clusters. A cluster that becomes empty is refilled by
scikit-learn's k-means, with the image that is furthest from its centre. What is scored is k-means on the last features.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from torch import nn

from harness import settings
from reimpl import kmeans
from reimpl.predict import embed_all
from reimpl.train.task import Task as BaseTask

COMPONENTS = 256  # at most, of the whitened features [as in the authors' code]


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    restarts: int
    """Of the k-means that is scored; those between epochs have one start."""
    overclustering: int
    """How many times as many labels as clusters the network learns."""
    every: int
    """Epochs from one clustering to the next [1]."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(self.restarts >= 1, "restarts", self.restarts, "at least 1")
        settings.need(self.overclustering >= 1, "overclustering", self.overclustering, "at least 1")
        settings.need(self.every >= 1, "every", self.every, "at least 1")


def unit(train, *others):
    """Features float32 [n, dim], whitened by the first of them and then of unit length, as a list."""
    parts = [part.astype(np.float64) for part in (train, *others)]  # in float32, what spreads least is lost
    with np.errstate(invalid="ignore"):  # of features that are all alike, shares of no variance
        whiten = PCA(min(COMPONENTS, *train.shape), whiten=True, svd_solver="covariance_eigh").fit(parts[0])
    return [normalize(whiten.transform(part)).astype(np.float32) for part in parts]


def cluster(train, test, settings, seed, model=None):
    return kmeans.cluster(*unit(train, test), settings, seed)


class DeepCluster(nn.Module):
    """Backbone and last layer, with the label of each of n images and how much an image of each label counts."""

    def __init__(self, backbone, images, labels):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(backbone.dim, labels)
        self.register_buffer("labels", torch.zeros(images, dtype=torch.int64))
        self.register_buffer("counts", torch.ones(labels))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))


class Task(BaseTask):
    VIEWS = ("augmentation",)

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)
        self.images, self.sought = shape[0], settings.clusters * settings.overclustering

    def network(self, backbone):
        return DeepCluster(backbone, self.images, self.sought)

    @torch.no_grad()
    def before_epoch(self, model, images, generator):
        if model.epoch.item() % self.settings.every == 0:
            (features,) = unit(kmeans.finite(embed_all(self, model, images, self.views[0].normalize)))
            seed = torch.randint(2**31, (), generator=generator).item()
            wanted = replace(self.settings, clusters=self.sought, restarts=1)
            labels = torch.from_numpy(kmeans.cluster(features, features, wanted, seed)).to(torch.int64)
            model.labels.copy_(labels)
            model.counts.copy_(len(labels) / labels.bincount(minlength=self.sought).clamp(min=1) / self.sought)
            model.head.weight.copy_(0.01 * torch.randn(model.head.weight.shape, generator=generator))
            model.head.bias.zero_()
        model.epoch.add_(1)

    def loss(self, model, batch, progress):
        (images,) = batch.views
        labels = model.labels[batch.indices]
        each = F.cross_entropy(model.head(model.backbone(images)), labels, reduction="none")
        return {"loss": (model.counts[labels] * each).mean()}

    def embed(self, model, images):
        return model.backbone(images)
