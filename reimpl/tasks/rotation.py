"""Rotation prediction: tell by which of four quarter turns an image was turned (Gidaris et al. 2018)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from harness.processes import gather
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    pass


class RotationModel(nn.Module):
    """Backbone and linear head: float32 [n, c, h, w] -> logits float32 [n, 4]."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.rotation_head = nn.Linear(backbone.dim, 4)

    def forward(self, x):
        return self.rotation_head(self.backbone(x))


class Task(PretextTask):
    def network(self, backbone):
        return RotationModel(backbone)

    def loss(self, model, batch, progress):
        """Every image of the batch is seen in all four turns, as in Gidaris et al., section 3.1."""
        (images,) = batch.views
        turned = torch.cat([images.rot90(turns, (2, 3)) for turns in range(4)])
        turns = torch.arange(4, device=images.device).repeat_interleave(len(images))
        return {"loss": F.cross_entropy(gather(model(turned)), gather(turns))}

    def embed(self, model, images):
        return F.normalize(model.backbone(images), dim=1)
