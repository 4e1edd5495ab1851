"""A sparse autoencoder, and k-means on its code (SAE; Ng 2011, Sparse autoencoder, section 3).

The code is a layer of sigmoid units behind the backbone. Over a batch, each should be active as little as `activity` says.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.baselines import autoencoder
from reimpl.kmeans import cluster

__all__ = ["Settings", "Task", "cluster"]


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    activity: float
    """Mean activation that each unit of the code should have."""
    sparsity: float
    """The weight of that beside the reconstruction."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(0 < self.activity < 1, "activity", self.activity, "above 0 and below 1")
        settings.need(self.sparsity >= 0, "sparsity", self.sparsity, "0 or more")


def divergence(activity, means):
    """The sum over units of KL(activity || mean), of two coins, in nats. Args: means: float32 [units], above 0 and below 1."""
    wanted = torch.full_like(means, activity)
    return (torch.xlogy(wanted, wanted / means) + torch.xlogy(1 - wanted, (1 - wanted) / (1 - means))).sum()


class Sparse(autoencoder.Autoencoder):
    def __init__(self, backbone, shape):
        super().__init__(backbone, shape)
        self.units = nn.Linear(backbone.dim, backbone.dim)

    def encode(self, images):
        return self.units(self.backbone(images)).sigmoid()


class Task(autoencoder.Reconstruction):
    def network(self, backbone):
        return Sparse(backbone, self.shape[1:])

    def loss(self, model, batch, progress):
        (images,) = batch.views
        codes = model.encode(images)
        reconstruction, penalty = F.mse_loss(model.decoder(codes), images), divergence(self.settings.activity, codes.mean(0))
        return {"loss": reconstruction + self.settings.sparsity * penalty, "reconstruction": reconstruction, "penalty": penalty}
