"""How a batch goes through operations of which each image takes its own."""

import torch

PIECE = 128 * 3 * 32 * 32  # values: few enough for a processor's cache, and enough for what each call costs by itself


def picks(images):
    """Whether an operation is done on the images that take it alone, or on all, and kept where it is taken.

    A CPU saves the work. On a GPU, to bring images together costs as much, and what is done on all of them has one shape every
    time, so that a step can be recorded.
    """
    return images.device.type == "cpu"


def in_pieces(function, images, *draws):
    """`function(images, *draws)`, on a CPU a few images at a time, which is several times as fast.

    Args: images [b, ...]; draws: tensors [b, ...].
    """
    if not picks(images):
        return function(images, *draws)
    count = max(PIECE // max(images[:1].numel(), 1), 1)
    return torch.cat([function(*piece) for piece in zip(*(each.split(count) for each in (images, *draws)))])


def in_turns(images, turns):
    """Images after several turns, in each of which an image takes one of several operations.

    Args:
        images: [b, ...].
        turns: (choice, values, operations) each: int64 [b] and float64 [b, v]; `operations[k](images, values)` changes, in
            place, the images whose choice is k.
    """
    return (_together if picks(images) else _everywhere)(images, turns)


def _together(images, turns):
    """Images of the same operation are brought together, so that each operation has its own in one piece."""
    rows = torch.arange(len(images))  # which image stands where
    for choice, values, operations in turns:
        order = choice[rows].argsort(stable=True)
        rows = rows[order]
        counts = choice.bincount(minlength=len(operations)).tolist()
        images = images.index_select(0, order)
        for operation, *some in zip(operations, images.split(counts), values[rows].split(counts)):
            operation(*some)
    return images.index_select(0, rows.argsort())


def _everywhere(images, turns):
    for choice, values, operations in turns:
        before = images
        for number, operation in enumerate(operations):
            if operation is not keep_:
                changed = before.clone()
                operation(changed, values)
                images = torch.where((choice == number).view(-1, 1, 1, 1), changed, images)
    return images


def keep_(images, values):
    """The operation that changes nothing."""
