"""A generative adversarial network, and k-means on the features of its discriminator (GAN; DCGAN: Radford, Metz and Chintala
2016).

The discriminator is the backbone that SCAN has, with a logit; the generator, the decoder of autoencoder.py. Both learn in the
same step, from the weights before it, the generator by the loss that does not saturate (Goodfellow et al. 2014, section 3). Its
features are of all stages, as in section 5.1: the last one alone, which tells real from made, is far from the classes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from harness import settings
from reimpl.baselines.autoencoder import Decoder
from reimpl.kmeans import cluster
from reimpl.train.task import Task as BaseTask

__all__ = ["Settings", "Task", "cluster"]
GRID = 4  # places a side that the features of each stage are taken at


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    dim: int
    """Length of what the generator makes an image from [100]."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")


class Gan(nn.Module):
    """float32 [n, c, h, w] -> logits float32 [n] of their being real. Args: shape: (c, h, w)."""

    def __init__(self, backbone, shape, dim):
        super().__init__()
        self.backbone, self.real, self.generator = backbone, nn.Linear(backbone.dim, 1), Decoder(dim, shape)

    def forward(self, images):
        return self.real(self.backbone(images)).squeeze(1)

    def unmoved(self, images):
        """The same, of weights that no gradient reaches."""
        return functional_call(self, {name: weight.detach() for name, weight in self.named_parameters()}, images)


class Task(BaseTask):
    VIEWS = ("augmentation",)

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)
        self.shape = tuple(shape[1:])

    def network(self, backbone):
        return Gan(backbone, self.shape, self.settings.dim)

    def draw(self, indices, generator):
        return {"normal": torch.randn(len(indices), self.settings.dim, generator=generator)}

    def loss(self, model, batch, progress):
        """Both losses, means over images in nats; images and what is made go through BatchNorm as batches of their own."""
        (images,) = batch.views
        made = model.generator(batch.drawn["normal"])
        discriminator = F.softplus(-model(images)).mean() + F.softplus(model(made.detach())).mean()
        generator = F.softplus(-model.unmoved(made)).mean()
        return {"loss": discriminator + generator, "discriminator": discriminator, "generator": generator}

    def embed(self, model, images):
        """The maps of each stage, max-pooled to GRID x GRID, one stage after another."""
        return torch.cat([F.adaptive_max_pool2d(maps, GRID).flatten(1) for maps in model.backbone.maps(images)], 1)
