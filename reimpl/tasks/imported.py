"""No training: weights that were published, as `python -m harness import-weights` wrote them (harness/import_weights.py).

Neighbors are mined in the backbone's features, as the authors do with those of MoCo (moco.py:70 of their code).
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from harness import settings, weights
from harness.files import existing, sha256
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Features):
    weights: str
    """The file. Other weights take another name: a stage runs again where its settings change, and this file is no input that DVC
    knows."""

    def __post_init__(self):
        settings.need(self.weights, "weights", repr(self.weights), "the file that `python -m harness import-weights` wrote")


class Imported(nn.Module):
    """The backbone alone."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


class Task(PretextTask):
    trained = False

    def network(self, backbone):
        return Imported(backbone)

    def fill(self, model):
        """Put the weights into the network. Returns the file's sha256 by its path."""
        file = existing(self.settings.weights, "python -m harness import-weights FILE --out " + self.settings.weights)
        weights.fill(model.backbone, weights.load(file, "import it again"), file, "set `network` to what its import said")
        return {str(file): sha256(file)}

    def loss(self, model, batch, progress):
        raise NotImplementedError("weights from elsewhere are not trained")

    def embed(self, model, images):
        return F.normalize(model.backbone(images), dim=1)
