"""Simple Siamese networks: predict what the network itself makes of the other view (SimSiam, Chen and He 2021).

In brackets: values for ImageNet, not checked against the paper, which is not in the sources at hand.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from harness import settings
from harness.processes import gather
from reimpl.train.optimizers import Group
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    dim: int
    """Length of a projection, and units of the projector's hidden layer [2048]."""
    hidden: int
    """Units of the predictor's hidden layer [512]."""

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(self.hidden >= 1, "hidden", self.hidden, "at least 1")


class SimSiamModel(nn.Module):
    """Backbone and projector, and the predictor apart: float32 [n, c, h, w] -> float32 [n, dim].

    The projector has two layers, as the paper's for CIFAR-10, and BatchNorm after each, without weight and bias after the last
    one; the predictor has it after its hidden layer alone.
    """

    def __init__(self, backbone, dim, hidden):
        super().__init__()
        self.backbone = backbone
        self.projector = nn.Sequential(nn.Linear(backbone.dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(),
                                       nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim, affine=False))
        self.predictor = nn.Sequential(nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                                       nn.Linear(hidden, dim))

    def forward(self, x):
        return self.projector(self.backbone(x))


class Task(PretextTask):
    VIEWS = 2

    def network(self, backbone):
        return SimSiamModel(backbone, self.settings.dim, self.settings.hidden)

    def loss(self, model, batch, progress):
        """Equation 4: half of each direction, without a gradient through the target."""
        first, second = [model(view) for view in batch.views]
        of_first, of_second = [gather(model.predictor(view)) for view in (first, second)]
        return {"loss": (similarity(of_first, gather(second)) + similarity(of_second, gather(first))) / -2}

    def parameter_groups(self, model):
        """The predictor keeps its learning rate (section 4.2)."""
        learned = [*model.backbone.parameters(), *model.projector.parameters()]
        return [Group(learned), Group(list(model.predictor.parameters()), scheduled=False)]

    def embed(self, model, images):
        return F.normalize(model.backbone(images), dim=1)


def similarity(predictions, targets):
    """The mean cosine of vectors float32 [b, dim] with targets that are taken as they are (equations 1 and 3)."""
    return F.cosine_similarity(predictions, targets.detach(), dim=1).mean()
