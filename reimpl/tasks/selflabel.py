"""Self-labeling: what the network is sure of, asked of a strongly augmented image (SCAN's section 2.3)."""

import torch

from reimpl.losses import self_label_loss
from reimpl.networks import ClusteringModel
from reimpl.train.task import Task as BaseTask


class Task(BaseTask):
    """Its views are the image whose prediction is the label, and the image that learns it.

    Args: settings: a settings.SelfLabel; clusters: how many are told apart.
    """

    def __init__(self, settings, views, clusters):
        super().__init__(settings, views)
        self.clusters = clusters

    def network(self, backbone):
        return ClusteringModel(backbone, self.clusters)

    def loss(self, model, batch, progress):
        target, image = batch.views
        targets = label_logits(model, target, self.settings.targets_in_training_mode)
        loss, confident = self_label_loss(targets, model(image)[0], self.settings.threshold, self.settings.class_balancing)
        return {"loss": loss, "confident": confident, "learnable": confident > 0}

    def embed(self, model, images):
        return model.backbone(images)

    def predict(self, model, embedded):
        return model.probabilities(embedded)


@torch.no_grad()
def label_logits(model, images, training_mode):
    """Logits [b, clusters] that the labels are taken from.

    In training mode, as in the reference, this pass, too, moves the BatchNorm statistics (utils/train_utils.py:106); otherwise
    it uses the running ones and moves none.
    """
    model.train(training_mode)
    logits = model(images)[0]
    model.train()
    return logits
