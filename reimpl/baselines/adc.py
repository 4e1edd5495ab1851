"""Associative deep clustering (ADC; Haeusser et al. 2018): a walk from a centroid to an image and back should end where it
began.

Steps go by the softmax of inner products. Walks from augmented images, which should return to the other augmentations of the
image, come first and alone; then k-means on the embedding gives the first centroids, as an option of the authors' code has it.
A last layer learns which centroid is which, and so predicts. The paper is not in the sources at hand: terms and the weights in
brackets are the authors' code, without those terms whose weight it has at 0 (transformation) or next to it (norms).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.kmeans import centres
from reimpl.predict import embed_all
from reimpl.train.task import Task as BaseTask

LEAST = 1e-8  # added to a probability whose logarithm is taken [the same]


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    first_augmentation: str
    """Of the images that are walked to; `augmentation` is of those that walks begin at."""
    dim: int
    """Length of the embedding [128]."""
    warm_up_epochs: int
    """Epochs, of those of the training, without centroids."""
    restarts: int
    """Of k-means."""
    visit_weight: float
    """Of all images being visited alike from the centroids [0.5]."""
    layer_weight: float
    """Of the last layer's cross-entropy [0.5]."""
    images_weight: float
    """Of the walks from images, once there are centroids [0.2]."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(1 <= self.warm_up_epochs < self.training.epochs, "warm_up_epochs", self.warm_up_epochs,
                      f"from 1 to below {self.training.epochs}, the number of epochs")
        settings.need(self.restarts >= 1, "restarts", self.restarts, "at least 1")
        for key in ("visit_weight", "layer_weight", "images_weight"):
            settings.need(getattr(self, key) >= 0, key, getattr(self, key), "0 or more")


def association(begun, passed, visit_weight=1.0):
    """The cross-entropy of walks that begin at each of float32 [a, dim], pass one of float32 [b, dim], and should end where they
    began; and of how often each is passed, which should be the same for all."""
    nearness = begun @ passed.T
    there, back = nearness.softmax(1), nearness.T.softmax(1)
    returns = -(torch.diagonal(there @ back) + LEAST).log().mean()
    return returns - visit_weight * (there.mean(0) + LEAST).log().mean()


class Adc(nn.Module):
    """Images float32 [n, c, h, w] -> embedding float32 [n, dim]; with centroids, and a layer from embeddings to clusters."""

    def __init__(self, backbone, dim, clusters):
        super().__init__()
        self.backbone, self.embedding = backbone, nn.Linear(backbone.dim, dim)
        self.centroids, self.layer = nn.Parameter(torch.zeros(clusters, dim)), nn.Linear(dim, clusters)
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("clustering", torch.zeros((), dtype=torch.bool))

    def forward(self, images):
        return self.embedding(self.backbone(images))


class Task(BaseTask):
    VIEWS = ("first_augmentation", "augmentation")

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)

    def network(self, backbone):
        return Adc(backbone, self.settings.dim, self.settings.clusters)

    @torch.no_grad()
    def before_epoch(self, model, images, generator):
        if model.epoch.item() == self.settings.warm_up_epochs:
            embedded = embed_all(self, model, images, self.views[0].normalize)
            model.centroids.copy_(centres(embedded, self.settings, generator))
            model.clustering.fill_(True)
        model.epoch.add_(1)

    def loss(self, model, batch, progress):
        s = self.settings
        passed, begun = map(model, batch.views)
        images = association(begun, passed)
        centroids = association(model.centroids, passed, s.visit_weight)
        clusters = torch.arange(s.clusters, device=passed.device)
        layer = F.cross_entropy(model.layer(model.centroids), clusters)
        whole = centroids + s.layer_weight * layer + s.images_weight * images
        return {"loss": torch.where(model.clustering, whole, images)}

    def embed(self, model, images):
        return model(images)

    def predict(self, model, embedded):
        return model.layer(embedded).softmax(1).unsqueeze(0)
