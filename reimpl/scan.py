"""Step 2: semantic clustering by adopting nearest neighbors (the paper's section 2.2)."""

import math

import torch

from harness import weights
from harness.datasets import PreparedDataset, read_neighbors
from harness.errors import UserError
from harness.files import existing
from harness.record import score_metrics
from harness.session import Session
from harness.settings import Dataset, Network, Scan
from reimpl.augment import Normalize, load_augmentation
from reimpl.losses import entropy, log_likelihood, scan_loss
from reimpl.networks import ClusteringModel, ResNet
from reimpl.predict import predict, row_of
from reimpl.training import Fit


def candidates(neighbors, settings):
    """The columns of int64 [n, k + 1] that a training image's neighbor is drawn from."""
    if neighbors.shape[1] <= settings.num_neighbors:
        raise UserError(f"scan.num_neighbors is {settings.num_neighbors}, but only {neighbors.shape[1] - 1} are mined; "
                        "raise neighbors.train or lower it")
    return neighbors[:, 0 if settings.draw_itself else 1 : settings.num_neighbors + 1]


def validation_loss(probabilities, neighbors, entropy_weight):
    """The loss that picks epoch and head, without labels: over all neighbors of all test images, no augmentation.

    Args: probabilities float32 [n, clusters]; neighbors int64 [n, k + 1]. Source: utils/evaluate_utils.py:85-116.
    """
    similarity = (probabilities.unsqueeze(1) * probabilities[neighbors]).sum(2)
    return (-log_likelihood(similarity).mean() - entropy_weight * entropy(probabilities.mean(0))).item()


def draw_pairs(count, images, augment, augment_neighbor, generator):
    """What is random in the augmentation of `count` anchors and their neighbors; with one for both, one draw."""
    if augment_neighbor is augment:
        return {"both": augment.draw(2 * count, *images.shape[2:], generator)}
    return {"anchors": augment.draw(count, *images.shape[2:], generator),
            "neighbors": augment_neighbor.draw(count, *images.shape[2:], generator)}


def augment_pairs(images, augment, augment_neighbor, drawn):
    """Anchors and neighbors, augmented. Args: uint8 [2b, c, h, w], anchors first; drawn: as draw_pairs has it."""
    if augment_neighbor is augment:
        return augment.apply(images, drawn["both"]).chunk(2)
    anchors, neighbors = images.chunk(2)
    return augment.apply(anchors, drawn["anchors"]), augment_neighbor.apply(neighbors, drawn["neighbors"])


def forward_pairs(model, anchors, neighbors, joint):
    """For each head, logits [b, clusters] of anchors and of neighbors.

    As in the reference they are two batches, so that each side has BatchNorm statistics of its own (utils/train_utils.py:72-73);
    jointly they are one.
    """
    if joint:
        return [logits.chunk(2) for logits in model(torch.cat([anchors, neighbors]))]
    return list(zip(model(anchors), model(neighbors)))


def rank(loss):
    """What a validation loss is compared by: one that is not a number is above all others."""
    return math.inf if math.isnan(loss) else loss


def takes_its_place(loss, kept, selection):
    """Whether an epoch of this validation loss replaces the one that is `kept`."""
    return selection == "last" or "loss" not in kept or rank(loss) < rank(kept["loss"])


def best_head(losses):
    """The head of lowest validation loss, the first of equal ones."""
    return min(range(len(losses)), key=lambda head: rank(losses[head]))


def run(cell, inputs, out):
    """Writes model.pt (weights of the epoch that is kept, with its best head alone), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"])
    settings = {
        "dataset": cell.settings("dataset", Dataset),
        "network": cell.settings("network", Network),
        "scan": cell.settings("scan", Scan),
    }
    scan = settings["scan"]
    augment, settings["augmentation"] = load_augmentation(scan.augmentation, cell, settings["dataset"])
    augment_neighbor = augment
    if scan.neighbor_augmentation not in ("", scan.augmentation):
        augment_neighbor, settings["neighbor_augmentation"] = load_augmentation(
            scan.neighbor_augmentation, cell, settings["dataset"])
    session = Session(cell, inputs, settings)
    images, test_images = session.images(dataset, "train"), session.images(dataset, "test")
    train_neighbors, test_neighbors = map(torch.from_numpy, read_neighbors(inputs["neighbors"] / "neighbors.npz", dataset))
    drawn_from, test_neighbors = candidates(train_neighbors, scan), test_neighbors.to(session.device)
    model = start_from_pretext(inputs["pretext"] / "model.pt", images.shape[1], settings)
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)

    def draw(indices):
        column = torch.randint(drawn_from.shape[1], indices.shape, generator=session.generator)
        pairs = torch.cat([indices, drawn_from[indices, column]])
        return {"pairs": pairs, "augmentations": draw_pairs(len(indices), images, augment, augment_neighbor, session.generator)}

    def terms(drawn):
        anchors, neighbors = augment_pairs(images[drawn["pairs"]], augment, augment_neighbor, drawn["augmentations"])
        logits = forward_pairs(model, anchors, neighbors, scan.joint_batch)
        per_head = torch.stack([torch.stack(scan_loss(*pair, scan.entropy_over)) for pair in logits])
        consistency, entropy_term = per_head.unbind(1)
        loss = (consistency - scan.entropy_weight * entropy_term).sum()
        return {"loss": loss, "consistency": consistency.mean(), "entropy": entropy_term.mean()}

    def after_epoch(kept):
        kept["epochs"] = kept.get("epochs", 0) + 1
        predictions = predict(model, test_images, normalize)
        losses = [validation_loss(head, test_neighbors, scan.selection_entropy_weight) for head in predictions.probabilities]
        head = best_head(losses)
        if takes_its_place(losses[head], kept, scan.selection):
            now = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            kept.update(loss=losses[head], epoch=kept["epochs"], head=head, weights=now)
        return {"validation_loss": losses[head], "head": head, **row_of(predictions.scores(dataset, head))}

    fit = Fit(session, model, scan.training, len(images), draw, terms, after_epoch)
    fit.run()
    best = fit.kept
    model.load_state_dict(best["weights"])
    model.keep_head(best["head"])
    predictions = predict(model, test_images, normalize)
    weights.save(out / "model.pt", model.state_dict())
    predictions.write(out / "predictions.npz")
    chosen = {"epoch": best["epoch"], "head": best["head"],
              "validation_loss": best["loss"] if math.isfinite(best["loss"]) else None}
    fit.finish(out, {**score_metrics(predictions.scores(dataset)), **chosen}, predictions.degenerate())


def start_from_pretext(path, channels, settings):
    """A clustering model on the backbone of the pretext task; its cluster heads are new."""
    backbone = ResNet(channels, settings["network"].width, settings["network"].blocks)
    mend = "remove it and run `dvc repro`"
    state = weights.load(existing(path, "dvc repro"), mend)
    prefix = "backbone."
    weights.fill(backbone, {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)},
                 path, mend)
    return ClusteringModel(backbone, settings["scan"].sought, settings["scan"].heads)
