"""Bootstrap your own latent: predict what a network that follows slowly makes of the other view (BYOL, Grill et al. 2020).

In brackets: values for ImageNet, not checked against the paper, which is not in the sources at hand.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from harness.processes import gather
from reimpl.train.ema import follow_, follower
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    hidden: int
    """Units of the hidden layer of the projector and of the predictor [4096]."""
    dim: int
    """Length of a projection [256]."""
    momentum: float
    """tau_base: how much of the target network stays as it is at the first step; all of it at the last [0.99]."""

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        settings.need(self.hidden >= 1, "hidden", self.hidden, "at least 1")
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(0 <= self.momentum <= 1, "momentum", self.momentum, "from 0 to 1")


def mlp(dim, hidden, out):
    """The projector and the predictor (section 3.3)."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out))


class Encoder(nn.Module):
    """Backbone and projector: float32 [n, c, h, w] -> float32 [n, dim]."""

    def __init__(self, backbone, hidden, dim):
        super().__init__()
        self.backbone, self.projector = backbone, mlp(backbone.dim, hidden, dim)

    def forward(self, x):
        return self.projector(self.backbone(x))


class BYOLModel(Encoder):
    """The online network, with its predictor, and the target network that follows it."""

    def __init__(self, backbone, hidden, dim):
        super().__init__(backbone, hidden, dim)
        self.target = follower(self)
        self.predictor = mlp(dim, hidden, dim)


class Task(PretextTask):
    VIEWS = 2

    def network(self, backbone):
        return BYOLModel(backbone, self.settings.hidden, self.settings.dim)

    def loss(self, model, batch, progress):
        """Equation 2 and, with the views exchanged, its second half."""
        first, second = [gather(model.predictor(model(view))) for view in batch.views]
        of_first, of_second = [gather(model.target(view)) for view in batch.views]
        return {"loss": regression(first, of_second) + regression(second, of_first)}

    def after_step(self, model, found, progress):
        """The momentum rises to 1 along half a cosine (section 3.2)."""
        momentum = 1 - (1 - self.settings.momentum) * (1 + torch.cos(math.pi * progress)) / 2
        follow_(model.target, model, momentum)

    def embed(self, model, images):
        return F.normalize(model.backbone(images), dim=1)


def regression(predictions, targets):
    """The mean squared distance of vectors float32 [b, dim], each brought to length 1 (equation 2)."""
    return 2 - 2 * F.cosine_similarity(predictions, targets, dim=1).mean()
