"""What stops the authors' code on today's libraries or on other data, and the smallest change at run time that lets it go on.

One entry each in SHIMS, applied in this order before the authors' script starts; obstacles.yaml says what each is there for.
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

from harness.files import read_yaml

OBSTACLES = read_yaml(Path(__file__).parent / "obstacles.yaml")


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


def few_clusters(root):
    topk = torch.Tensor.topk
    torch.Tensor.topk = lambda self, k, dim=-1, **kwargs: topk(self, min(k, self.shape[dim]), dim, **kwargs)


APPLY = (easydict, termcolor, torch_six, collections_abc, data_root, numpy_scalars, whole_checkpoints, cuda, memory_bank,
         faiss_gpus, few_clusters)
WITHOUT_GPU_ONLY = (cuda, memory_bank)
SHIMS = {apply.__name__: Shim(**OBSTACLES[apply.__name__], apply=apply, without_gpu_only=apply in WITHOUT_GPU_ONLY)
         for apply in APPLY}


def apply_shims(root, gpu):
    """Apply every shim that this machine needs. Args: root: the folder that may be written to; gpu: whether one is used."""
    for shim in SHIMS.values():
        if not (gpu and shim.without_gpu_only):
            shim.apply(root)
