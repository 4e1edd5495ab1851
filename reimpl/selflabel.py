"""Step 3: fine-tuning through self-labeling (the paper's section 2.3)."""

import torch

from harness import weights
from harness.datasets import PreparedDataset
from harness.files import existing
from harness.record import score_metrics
from harness.session import Session
from harness.settings import Dataset, Network, SelfLabel
from reimpl.augment import Normalize, load_augmentation
from reimpl.losses import self_label_loss
from reimpl.networks import ClusteringModel, ResNet
from reimpl.predict import predict, row_of
from reimpl.training import Fit


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


def run(cell, inputs, out):
    """Writes model.pt (of the last epoch, as in the reference), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"])
    settings = {
        "dataset": cell.settings("dataset", Dataset),
        "network": cell.settings("network", Network),
        "selflabel": cell.settings("selflabel", SelfLabel),
    }
    selflabel = settings["selflabel"]
    augment, settings["augmentation"] = load_augmentation(selflabel.augmentation, cell, settings["dataset"])
    augment_target, settings["target_augmentation"] = load_augmentation(
        selflabel.target_augmentation, cell, settings["dataset"])
    session = Session(cell, inputs, settings)
    images, test_images = session.images(dataset, "train"), session.images(dataset, "test")
    model = start_from_scan(inputs["scan"] / "model.pt", images.shape[1], settings)
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)

    def draw(indices):
        size = (len(indices), *images.shape[2:])
        return {"indices": indices, "target": augment_target.draw(*size, session.generator),
                "predicted": augment.draw(*size, session.generator)}

    def terms(drawn):
        batch = images[drawn["indices"]]
        targets = label_logits(model, augment_target.apply(batch, drawn["target"]), selflabel.targets_in_training_mode)
        predictions = model(augment.apply(batch, drawn["predicted"]))[0]
        loss, confident = self_label_loss(targets, predictions, selflabel.threshold, selflabel.class_balancing)
        return {"loss": loss, "confident": confident, "learnable": confident > 0}

    def after_epoch(kept):
        return row_of(predict(model, test_images, normalize).scores(dataset))

    fit = Fit(session, model, selflabel.training, len(images), draw, terms, after_epoch)
    curves = fit.run()
    predictions = predict(model, test_images, normalize)
    weights.save(out / "model.pt", model.state_dict())
    predictions.write(out / "predictions.npz")
    metrics = {**score_metrics(predictions.scores(dataset)), "confident": curves[-1]["confident"]}
    fit.finish(out, metrics, predictions.degenerate() + nothing_learned(curves, selflabel.threshold))


def nothing_learned(curves, threshold):
    """A sentence where no image was ever confident enough to learn from, in a list."""
    if any(row["confident"] > 0 for row in curves):
        return []
    return [f"no image was ever more confident than {threshold}: nothing was learned"]


def start_from_scan(path, channels, settings):
    """The clustering model that `scan` wrote; its number of clusters is what its head has."""
    mend = "remove it and run `dvc repro`"
    state = weights.load(existing(path, "dvc repro"), mend)
    model = ClusteringModel(ResNet(channels, settings["network"].width, settings["network"].blocks),
                            weights.count_clusters(state, path, mend))
    weights.fill(model, state, path, mend)
    return model
