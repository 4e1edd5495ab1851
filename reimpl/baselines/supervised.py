"""Supervised learning, the upper bound: cross-entropy with the labels, on the backbone and the augmentation of SCAN.

It alone may see the labels of training images. Its accuracy is matched to the classes as a clustering's is, which changes nothing
where it is high: the matching is then that of each class to itself.
"""

from dataclasses import dataclass

import torch.nn.functional as F

from harness import settings
from reimpl.networks import ClusteringModel
from reimpl.train.task import Task as BaseTask


@dataclass(frozen=True, slots=True)
class Settings(settings.TrainedBaseline):
    """`clusters` is the number of classes."""


class Task(BaseTask):
    VIEWS = ("augmentation",)
    sees_labels = True

    def __init__(self, settings, views, shape):
        super().__init__(settings, views)

    def network(self, backbone):
        return ClusteringModel(backbone, self.settings.clusters)

    def loss(self, model, batch, progress):
        (images,) = batch.views
        return {"loss": F.cross_entropy(model(images)[0], batch.labels)}

    def embed(self, model, images):
        return model.backbone(images)

    def predict(self, model, embedded):
        return model.probabilities(embedded)
