"""The authors' modules, imported from the checkout under the shims, as far as the checkout is at hand."""

import contextlib
import importlib
import sys
from pathlib import Path

import torch

from original_ref import checkout, launch, shims

MODULES = ("losses.losses", "models.models", "models.resnet", "models.resnet_cifar", "models.resnet_stl", "data.augment",
           "data.custom_dataset", "utils.memory", "utils.evaluate_utils", "utils.train_utils", "utils.ema", "utils.common_config")


def at_hand():
    """Whether the checkout is in the cache folder, or can be put there without a network."""
    import os

    source = os.environ.get(checkout.SOURCE, "")
    return checkout.folder().exists() or Path(source).exists() and bool(source)


class Reference:
    """`reference.losses`, `reference.memory` and so on: their modules, by the last part of their name."""

    def __init__(self):
        for name in MODULES:
            setattr(self, name.rsplit(".")[-1], importlib.import_module(name))


@contextlib.contextmanager
def imported(root):
    """A Reference; what the shims replaced in PyTorch is put back at the end."""
    before = torch.save, torch.Tensor.cuda, torch.Tensor.topk, torch.nn.Module.cuda
    launch.import_from(checkout.fetch())
    try:
        shims.apply_shims(Path(root), gpu=False)
        yield Reference()
    finally:
        torch.save, torch.Tensor.cuda, torch.Tensor.topk, torch.nn.Module.cuda = before
        sys.path.remove(str(checkout.folder()))
