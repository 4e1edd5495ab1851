"""How images go through operations of which each takes its own."""

import torch


def picks(images):
    """Whether each operation does the images that are its own and no others.

    A CPU saves the work. On a GPU each does all images, and the others' results are thrown away: to find out which they are costs
    more than the work, and steps of one shape can be recorded.
    """
    return images.device.type == "cpu"


def in_turns(images, turns):
    """Images after several turns, in each of which an image takes one of several operations.

    Args:
        images: [b, ...].
        turns: (choice, operations) each: int64 [b], 0 where the image stays as it is; pairs of a function and its parameter,
            one row an image, the first pair for choice 1. The function changes images in place.
    """
    if not picks(images):
        for choice, operations in turns:
            for number, (operation, parameter) in enumerate(operations, 1):
                changed = images.clone(memory_format=torch.contiguous_format)
                operation(changed, parameter)
                images = torch.where((choice == number).view(-1, 1, 1, 1), changed, images)
        return images
    # Images of the same operation are brought together, so that each takes them in one piece.
    rows = torch.arange(len(images))  # which image stands where
    for choice, operations in turns:
        order = choice[rows].argsort(stable=True)
        rows, images = rows[order], images.index_select(0, order)
        counts = choice.bincount(minlength=len(operations) + 1).tolist()
        groups = zip(operations, images.split(counts)[1:], rows.split(counts)[1:])
        for (operation, parameter), some, theirs in groups:
            operation(some, parameter[theirs])
    return images.index_select(0, rows.argsort())
