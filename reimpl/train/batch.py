"""The views of the images of a step: drawn on the CPU, made on the device."""

from dataclasses import dataclass
from itertools import groupby

import torch

from harness.images import Streamed
from harness.processes import share


@dataclass(frozen=True)
class Batch:
    """What a loss is computed from, on the device.

    Args:
        pieces: float32 [views * b, c, h, w], normalised: the views that share an augmentation, all first ones first.
        drawn: what Task.draw drew for the step.
        indices: int64 [b], the images of the step; where several processes train together, this one's.
        labels: int64 [b], for a task that may see them; else None.
    """

    pieces: tuple
    drawn: dict
    indices: torch.Tensor
    labels: torch.Tensor | None = None

    @property
    def views(self):
        """Each view, float32 [b, c, h, w]."""
        return [view for piece in self.pieces for view in piece.split(len(self.indices))]

    @property
    def joined(self):
        """All views as one batch, float32 [views * b, c, h, w], with BatchNorm statistics in common."""
        return self.pieces[0] if len(self.pieces) == 1 else torch.cat(self.pieces)


def draw_batch(task, indices, images, generator, photographs=None):
    """All that is random in a step on the images of int64 [b] `indices`, as draws.py has it; of the images, this process's share.

    Views side by side that are of one augmentation are drawn, and made, together. Args: photographs: the images.Photographs or
    decoded.Decoded that the images are cropped from, where that is not themselves.
    """
    drawn = task.draw(indices, generator)
    rows = drawn.pop("rows", None)
    rows = indices.repeat(len(task.views), 1) if rows is None else rows
    augmentations = {str(number): shares(augment.draw(count * len(indices), *images.shape[2:], generator), count)
                     for number, (augment, count) in enumerate(pieces(task.views))}
    read, mine = {}, share(rows, 1).flatten()
    if photographs is not None:
        boxes = draw_boxes(task, photographs.sizes[rows], images.shape[2], generator)
        read["pixels"] = photographs.crop(mine, boxes, images.shape[2])
    elif isinstance(images, Streamed):
        read["pixels"] = images.read(mine)
    indices, rows = share(indices), share(rows, 1)
    return {"indices": indices, "rows": rows, "task": drawn, "augmentations": augmentations, **read}


def draw_boxes(task, sizes, side, generator):
    """What this process's share of the images is cropped to, int64 [views * share, 4]. Args: sizes: int64 [views, b, 2], of the
    photographs."""
    counts = [count for _, count in pieces(task.views)]
    drawn = [augment.draw_boxes(some.flatten(0, 1), side, generator)
             for (augment, _), some in zip(pieces(task.views), sizes.split(counts))]
    return shares(torch.cat(drawn), len(task.views))


def shares(drawn, views):
    """This process's part of the draws for `views` views of each image, of all first ones first."""
    if isinstance(drawn, dict):
        return {name: shares(value, views) for name, value in drawn.items()}
    return share(drawn.unflatten(0, (views, -1)), 1).flatten(0, 1)


def make_batch(task, images, drawn, labels=None):
    """The Batch that was drawn.

    Args: images: uint8 [n, c, h, w], or Streamed; not looked at where `drawn` has pixels. labels: int64 [n] or None. All on one
    device.
    """
    parts, indices = pieces(task.views), drawn["indices"]
    pixels = drawn["pixels"] if "pixels" in drawn else images[drawn["rows"].flatten()]
    made = [augment.apply(part, drawn["augmentations"][str(number)]) for number, ((augment, _), part) in enumerate(
        zip(parts, pixels.split([count * len(indices) for _, count in parts])))]
    return Batch(tuple(made), drawn["task"], indices, None if labels is None else labels[indices])


def pieces(views):
    """The augmentations of `views`, each with the number of views, side by side, that it makes."""
    return [(augment, len(list(same))) for augment, same in groupby(views)]
