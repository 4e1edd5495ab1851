"""How a batch goes through operations of which each image takes its own."""

from functools import cache

import torch

PIECE = 512 * 3 * 32 * 32  # values: few enough for a processor's cache, and enough for what each call costs by itself


def picks(images):
    """Whether an operation is done on the images that take it alone, by in_turns, or on all, by everywhere.py.

    A CPU saves the work. On a GPU, to bring images together costs as much, and what is done on all of them has one shape every
    time, so that a step can be recorded.
    """
    return images.device.type == "cpu"


def in_pieces(function, images, *draws):
    """`function(images, *draws)`, channels last; on a CPU a few images at a time, which is several times as fast.

    Args: images [b, c, h, w]; draws: tensors [b, ...]; function: to float32 of the images' shape.
    """
    if not picks(images):
        return function(images, *draws).contiguous(memory_format=torch.channels_last)
    count = max(PIECE // max(images[:1].numel(), 1), 1)
    results = torch.empty(images.shape, memory_format=torch.channels_last)
    for result, *piece in zip(*(each.split(count) for each in (results, images, *draws))):
        result.copy_(function(*piece))
    return results


def in_turns(first, images, draws, turns):
    """`first(images, *draws)` after several turns, in each of which an image takes one of several operations, on a CPU.

    Images of the same operation are brought together, so that each operation has its own in one piece.

    Args:
        first: from images [b, ...] and draws, tensors [b, ...], to float32 [b, ...]; each image by itself.
        turns: (choice, values, operations) each: int64 [b] and float64 [b, v]; `operations[k](images, values)` changes, in
            place, the images whose choice is k.
    """
    if not turns:
        return first(images, *draws)
    rows = torch.arange(len(images))  # which image stands where
    for turn, (choice, values, operations) in enumerate(turns):
        order = choice[rows].argsort(stable=True)
        rows = rows[order]
        counts = choice.bincount(minlength=len(operations)).tolist()
        images = images.index_select(0, order)
        if turn == 0:  # not before, since bytes are moved sooner than the floats that `first` makes of them
            images = first(images, *(draw.index_select(0, order) for draw in draws))
        for operation, *some in zip(operations, images.split(counts), values[rows].split(counts)):
            operation(*some)
    return images.index_select(0, rows.argsort())


def keep_(images, values):
    """The operation that changes nothing."""


@cache
def constant(values, device):
    """float32 [len(values)], moved to the device once: a recorded step may not wait for it."""
    return torch.tensor(values, dtype=torch.float32, device=device)
