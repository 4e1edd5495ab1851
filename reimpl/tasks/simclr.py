"""Instance discrimination: tell an image's two views from the views of all others (SimCLR, Chen et al. 2020)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from harness import settings
from harness.processes import gather
from reimpl.networks import ContrastiveModel
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    """Those of the authors' code, too."""

    temperature: float
    """Of the softmax over similarities [0.1]."""
    dim: int
    """Length of the embedding [128]."""
    symmetric: bool = False
    """Whether the second view's images are anchors, too, as in SimCLR's equation 1 [false: the first view's alone]."""

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        settings.need(self.temperature > 0, "temperature", self.temperature, "above 0")
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")


class Task(PretextTask):
    VIEWS = 2

    def network(self, backbone):
        return ContrastiveModel(backbone, self.settings.dim)

    def loss(self, model, batch, progress):
        """Both views go through the network as one batch, so they share their BatchNorm statistics, as in the reference."""
        embedded = torch.stack([gather(view) for view in model(batch.joined).chunk(2)])
        return {"loss": nt_xent(embedded, self.settings.temperature, self.settings.symmetric)}

    def embed(self, model, images):
        return model(images)


def nt_xent(views, temperature, symmetric=False):
    """Contrastive loss with the anchors from the first view only, as the reference has it, or from both.

    Args: views [2, b, dim], unit vectors, the two views of b images. Returns: a scalar.
    Source: equation 1 of SimCLR (Chen et al. 2020), without its second half unless symmetric; losses/losses.py:144-163 of the
    reference.
    """
    if symmetric:
        return (nt_xent(views, temperature) + nt_xent(views.flip(0), temperature)) / 2
    first, second = views
    similarity = first @ torch.cat([first, second]).T / temperature
    batch = len(first)
    itself = torch.eye(batch, 2 * batch, dtype=torch.bool, device=first.device)
    positive = torch.arange(batch, 2 * batch, device=first.device)
    return F.cross_entropy(similarity.masked_fill(itself, -math.inf), positive)
