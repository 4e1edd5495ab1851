"""Deep adaptive clustering (DAC; Chang et al. 2017): are two images of one cluster? The network answers for pairs that it is
sure of, and learns to give the same answers when it sees them augmented.

Label features are unit vectors without negative components (the paper's constraint), so that a cosine is a similarity from 0
to 1. A pair above the upper threshold counts as alike, one below the lower as different, and one between not at all. The
thresholds move towards each other until at the end every pair counts. The paper is not in the sources at hand: brackets are
the authors' code (vector-1127/DAC), of a variant in which both thresholds are one; that the last layer ends in BatchNorm is
theirs.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness import settings
from reimpl.train.task import Task as BaseTask

END = 0.5  # where both thresholds arrive [0.5]
LEAST = 1e-6  # from 0 and 1, for a similarity whose logarithm is taken


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    first_augmentation: str
    """Of the images that pairs are judged by; `augmentation` is of those that learn it."""
    upper: float
    """Similarity from which a pair counts as alike at the start [0.9 on MNIST, 0.99 on CIFAR-10]."""
    lower: float
    """Similarity below which it counts as different at the start."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(0.5 <= self.upper <= 1, "upper", self.upper, "from 0.5 to 1")
        settings.need(0 <= self.lower <= 0.5, "lower", self.lower, "from 0 to 0.5")


def pair_loss(judged, learned, lower, upper):
    """The mean cross-entropy over the pairs that count, 0 where none does. Args: unit vectors float32 [b, clusters]."""
    similar = judged @ judged.T
    alike, different = similar >= upper, similar < lower
    counts = (alike | different).to(learned.dtype)
    each = F.binary_cross_entropy((learned @ learned.T).clamp(LEAST, 1 - LEAST), alike.to(learned.dtype), reduction="none")
    return (counts * each).sum() / counts.sum().clamp(min=1)


class Dac(nn.Module):
    """Images float32 [n, c, h, w] -> label features float32 [n, clusters]. BatchNorm keeps the first ones apart: of a new network
    all would be nearly even, each pair alike, and one cluster the end of it."""

    def __init__(self, backbone, clusters):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Sequential(nn.Linear(backbone.dim, clusters), nn.BatchNorm1d(clusters))

    def forward(self, images):
        return F.normalize(self.head(self.backbone(images)).softmax(1), dim=1)


class Task(BaseTask):
    VIEWS = ("first_augmentation", "augmentation")

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)

    def network(self, backbone):
        return Dac(backbone, self.settings.clusters)

    def loss(self, model, batch, progress):
        judged, learned = batch.views
        with torch.no_grad():
            judged = model(judged)
        lower, upper = (start + (END - start) * progress for start in (self.settings.lower, self.settings.upper))
        return {"loss": pair_loss(judged, model(learned), lower, upper)}

    def embed(self, model, images):
        return model.backbone(images)

    def predict(self, model, embedded):
        return model.head(embedded).softmax(1).unsqueeze(0)
