"""Auto-encoding variational Bayes, and k-means on the mean code (AEVB; Kingma and Welling 2014).

The code of an image is normally distributed, with a diagonal covariance, and so are the pixels around the decoder's image, all
with one variance.
"""

from dataclasses import dataclass

import torch
from torch import nn

from harness import settings
from reimpl.baselines import autoencoder
from reimpl.kmeans import cluster

__all__ = ["Settings", "Task", "cluster"]


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    dim: int
    """Length of the code."""
    variance: float
    """Of a pixel around the decoder's, normalised images being counted in deviations."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(self.variance > 0, "variance", self.variance, "above 0")


def divergence(mean, log_variance):
    """KL of normal distributions from the standard one, in nats, float32 [n]: of means and logarithms of variances [n, dim]
    (appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


class Variational(autoencoder.Autoencoder):
    def __init__(self, backbone, shape, dim):
        super().__init__(backbone, shape, dim)
        self.mean, self.log_variance = nn.Linear(backbone.dim, dim), nn.Linear(backbone.dim, dim)

    def encode(self, images):
        return self.mean(self.backbone(images))


class Task(autoencoder.Reconstruction):
    def network(self, backbone):
        return Variational(backbone, self.shape[1:], self.settings.dim)

    def draw(self, indices, generator):
        return {"normal": torch.randn(len(indices), self.settings.dim, generator=generator)}

    def loss(self, model, batch, progress):
        """Minus the bound of equation 10, from one draw of the code, a mean over images, without its constant."""
        (images,) = batch.views
        features = model.backbone(images)
        mean, log_variance = model.mean(features), model.log_variance(features)
        codes = mean + (log_variance / 2).exp() * batch.drawn["normal"]
        missed = (model.decoder(codes) - images).square().flatten(1).sum(1) / (2 * self.settings.variance)
        apart = divergence(mean, log_variance)
        return {"loss": (missed + apart).mean(), "reconstruction": missed.mean(), "divergence": apart.mean()}
