"""What is random in a step: drawn on the CPU from the session's generator, so that a seed means the same on every device.

Draws are tensors, or nested mappings of tensors; a step is a function of them that draws nothing.
"""

import torch

ALIGNED = 16  # bytes


def move(drawn, device):
    """The draws on `device`; a GPU is not waited for, and gets them in one piece."""
    return unpack(pack(drawn, device).to(device, non_blocking=True), drawn) if device.type == "cuda" else to(drawn, device)


def to(drawn, device):
    """The draws on `device`, tensor by tensor."""
    if isinstance(drawn, dict):
        return {name: to(value, device) for name, value in drawn.items()}
    return drawn.to(device)


def pack(drawn, device):
    """The bytes of all draws, uint8 [n], in the CPU's memory: pinned for a GPU, which then copies while the CPU goes on."""
    packed = torch.empty(sum(map(_room, leaves(drawn))), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for place, value in zip(leaves(unpack(packed, drawn)), leaves(drawn)):
        place.copy_(value)
    return packed


def unpack(packed, drawn):
    """Draws of the shapes and dtypes of `drawn`, as views of the bytes that `pack` made of such."""
    pieces = iter(packed.split([_room(leaf) for leaf in leaves(drawn)]))

    def take(value):
        if isinstance(value, dict):
            return {name: take(each) for name, each in value.items()}
        return next(pieces)[: value.nbytes].view(value.dtype).view(value.shape)

    return take(drawn)


def _room(leaf):
    return -(-leaf.nbytes // ALIGNED) * ALIGNED


def leaves(drawn):
    """The tensors of nested mappings, in their order."""
    if not isinstance(drawn, dict):
        return [drawn]
    return [leaf for value in drawn.values() for leaf in leaves(value)]
