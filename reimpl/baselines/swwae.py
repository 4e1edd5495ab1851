"""A stacked what-where autoencoder, and k-means on its code (SWWAE; Zhao, Mathieu, Goroshin and LeCun 2015).

Where the backbone halves its maps, here max-pooling does. What it keeps goes on to the code. Where in each window that stood is
handed to the decoder, which puts its own values there. Beside the image, the decoder learns each pooled map.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.baselines import autoencoder
from reimpl.kmeans import cluster

__all__ = ["Settings", "Task", "cluster"]


@dataclass(frozen=True, slots=True)
class Settings(settings.EmbeddingBaseline):
    intermediate: float
    """The weight of the pooled maps' reconstruction beside the image's."""

    def __post_init__(self):
        settings.EmbeddingBaseline.__post_init__(self)
        settings.need(self.intermediate >= 0, "intermediate", self.intermediate, "0 or more")


def unpool(what, where, shape):
    """Maps of the shape before pooling, 0 but for `what` [n, c, h, w] at the places `where`, alike, that max-pooling noted."""
    return what.new_zeros(shape).flatten(2).scatter(2, where.flatten(2), what.flatten(2)).view(shape)


class WhatWhere(nn.Module):
    """Args: shape: (c, h, w)."""

    def __init__(self, backbone, shape):
        super().__init__()
        self.backbone = backbone
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
        widths = [backbone.conv1.out_channels, *(stage[-1].channels for stage in backbone.layers())]
        self.pooled = [stage for stage in range(backbone.stages) if stage or backbone.pool]  # the stages that pooling goes before
        self.map = (widths[-1], *(side >> len(self.pooled) for side in shape[1:]))
        self.spread = nn.Linear(backbone.dim, self.map[0] * self.map[1] * self.map[2])
        above = [widths[-1], *(widths[stage] for stage in reversed(self.pooled))]
        self.layers = nn.ModuleList(nn.Sequential(*autoencoder.layer(*pair)) for pair in zip(above, above[1:]))
        self.out = nn.Conv2d(above[-1], shape[0], 3, padding=1)

    def pools(self, images):
        """The code float32 [n, dim], and of each pooling, in their order: what it kept, where that stood, the shape before."""
        with self.backbone.precision(images.device):
            maps, found = self.backbone.stem(images), []
            for stage, layer in enumerate(self.backbone.layers()):
                if stage in self.pooled:
                    before = maps.shape
                    maps, where = F.max_pool2d(maps, 2, return_indices=True)
                    found.append((maps, where, before))
                maps = layer(maps)
            return self.backbone.embed(maps), found

    def encode(self, images):
        return self.pools(images)[0]

    def forward(self, images):
        """The images float32 [n, c, h, w] as the decoder has them, and of each pooled map, the last one first, the encoder's
        and the decoder's."""
        code, found = self.pools(images)
        maps, pairs = F.relu(self.spread(code)).view(-1, *self.map), []
        for layer, (what, where, before) in zip(self.layers, reversed(found)):
            maps = layer(maps)
            pairs.append((what.float(), maps))
            maps = unpool(maps, where, before)
        return self.out(maps), pairs


class Task(autoencoder.Reconstruction):
    def network(self, backbone):
        return WhatWhere(backbone, self.shape[1:])

    def loss(self, model, batch, progress):
        """Mean squares, of the image and of each pooled map (equation 2, without labels)."""
        (images,) = batch.views
        made, pairs = model(images)
        reconstruction = F.mse_loss(made, images)
        between = sum(F.mse_loss(mine, theirs) for theirs, mine in pairs)
        return {"loss": reconstruction + self.settings.intermediate * between, "reconstruction": reconstruction,
                "intermediate": between}
