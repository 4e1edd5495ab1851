"""What networks make of images: embeddings; predictions of clusters, their scores, and their file."""

from dataclasses import dataclass

import numpy as np
import torch

from harness.files import write_npz
from harness.metrics import empty_clusters, score
from reimpl.networks import in_batches


@dataclass(frozen=True)
class Predictions:
    """features: float32 [n, dim], embeddings; probabilities: float32 [heads, n, clusters]."""

    features: torch.Tensor
    probabilities: torch.Tensor

    def clusters(self, head=0):
        """The most likely cluster of each image, int64 [n], as NumPy."""
        return self.probabilities[head].argmax(1).cpu().numpy()

    def scores(self, dataset, head=0):
        """Against the test labels; None where there are none."""
        return score(dataset.labels("test"), self.clusters(head), len(dataset.classes), self.probabilities.shape[2])

    def degenerate(self):
        return empty_clusters(self.clusters(), self.probabilities.shape[2])

    def write(self, path, **others):
        """Arrays `probabilities` float32 [n, clusters] and `features` float32 [n, dim], and others by their names."""
        write_npz(path, probabilities=self.probabilities[0].cpu().numpy(), features=self.features.cpu().numpy(), **others)


def embed_all(task, model, images, normalize):
    """float32 [n, dim]: what the task's network makes of uint8 images [n, c, h, w], in evaluation mode."""
    model.eval()
    return in_batches(lambda batch: task.embed(model, normalize(batch)), images)


def predict(task, model, images, normalize):
    """Predictions of a task that clusters on uint8 images [n, c, h, w]."""
    features = embed_all(task, model, images, normalize)
    with torch.no_grad():
        return Predictions(features, task.predict(model, features))


def assigned(task, model, images, normalize):
    """What is written of the training images, uint8 [n, c, h, w], which may be too many to keep their features:
    `train_clusters` uint16 [n] and `train_confidence` float32 [n]."""
    model.eval()

    def surest(batch):
        confidence, clusters = task.predict(model, task.embed(model, normalize(batch)))[0].max(1)
        return torch.stack([confidence.double(), clusters.double()], 1)

    confidence, clusters = in_batches(surest, images).cpu().numpy().T
    return {"train_clusters": clusters.astype(np.uint16), "train_confidence": confidence.astype(np.float32)}


def row_of(scores):
    """The part of an epoch's row that scores are; nothing where they are None, without labels."""
    return {} if scores is None else {"acc": scores.acc, "nmi": scores.nmi, "ari": scores.ari}
