"""Deep embedded clustering (DEC; Xie, Girshick and Farhadi 2016): an autoencoder, whose encoder then sharpens its own clusters.

The autoencoder is that of autoencoder.py, and k-means on its code gives the first centres. As in section 3.1, the code is then
assigned to the centres by Student's t, and both learn to bring that closer to a target that it is turned into once an epoch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.baselines import autoencoder
from reimpl.kmeans import centres
from reimpl.predict import embed_all


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    reconstruction_epochs: int
    """Epochs, of those of the training, in which it is an autoencoder; the rest sharpen the clusters."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(1 <= self.reconstruction_epochs < self.training.epochs, "reconstruction_epochs", self.reconstruction_epochs,
                      f"from 1 to below {self.training.epochs}, the number of epochs")


def assignment(codes, centres):
    """q of equation 1, float32 [n, clusters], with one degree of freedom: of codes [n, dim] and centres [clusters, dim]."""
    near = 1 / (1 + (codes.unsqueeze(1) - centres).square().sum(2))
    return near / near.sum(1, keepdim=True)


def target(assigned):
    """p of equation 3, float32 [n, clusters]: q squared, by how much each cluster has of it."""
    sharp = assigned.square() / assigned.sum(0)
    return sharp / sharp.sum(1, keepdim=True)


class Dec(autoencoder.Autoencoder):
    """An autoencoder with centres, and the target of each training image. Args: shape: (n, c, h, w)."""

    def __init__(self, backbone, shape, clusters):
        super().__init__(backbone, shape[1:])
        self.centres = nn.Parameter(torch.zeros(clusters, backbone.dim))
        self.register_buffer("target", torch.zeros(shape[0], clusters))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("clustering", torch.zeros((), dtype=torch.bool))


class Task(autoencoder.Reconstruction):
    def network(self, backbone):
        return Dec(backbone, self.shape, self.settings.clusters)

    @torch.no_grad()
    def before_epoch(self, model, images, generator):
        epoch = model.epoch.item()
        if epoch >= self.settings.reconstruction_epochs:
            codes = embed_all(self, model, images, self.views[0].normalize)
            if epoch == self.settings.reconstruction_epochs:
                model.centres.copy_(centres(codes, self.settings, generator))
                model.clustering.fill_(True)
            model.target.copy_(target(assignment(codes, model.centres)))
        model.epoch.add_(1)

    def loss(self, model, batch, progress):
        """The mean square of the reconstruction, and then KL(p || q) of equation 2, a mean over images."""
        (images,) = batch.views
        codes = model.encode(images)
        reconstruction = F.mse_loss(model.decoder(codes), images)
        return {"loss": torch.where(model.clustering, self.divergence(model, codes, batch.indices), reconstruction)}

    def divergence(self, model, codes, indices):
        """KL(p || q), a mean over images. Args: codes: float32 [b, dim] of the training images int64 [b]."""
        wanted = model.target[indices]
        return (torch.xlogy(wanted, wanted) - wanted * assignment(codes, model.centres).log()).sum(1).mean()

    def predict(self, model, embedded):
        return assignment(embedded, model.centres).unsqueeze(0)
