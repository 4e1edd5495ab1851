"""Instance discrimination: tell an image's two views from the views of all others (SimCLR, Chen et al. 2020)."""

from dataclasses import dataclass

import torch

from harness import settings
from reimpl.losses import nt_xent
from reimpl.networks import ContrastiveModel


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    temperature: float
    """Of the softmax over similarities [0.1]."""
    dim: int
    """Length of the embedding [128]."""

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        settings.need(self.temperature > 0, "temperature", self.temperature, "above 0")
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")


def network(backbone, settings):
    return ContrastiveModel(backbone, settings.dim)


def loss(model, images, augment, generator, settings):
    """Both views go through the network as one batch, so they share their BatchNorm statistics, as in the reference."""
    views = torch.cat([augment(images, generator), augment(images, generator)])
    return nt_xent(model(views).view(2, len(images), -1), settings.temperature)


def embed(model, normalised):
    return model(normalised)
