"""The losses of the two clustering stages, as pure functions of float32 tensors."""

import torch
import torch.nn.functional as F


def entropy(distribution):
    """Entropy in nats of a distribution [..., k]; probabilities under 1e-8 count as 1e-8, as in the reference."""
    clamped = distribution.clamp(min=1e-8)
    return -(clamped * clamped.log()).sum(-1)


def scan_loss(anchors, neighbors, entropy_over="anchors"):
    """The two terms of SCAN's loss (slides, Step 2), for one cluster head.

    Args: logits [b, clusters] of images and of one neighbor each; entropy_over: anchors | both.
    Returns: consistency, -mean log <p(anchor), p(neighbor)>, and the entropy of the mean prediction over the anchors, or over
    anchors and neighbors. The loss is consistency - lambda * entropy.
    """
    p_anchors, p_neighbors = anchors.softmax(1), neighbors.softmax(1)
    counted = torch.cat([p_anchors, p_neighbors]) if entropy_over == "both" else p_anchors
    return -log_likelihood((p_anchors * p_neighbors).sum(1)).mean(), entropy(counted.mean(0))


def self_label_loss(targets, predictions, threshold, class_balancing):
    """Weighted cross-entropy on confident images (slides, Step 2b).

    Args: logits [b, clusters] of the images as they are and of their strong augmentations.
    Returns: the loss, 0 where no image is confident, and the share of confident images.
    With class balancing, each class present weighs the same, however many images it has.
    Written as sums over the whole batch, so that no step waits for a count.
    """
    probability, label = targets.softmax(1).max(1)
    confident = (probability > threshold).to(predictions.dtype)
    if class_balancing:
        per_class = torch.zeros(targets.shape[1], device=targets.device).index_add_(0, label, confident)
        weight = confident / per_class.clamp(min=1)[label]
    else:
        weight = confident
    loss = (weight * F.cross_entropy(predictions, label, reduction="none")).sum() / weight.sum().clamp(min=1e-12)
    return loss, confident.mean()


def log_likelihood(probability):
    """The logarithm as PyTorch's binary cross-entropy has it, which the reference uses: at least -100, its gradient at most 1e12.

    What rounding puts above 1 counts as 1, and what is not a number stays so, where that function raises an error.
    """
    safe = torch.nan_to_num(probability, nan=1.0).clamp(0, 1)
    log = -F.binary_cross_entropy(safe, torch.ones_like(safe), reduction="none")
    return torch.where(probability.isnan(), torch.nan, log)
