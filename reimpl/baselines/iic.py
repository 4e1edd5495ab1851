"""Invariant information clustering (IIC; Ji, Henriques and Vedaldi 2019): the clusters of an image and of its augmentation should
tell of one another all they can.

Beside the heads that count, others seek several times as many clusters (section 3.3). The authors train the two kinds in turns,
epoch by epoch, and here they are trained together. Of the heads that count the one of lowest loss predicts. The information is
nearly flat for a new network, which splits off one cluster after another: clusters are left empty where steps are few or small
(the authors take 2,000 epochs at a rate of 0.0001, without weight decay).
"""

from dataclasses import dataclass

import torch
from torch import nn

from harness import settings
from reimpl.train.task import Task as BaseTask

LEAST = 1e-8  # what a probability under it counts as, so that its logarithm is finite
MOMENTUM = 0.99  # of the running mean of each head's loss


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    first_augmentation: str
    """Of the image; `augmentation` is of what it is compared with."""
    heads: int
    """Of each kind [5]."""
    overclustering: int
    """How many times as many clusters the other heads seek [7 on CIFAR-10]."""

    def __post_init__(self):
        settings.Baseline.__post_init__(self)
        settings.need(self.heads >= 1, "heads", self.heads, "at least 1")
        settings.need(self.overclustering >= 1, "overclustering", self.overclustering, "at least 1")


def mutual_information(one, other):
    """Of the probabilities float32 [b, clusters] of images and of their pairs, in nats: equation 3, with the joint distribution
    of equation 2 made symmetric."""
    joint = one.T @ other / len(one)
    joint = ((joint + joint.T) / 2).clamp(min=LEAST)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    return (joint * (joint.log() - rows.log() - columns.log())).sum()


class Iic(nn.Module):
    """Backbone and linear heads of two kinds, `main` and `over`."""

    def __init__(self, backbone, heads, clusters, more):
        super().__init__()
        self.backbone = backbone
        self.main = nn.ModuleList(nn.Linear(backbone.dim, clusters) for _ in range(heads))
        self.over = nn.ModuleList(nn.Linear(backbone.dim, more) for _ in range(heads))
        self.register_buffer("losses", torch.zeros(heads))


class Task(BaseTask):
    VIEWS = ("first_augmentation", "augmentation")

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)

    def network(self, backbone):
        s = self.settings
        return Iic(backbone, s.heads, s.clusters, s.clusters * s.overclustering)

    def loss(self, model, batch, progress):
        one, other = map(model.backbone, batch.views)
        main, over = (torch.stack([-mutual_information(head(one).softmax(1), head(other).softmax(1)) for head in heads])
                      for heads in (model.main, model.over))
        return {"loss": main.mean() + over.mean(), "information": -main.mean(), "heads": main}

    def after_step(self, model, found, progress):
        model.losses.lerp_(found["heads"], 1 - MOMENTUM)

    def embed(self, model, images):
        return model.backbone(images)

    def predict(self, model, embedded):
        return model.main[model.losses.argmin()](embedded).softmax(1).unsqueeze(0)
