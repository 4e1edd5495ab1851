"""How a batch goes through operations of which each image takes its own."""

import torch

PIECE = 128 * 3 * 32 * 32  # values: few enough for a processor's cache, and enough for what each call costs by itself


def in_pieces(function, images, *draws):
    """`function(images, *draws)`, on a CPU a few images at a time, which is several times as fast.

    Args: images [b, ...]; draws: tensors [b, ...].
    """
    count = max(len(images), 1)
    if images.device.type == "cpu":
        count = max(PIECE // max(images[:1].numel(), 1), 1)
    return torch.cat([function(*piece) for piece in zip(*(each.split(count) for each in (images, *draws)))])


def in_turns(images, turns):
    """Images after several turns, in each of which an image takes one of several operations.

    Images of the same operation are brought together, so that each operation has its own in one piece.

    Args:
        images: [b, ...].
        turns: (choice, values, operations) each: int64 [b] and float64 [b, v], on the CPU; `operations[k](images, values)`
            changes, in place, the images whose choice is k.
    """
    rows = torch.arange(len(images))  # which image stands where
    for choice, values, operations in turns:
        order = choice[rows].argsort(stable=True)
        rows = rows[order]
        counts = choice.bincount(minlength=len(operations)).tolist()
        images = images.index_select(0, order.to(images.device))
        for operation, *some in zip(operations, images.split(counts), values[rows].to(images.device).split(counts)):
            operation(*some)
    return images.index_select(0, rows.argsort().to(images.device))


def keep_(images, values):
    """The operation that changes nothing."""
