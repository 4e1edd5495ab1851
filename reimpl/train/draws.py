"""What is random in a step: drawn on the CPU from the session's generator, so that a seed means the same on every device.

Draws are tensors, or nested mappings of tensors; a step is a function of them that draws nothing.
"""


def move(drawn, device):
    """The draws on `device`; a GPU is not waited for."""
    if isinstance(drawn, dict):
        return {name: move(value, device) for name, value in drawn.items()}
    if device.type == "cuda":
        return drawn.pin_memory().to(device, non_blocking=True)
    return drawn.to(device)


def leaves(drawn):
    """The tensors of nested mappings, in their order."""
    if not isinstance(drawn, dict):
        return [drawn]
    return [leaf for value in drawn.values() for leaf in leaves(value)]
