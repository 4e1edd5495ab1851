"""Step 1a: train a backbone on a pretext task (the paper's section 2.1).

A task is a module here, picked by --task, with

    Settings                                        a dataclass, a harness.settings.Pretext with the task's own settings
    network(backbone, settings) -> nn.Module
    VIEWS                                           how many augmented views of each image a step has
    loss(model, views, settings) -> a scalar, from normalised views float32 [VIEWS * b, c, h, w], all first ones first
    embed(model, normalised) -> unit vectors float32 [b, dim], in which neighbors are mined
"""

import importlib
import pkgutil

from harness import weights
from harness.datasets import PreparedDataset
from harness.errors import UserError
from harness.session import Session
from harness.settings import Dataset, Network
from reimpl.augment import Normalize, load_augmentation
from reimpl.mining import mine, neighbor_accuracy
from reimpl.networks import ResNet, in_batches
from reimpl.training import Fit

MONITORED_NEIGHBORS = 5


def load_task(name):
    """The module of a pretext task."""
    known = [module.name for module in pkgutil.iter_modules(__path__)]
    if name not in known:
        raise UserError(f"the pretext task is '{name}', and should be one of {', '.join(known)}")
    return importlib.import_module(f"reimpl.pretext.{name}")


def load_settings(cell, task):
    """The settings of data set, network and pretext task, by section."""
    return {
        "dataset": cell.settings("dataset", Dataset),
        "network": cell.settings("network", Network),
        "pretext": cell.settings(f"pretext.{cell.variant}", task.Settings),
    }


def build_network(task, settings, channels):
    """The network of a pretext task, untrained."""
    return task.network(ResNet(channels, settings["network"].width, settings["network"].blocks), settings["pretext"])


def embed_all(task, model, images, normalize):
    """Unit vectors float32 [n, dim] of uint8 images [n, c, h, w]."""
    model.eval()
    return in_batches(lambda batch: task.embed(model, normalize(batch)), images)


def run(cell, inputs, out):
    """Writes model.pt and metrics.json."""
    dataset = PreparedDataset(inputs["data"])
    task = load_task(cell.variant)
    settings = load_settings(cell, task)
    pretext = settings["pretext"]
    (kind,) = pretext.augmentation
    augment, settings["augmentation"] = load_augmentation(
        kind, cell, settings["dataset"], f"pretext.{cell.variant}.augmentation")
    session = Session(cell, inputs, settings)
    images, test_images = session.images(dataset, "train"), session.images(dataset, "test")
    model = build_network(task, settings, images.shape[1])
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)

    def draw(indices):
        views = task.VIEWS * len(indices)
        return {"indices": indices, "augmentation": augment.draw(views, *images.shape[2:], session.generator)}

    def terms(drawn):
        views = images[drawn["indices"]].repeat(task.VIEWS, 1, 1, 1)
        return {"loss": task.loss(model, augment.apply(views, drawn["augmentation"]), pretext)}

    monitored = min(MONITORED_NEIGHBORS, len(test_images) - 1)  # a test image has the others for neighbors, be they few or none

    def after_epoch(kept):
        epoch = kept["epochs"] = kept.get("epochs", 0) + 1
        if epoch % pretext.evaluate_every or not monitored:
            return {}
        found, _ = mine(embed_all(task, model, test_images, normalize), monitored)
        return {"neighbor_accuracy": neighbor_accuracy(found, dataset.labels("test"))}

    fit = Fit(session, model, pretext.training, len(images), draw, terms, after_epoch)
    curves = fit.run()
    weights.save(out / "model.pt", model.state_dict())
    fit.finish(out, {"loss": curves[-1]["loss"]})
