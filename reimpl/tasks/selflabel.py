"""Self-labeling: what the network is sure of, asked of a strongly augmented image (SCAN's section 2.3)."""

import torch

from harness.processes import gather
from reimpl.losses import self_label_loss
from reimpl.networks import ClusteringModel
from reimpl.train.ema import follow_, follower
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

    def begin(self, model):
        """Give the network its averages, once it has the weights that they begin from."""
        if self.settings.ema:
            model.average = follower(model)

    def kept(self, model):
        """The network that is evaluated and written: the averages, unless they are the weights."""
        return model.average if self.averages_apart else model

    @property
    def averages_apart(self):
        return bool(self.settings and self.settings.ema and not self.settings.ema_replaces_weights)

    def loss(self, model, batch, progress):
        target, image = batch.views
        targets = gather(label_logits(model, target, self.settings.targets_in_training_mode))
        predictions = gather(model(image)[0])
        loss, confident = self_label_loss(targets, predictions, self.settings.threshold, self.settings.class_balancing)
        return {"loss": loss, "confident": confident, "learnable": confident > 0}

    def after_step(self, model, found, progress):
        if self.settings.ema:
            follow_(model.average, model, self.settings.ema)
            if self.averages_apart:
                copy_(dict(model.average.named_buffers()), dict(model.named_buffers()))
            else:  # whose buffers are those of the beginning (utils/ema.py:17-18)
                copy_(dict(model.named_parameters()), dict(model.average.named_parameters()))
                copy_(dict(model.named_buffers()), dict(model.average.named_buffers()))

    def embed(self, model, images):
        return self.kept(model).backbone(images)

    def predict(self, model, embedded):
        return self.kept(model).probabilities(embedded)


def copy_(targets, sources):
    """Write tensors into others in place, those that both mappings name."""
    for name in targets.keys() & sources.keys():
        targets[name].copy_(sources[name])


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
