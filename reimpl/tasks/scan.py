"""Semantic clustering: the same answer for an image and one of its neighbors (SCAN's section 2.2)."""

import torch

from harness.errors import UserError
from harness.processes import gather
from reimpl.losses import scan_loss
from reimpl.networks import ClusteringModel
from reimpl.train.task import Task as BaseTask


class Task(BaseTask):
    """Its views are the image and a neighbor.

    Args: settings: a settings.Scan; neighbors: int64 [n, k + 1], of the training images, as mining.mine has them.
    """

    def __init__(self, settings, views, neighbors):
        super().__init__(settings, views)
        self.candidates = candidates(neighbors, settings)

    def network(self, backbone):
        backbone.requires_grad_(not self.settings.frozen_backbone)
        return ClusteringModel(backbone, self.settings.sought, self.settings.heads)

    def draw(self, indices, generator):
        column = torch.randint(self.candidates.shape[1], indices.shape, generator=generator)
        return {"rows": torch.stack([indices, self.candidates[indices, column]])}

    def loss(self, model, batch, progress):
        """The sum over the heads of SCAN's loss."""
        network = with_frozen_backbone(model) if self.settings.frozen_backbone else model
        logits = forward_pairs(network, batch, self.settings.joint_batch)
        per_head = torch.stack([torch.stack(scan_loss(*map(gather, pair), self.settings.entropy_over)) for pair in logits])
        consistency, entropy = per_head.unbind(1)
        loss = (consistency - self.settings.entropy_weight * entropy).sum()
        return {"loss": loss, "consistency": consistency.mean(), "entropy": entropy.mean()}

    def embed(self, model, images):
        return model.backbone(images)

    def predict(self, model, embedded):
        return model.probabilities(embedded)


def candidates(neighbors, settings):
    """The columns of int64 [n, k + 1] that a training image's neighbor is drawn from."""
    if neighbors.shape[1] <= settings.num_neighbors:
        raise UserError(f"scan.num_neighbors is {settings.num_neighbors}, but only {neighbors.shape[1] - 1} are mined; "
                        "raise neighbors.train or lower it")
    return neighbors[:, 0 if settings.draw_itself else 1 : settings.num_neighbors + 1]


def with_frozen_backbone(model):
    """The function of a ClusteringModel, its backbone in evaluation mode (utils/train_utils.py:54-69)."""
    model.backbone.eval()

    def logits(images):
        with torch.no_grad():
            features = model.backbone(images)
        return model.heads(features)

    return logits


def forward_pairs(model, batch, joint):
    """For each head, logits [b, clusters] of anchors and of neighbors.

    As in the reference they are two batches, so that each side has BatchNorm statistics of its own (utils/train_utils.py:72-73);
    jointly they are one.
    """
    if joint:
        return [logits.chunk(2) for logits in model(batch.joined)]
    anchors, neighbors = batch.views
    return list(zip(model(anchors), model(neighbors)))
