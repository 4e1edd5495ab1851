"""An autoencoder, and k-means on its code (AE; denoising, DAE: Vincent et al. 2010).

The encoder is the backbone that SCAN has, whose output is the code; the decoder, which the sources leave open, mirrors its last
stages. With `noise` it sees images of which a share of the pixels is masked, and learns the whole ones. The other methods that
reconstruct (dec.py, sae.py, aevb.py, swwae.py) are variants of it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.kmeans import cluster
from reimpl.train.task import Task as BaseTask

__all__ = ["Settings", "Task", "cluster"]
CHANNELS = 32  # of the decoder's first map, halved in the second


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    noise: float = 0.0
    """Share of the pixels that are masked, as the mean colour."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(0 <= self.noise < 1, "noise", self.noise, "from 0 to below 1")


class Decoder(nn.Module):
    """Codes float32 [n, dim] -> images float32 [n, c, h, w]: a map of a quarter of the side, twice enlarged."""

    def __init__(self, dim, shape):
        super().__init__()
        channels, *self.size = shape
        self.map = (CHANNELS, *(-(-side // 4) for side in self.size))
        self.spread = nn.Linear(dim, CHANNELS * self.map[1] * self.map[2])
        self.enlarge = nn.Sequential(nn.Upsample(scale_factor=2), *layer(CHANNELS, CHANNELS),
                                     nn.Upsample(scale_factor=2), *layer(CHANNELS, CHANNELS // 2))
        self.out = nn.Conv2d(CHANNELS // 2, channels, 3, padding=1)

    def forward(self, code):
        maps = F.relu(self.spread(code)).view(-1, *self.map)
        height, width = self.size
        return self.out(self.enlarge(maps))[..., :height, :width]


def layer(channels_in, channels):
    """The modules of a layer of a decoder, which keeps the size of its maps."""
    return nn.Conv2d(channels_in, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()


class Autoencoder(nn.Module):
    """float32 [n, c, h, w] -> alike. Args: shape: (c, h, w); dim: length of the code, where it is not the backbone's."""

    def __init__(self, backbone, shape, dim=0):
        super().__init__()
        self.backbone, self.decoder = backbone, Decoder(dim or backbone.dim, shape)

    def encode(self, images):
        return self.backbone(images)

    def forward(self, images):
        return self.decoder(self.encode(images))


class Reconstruction(BaseTask):
    """What all that reconstruct have in common. Args: shape: (n, c, h, w), of the training images."""

    VIEWS = ("augmentation",)

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)
        self.shape = tuple(shape)

    def network(self, backbone):
        return Autoencoder(backbone, self.shape[1:])

    def embed(self, model, images):
        return model.encode(images)


class Task(Reconstruction):
    def draw(self, indices, generator):
        if not self.settings.noise:
            return {}
        return {"masked": torch.rand(len(indices), 1, *self.shape[2:], generator=generator) < self.settings.noise}

    def loss(self, model, batch, progress):
        """The mean square over all pixels, of normalised images."""
        (images,) = batch.views
        seen = images.masked_fill(batch.drawn["masked"], 0) if self.settings.noise else images
        return {"loss": F.mse_loss(model(seen), images)}
