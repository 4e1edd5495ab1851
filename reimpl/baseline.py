"""The methods that SCAN is compared with (the paper's comparison tables), a module of reimpl/baselines/ picked by --method."""

import importlib

import numpy as np
from threadpoolctl import threadpool_limits

from harness.files import write_npz
from harness.metrics import empty_clusters, score
from harness.prepared import PreparedDataset, need_images
from harness.record import score_metrics
from harness.session import Session, derive_seed
from harness.sources import SPLITS
from harness.stages import PICKED
from reimpl.augment import Normalize, make_augmentation
from reimpl.kmeans import finite
from reimpl.networks import make_backbone
from reimpl.predict import embed_all, predict
from reimpl.train.task import make_network, training_labels
from reimpl.train.trainer import Trainer


def run(cell, settings, inputs, out):
    """Learns from the training images, clusters the test images, and writes predictions.npz and metrics.json.

    predictions.npz is as k-means writes it (`clusters`), or as SCAN does where the method predicts (`probabilities`, `features`).
    """
    dataset, baseline = PreparedDataset(inputs["data"], settings["dataset"].joint), settings["baseline"]
    method = importlib.import_module(f"{PICKED['baseline']}.{cell.variant}")
    for key in ("clusters", "neighbors"):
        need_images(f"baseline.{cell.variant}.{key}", getattr(baseline, key, 0), "train", dataset.counts["train"])
    session = Session(cell, inputs, settings)
    images = [session.images(dataset, split) for split in SPLITS]
    if hasattr(method, "Task"):
        trained = Trained(method.Task, settings, session, dataset, images)
        model, features, finish = trained.model, trained.features, trained.trainer.finish
    else:
        model, features, finish = None, (lambda part: part[:].flatten(1).float() / 255), session.record
    if hasattr(method, "cluster"):
        arrays = [finite(features(part)) for part in images]
        with threadpool_limits(1):  # more threads would add their sums in the order in which they end
            clusters = method.cluster(*arrays, baseline, derive_seed(cell.stage, cell.seed) % 2**32, model)
        write_npz(out / "predictions.npz", compressed=True, clusters=clusters.astype(np.uint16))
    else:
        predictions = trained.predictions(images[1])
        clusters = predictions.clusters()
        predictions.write(out / "predictions.npz")
    scores = score(dataset.labels("test"), clusters, len(dataset.classes), baseline.clusters)
    finish(out, score_metrics(scores), degenerate=empty_clusters(clusters, baseline.clusters))


class Trained:
    """A method's network, trained. Args: images: uint8 [n, c, h, w] of each split."""

    def __init__(self, Task, settings, session, dataset, images):
        views = {role: make_augmentation(settings[role], settings["dataset"]) for role in Task.VIEWS}
        self.task = Task(settings["baseline"], [views[role] for role in Task.VIEWS], images[0].shape)
        self.model = make_network(self.task, make_backbone(settings["network"], images[0].shape[1]))
        self.normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)
        self.trainer = Trainer(session, self.task, self.model, settings["baseline"].training, images[0], lambda epoch, state: {},
                               training_labels(self.task, dataset), dataset.photographs("train", whole=settings["dataset"].whole))
        self.trainer.run()

    def features(self, images):
        return embed_all(self.task, self.model, images, self.normalize)

    def predictions(self, images):
        return predict(self.task, self.model, images, self.normalize)
