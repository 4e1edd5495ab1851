"""Step 2: semantic clustering by adopting nearest neighbors (slides, Step 2)."""

import math
from functools import partial

import torch

from harness import weights
from harness.files import existing
from harness.prepared import PreparedDataset, read_neighbors
from harness.prototypes import captioned_prototypes
from harness.record import score_metrics
from harness.session import Session
from reimpl.augment import Normalize, make_augmentation
from reimpl.losses import entropy, log_likelihood
from reimpl.networks import make_backbone
from reimpl.predict import assigned, predict, row_of
from reimpl.tasks.scan import Task
from reimpl.train.task import make_network
from reimpl.train.trainer import Trainer


def validation_loss(probabilities, neighbors, entropy_weight):
    """The loss that picks epoch and head, without labels: over all neighbors of all test images, no augmentation.

    Args: probabilities float32 [n, clusters]; neighbors int64 [n, k + 1]. Source: utils/evaluate_utils.py:85-116.
    """
    similarity = (probabilities.unsqueeze(1) * probabilities[neighbors]).sum(2)
    return (-log_likelihood(similarity).mean() - entropy_weight * entropy(probabilities.mean(0))).item()


def rank(loss):
    """What a validation loss is compared by: one that is not a number is above all others."""
    return math.inf if math.isnan(loss) else loss


def takes_its_place(loss, kept, selection):
    """Whether an epoch of this validation loss replaces the one that is `kept`."""
    return selection == "last" or "loss" not in kept or rank(loss) < rank(kept["loss"])


def best_head(losses):
    """The head of lowest validation loss, the first of equal ones."""
    return min(range(len(losses)), key=lambda head: rank(losses[head]))


def run(cell, settings, inputs, out):
    """Writes model.pt (weights of the epoch that is kept, with its best head alone), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"], settings["dataset"].joint)
    scan, augment = settings["scan"], make_augmentation(settings["augmentation"], settings["dataset"])
    augment_neighbor = augment  # in one draw
    if "neighbor_augmentation" in settings:
        augment_neighbor = make_augmentation(settings["neighbor_augmentation"], settings["dataset"])
    session = Session(cell, inputs, settings)
    images, test_images = session.images(dataset, "train"), session.images(dataset, "test")
    train_neighbors, test_neighbors = map(torch.from_numpy, read_neighbors(inputs["neighbors"] / "neighbors.npz", dataset))
    test_neighbors = test_neighbors.to(session.device)
    task = Task(scan, [augment, augment_neighbor], train_neighbors)
    model = start_from_pretext(inputs["pretext"] / "model.pt", task, make_backbone(settings["network"], images.shape[1]))
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)

    def after_epoch(epoch, state):
        predictions = predict(task, model, test_images, normalize)
        losses = [validation_loss(head, test_neighbors, scan.selection_entropy_weight) for head in predictions.probabilities]
        head = best_head(losses)
        if takes_its_place(losses[head], state, scan.selection):
            now = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            state.update(loss=losses[head], epoch=epoch, head=head, weights=now)
        return {"validation_loss": losses[head], "head": head, **row_of(predictions.scores(dataset, head))}

    trainer = Trainer(session, task, model, scan.training, images, after_epoch,
                      photographs=dataset.photographs("train", whole=settings["dataset"].whole))
    trainer.run()
    best = trainer.state
    model.load_state_dict(best["weights"])
    model.keep_head(best["head"])
    predictions = predict(task, model, test_images, normalize)
    weights.save(out / "model.pt", model.state_dict())
    predictions.write(out / "predictions.npz", **assigned(task, model, images, normalize))
    chosen = {"epoch": best["epoch"], "head": best["head"],
              "validation_loss": best["loss"] if math.isfinite(best["loss"]) else None}
    trainer.finish(out, {**score_metrics(predictions.scores(dataset)), **chosen}, predictions.degenerate(),
                   partial(captioned_prototypes, dataset, out / "predictions.npz"))


def start_from_pretext(path, task, backbone):
    """The task's network on the backbone of the pretext task; its cluster heads are new."""
    mend = "remove it and run `dvc repro`"
    state = weights.load(existing(path, "dvc repro"), mend)
    prefix = "backbone."
    weights.fill(backbone, {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)},
                 path, mend)
    return make_network(task, backbone)
