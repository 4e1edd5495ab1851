"""What stops the authors' code on today's libraries, and the smallest change at run time that lets it go on.

One entry each in SHIMS, applied in this order before the authors' script starts. Line numbers are of the pinned commit.
tests/original_ref/test_shims.py switches each off and sees its symptom.
"""

import collections
import collections.abc
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch


@dataclass(frozen=True)
class Shim:
    """One obstacle: where it stands, what is seen without the shim, why, and what the shim does."""

    where: str
    symptom: str
    """What the failure says, as a regular expression."""
    reason: str
    apply: Callable
    """Takes the folder that the authors' code may write to."""
    without_gpu_only: bool = False


def stand_in(name, **contents):
    """An importable module `name` that holds `contents`."""
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(contents)


def easydict(root):
    stand_in("easydict", EasyDict=dict)


def termcolor(root):
    stand_in("termcolor", colored=lambda text, *styles: str(text))


def torch_six(root):
    stand_in("torch._six", string_classes=(str, bytes))


def collections_abc(root):
    collections.Mapping, collections.Sequence = collections.abc.Mapping, collections.abc.Sequence


def data_root(root):
    from utils.mypath import MyPath

    MyPath.db_root_dir = staticmethod(lambda database="": str(root / "data"))


def numpy_scalars(root):
    scalars = [np.dtype, np.int64, np.float64, np._core.multiarray.scalar]
    torch.serialization.add_safe_globals(scalars + [type(np.dtype(kind)) for kind in (np.int64, np.float64)])


def whole_checkpoints(root):
    save = torch.save

    def save_whole(value, path):
        if not isinstance(path, str):
            return save(value, path)
        temporary = Path(f"{path}.partial")
        save(value, temporary)
        os.replace(temporary, path)

    torch.save = save_whole


def cuda(root):
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args, **kwargs: self


def memory_bank(root):
    from utils.memory import MemoryBank

    MemoryBank.cuda = MemoryBank.cpu


def faiss_gpus(root):
    import faiss

    if not (hasattr(faiss, "index_cpu_to_all_gpus") and faiss.get_num_gpus()):  # faiss-cpu, too, on a machine with a GPU
        faiss.index_cpu_to_all_gpus = lambda index: index


SHIMS = {
    "easydict": Shim(
        "utils/config.py:7", "No module named 'easydict'",
        "the package is not needed: the settings are only read by key", easydict),
    "termcolor": Shim(
        "simclr.py:20, scan.py:9, selflabel.py:18", "No module named 'termcolor'",
        "the package is not needed: the log is a file", termcolor),
    "torch_six": Shim(
        "utils/collate.py:8", r"No module named 'torch\._six'",
        "removed from PyTorch in 2.0; it held the types of text", torch_six),
    "collections_abc": Shim(
        "utils/collate.py:31, 35", "module 'collections' has no attribute '(Mapping|Sequence)'",
        "removed from Python in 3.10", collections_abc),
    "data_root": Shim(
        "utils/mypath.py:15, data/cifar.py:49", "/path/to/cifar-10",
        "a placeholder that users are to edit; left as it is, the code makes that folder on the machine", data_root),
    "numpy_scalars": Shim(
        "utils/common_config.py:85, scan.py:69, 130", "Weights only load failed",
        "their checkpoints hold NumPy numbers, which torch.load no longer reads unless they are named as safe", numpy_scalars),
    "whole_checkpoints": Shim(
        "simclr.py:124, 128, scan.py:112, 124, selflabel.py:109, 111, 121", "a truncated file",
        "torch.save writes in place: killed half-way, it leaves a file on which the next start fails", whole_checkpoints),
    "cuda": Shim(
        "simclr.py:42 and everywhere", "NVIDIA driver|CUDA",
        "everything is sent to a GPU, whether there is one or not", cuda, without_gpu_only=True),
    "memory_bank": Shim(
        "utils/memory.py:88", "NVIDIA driver|CUDA",
        "sent to the device 'cuda:0' by name", memory_bank, without_gpu_only=True),
    "faiss_gpus": Shim(
        "utils/memory.py:52", "AssertionError|index_cpu_to_all_gpus",
        "mining asks for an index on all GPUs, of which there are none", faiss_gpus),
}


def apply_shims(root, gpu):
    """Apply every shim that this machine needs. Args: root: the folder that may be written to; gpu: whether one is used."""
    for shim in SHIMS.values():
        if not (gpu and shim.without_gpu_only):
            shim.apply(root)
