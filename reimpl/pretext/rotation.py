"""Rotation prediction: tell by which of four quarter turns an image was turned (Gidaris et al. 2018)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    pass


VIEWS = 1


class RotationModel(nn.Module):
    """Backbone and linear head: float32 [n, c, h, w] -> logits float32 [n, 4]."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.rotation_head = nn.Linear(backbone.dim, 4)

    def forward(self, x):
        return self.rotation_head(self.backbone(x))


def network(backbone, settings):
    return RotationModel(backbone)


def loss(model, views, settings):
    """Every image of the batch is seen in all four turns, as in Gidaris et al., section 3.1."""
    turned = torch.cat([views.rot90(turns, (2, 3)) for turns in range(4)])
    turns = torch.arange(4, device=views.device).repeat_interleave(len(views))
    return F.cross_entropy(model(turned), turns)


def embed(model, normalised):
    return F.normalize(model.backbone(normalised), dim=1)
