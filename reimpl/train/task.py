"""The contract of everything that is trained."""

from abc import ABC, abstractmethod

import torch

from harness.errors import UserError
from reimpl.train.optimizers import Group

MAY_SEE_LABELS = ("supervised",)
"""The tasks that may learn from labels, by the names of their modules: what the others are measured against."""


class Task(ABC):
    """What a network learns from. A subclass has `network`, `loss` and `embed`, and `predict` where it clusters; the rest it may
    have.

    A task itself never changes: what changes from step to step (a momentum encoder, a queue) is a parameter or a buffer of its
    network, and so moves to the device with it, lies in its checkpoints, and is resumed to the same bits.

    Args:
        settings: a settings dataclass.
        views: an augmentation for each view of an image that a step has; views that share one are made together.
    """

    sees_labels = False
    """Whether `loss` is handed labels; only for MAY_SEE_LABELS."""

    def __init__(self, settings, views=()):
        self.settings, self.views = settings, tuple(views)

    @abstractmethod
    def network(self, backbone):
        """The network, untrained, as a module; its attribute `backbone` is that backbone, from which later stages start."""

    @abstractmethod
    def loss(self, model, batch, progress):
        """What is minimised, from a batch.Batch, as a mapping of tensors.

        Where several processes train together, the batch is this one's share, and what the network makes of it, once no weights
        follow, goes through harness.processes.gather: the loss is that of the whole. (Baselines are trained by one process.)

        `loss` is a scalar. Other scalars are shown in the curves; `learnable`, a bool [], keeps the step from moving any weight
        where it is false; anything larger is handed to `after_step`. It draws nothing and never waits for the device (steps.py).

        Args: progress: the share of training that is done, float32 [] on the device.
        """

    @abstractmethod
    def embed(self, model, images):
        """float32 [b, dim] of normalised images [b, c, h, w], in evaluation mode; of a pretext task unit vectors, in which
        neighbors are mined."""

    def predict(self, model, embedded):
        """float32 [heads, n, clusters], the probabilities of each cluster, from what `embed` returned."""
        raise NotImplementedError(f"{type(self).__name__} does not cluster")

    def draw(self, indices, generator):
        """What is random in a step on images int64 [b], besides the augmentations: a mapping of tensors, seen as `batch.drawn`.

        Its `rows`, int64 [views, b], says which image each view shows, where that is not the image itself.
        """
        return {}

    def before_epoch(self, model, images, generator):
        """What an epoch is prepared by (new targets, say): tensors, in place.

        Args: images: the training images, uint8 [n, c, h, w] on the device.
        """
        return None

    def after_step(self, model, found, progress):
        """What else moves with each step, after the weights: tensors, in place, without gradients, under the rules of `loss`.

        Args: found: what `loss` returned, detached.
        """
        return None

    def parameter_groups(self, model):
        """What is learned, as a list of optimizers.Group."""
        return [Group([parameter for parameter in model.parameters() if parameter.requires_grad])]


class PretextTask(Task):
    """A task whose module is picked by its name (`pretext --task <name>`), and its settings by it: the section pretext.<name>."""

    VIEWS = 1
    """How many views of each image a step has."""
    trained = True
    """Whether it is trained; else its `fill` has the network's weights from elsewhere."""


def make_network(task, backbone):
    """The task's network on a backbone, by whose name weights are carried over."""
    model = task.network(backbone)
    if getattr(model, "backbone", None) is not backbone:
        raise UserError(f"the network of {type(task).__module__} should have its backbone as the attribute `backbone`")
    return model


def training_labels(task, dataset):
    """int64 [n], the labels of the training images, for a task that may see them; for any other None."""
    if not task.sees_labels:
        return None
    name = type(task).__module__.rpartition(".")[2]
    if name not in MAY_SEE_LABELS:
        raise UserError(f"the task {name} asks for labels, which only {', '.join(MAY_SEE_LABELS)} may see")
    if dataset.joint:
        raise UserError(f"the task {name} learns from labels, and by dataset.joint it would learn those of the test images")
    labels = dataset.labels("train")
    if labels is None:
        raise UserError(f"the task {name} learns from labels, and the training images have none")
    return torch.from_numpy(labels)
