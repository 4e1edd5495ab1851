"""Triplets, and k-means on the embedding (Schultz and Joachims 2004): an image should be nearer to its augmentation than to
another image.

Vectors have length 1, and squared distances are compared, as in Schroff, Kalenichenko and Philbin 2015 (equation 2).
"""

from dataclasses import dataclass

import torch.nn.functional as F

from harness import settings
from reimpl.kmeans import cluster
from reimpl.networks import ContrastiveModel
from reimpl.train.task import Task as BaseTask

__all__ = ["Settings", "Task", "cluster"]


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    first_augmentation: str
    """Of the image; `augmentation` is of what it is compared with."""
    dim: int
    """Length of the embedding."""
    margin: float
    """By which the other image should be farther away."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(0 < self.margin <= 4, "margin", self.margin, "above 0, 4 at most, the largest squared distance")


def hinge(images, positives, margin):
    """The mean over a batch of how far each triplet is from the margin: of unit vectors float32 [b, dim] of images and of their
    augmentations. The other image is the next in the batch, whose order is random."""
    others = images.roll(-1, 0)
    near, far = ((images - them).square().sum(1) for them in (positives, others))
    return F.relu(near - far + margin).mean()


class Task(BaseTask):
    VIEWS = ("first_augmentation", "augmentation")

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)

    def network(self, backbone):
        return ContrastiveModel(backbone, self.settings.dim)

    def loss(self, model, batch, progress):
        """Both views go through the network as one batch."""
        images, positives = model(batch.joined).chunk(2)
        return {"loss": hinge(images, positives, self.settings.margin)}

    def embed(self, model, images):
        return model(images)
