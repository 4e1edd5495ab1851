"""One stage at work, of whichever implementation: its device, seeds, clock, and the hashes that identify it."""

import ctypes
import hashlib
import json
import math
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from harness import decoded, processes, stages  # noqa: F401  `decoded` is part of what makes a result; prepared.py imports it late
from harness.errors import UserError
from harness.images import Streamed
from harness.params import execution
from harness.record import hashes, write_record
from harness.sources import PIECE

CHECKPOINTS = Path("checkpoints")
ROOMS = ("harness", "reimpl", "original_ref")


def find_device(choice):
    """`auto` takes a GPU where there is one."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: execution.device is cuda, and torch finds no GPU: set it to auto or cpu")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def keep_freed_memory():
    """Let the C library keep what is freed, for the next tensor, where it is glibc.

    Left alone it gives large blocks back at once, and at the next step the system must clear and hand out the same pages again:
    up to 40 % of a training step on a CPU.
    """
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD in malloc.h
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def derive_seed(stage, seed):
    """A seed of its own for each stage, so that no two stages share their draws."""
    return int.from_bytes(hashlib.sha256(f"{stage}/{seed}".encode()).digest()[:8], "big") >> 1


class Session:
    """One stage at work: its device, its random generator, its clock, its inputs' hashes.

    Args: settings: the settings dataclasses in force, by section, for the record.
    """

    def __init__(self, cell, inputs, settings):
        self.cell, self.settings, self.execution = cell, settings, execution()
        self.device = find_device(self.execution.device)
        self.processes = processes.count()
        self.trained_in = None  # float32 or bfloat16, once a stage trains
        torch.set_num_threads(self.execution.threads)
        keep_freed_memory()
        torch.manual_seed(derive_seed(cell.stage, cell.seed))  # initial weights
        self.generator = torch.Generator().manual_seed(derive_seed(cell.stage + " training", cell.seed))
        self.inputs = hashes(inputs.values())
        self.began, self.seconds_before = time.monotonic(), 0.0

    def seconds(self):
        """Wall time so far, interrupted attempts up to their last checkpoint included."""
        return self.seconds_before + time.monotonic() - self.began

    def images(self, dataset, *splits):
        """All images of some splits, one after another, uint8 [n, c, h, w], on the device; or Streamed, where they are many."""
        images = Streamed(dataset.reader(*splits), self.device)
        if math.prod(images.shape) > self.execution.resident_mib * 2**20:
            return images
        resident = torch.empty(images.shape, dtype=torch.uint8, device=self.device)
        for start in range(0, len(images), PIECE):  # so that they are in memory once, and not once more as they are stored
            resident[start : start + PIECE] = images[start : start + PIECE]
        return resident

    def record(self, out, metrics, curves=(), degenerate=(), rate=None, known_by=None):
        write_record(out, self.cell, settings=self.settings, metrics=metrics, curves=list(curves), degenerate=list(degenerate),
                     inputs=self.inputs, seconds=self.seconds(), device=self.device, threads=self.execution.threads,
                     processes=self.processes, trained_in=self.trained_in, rate=rate, known_by=known_by)

    def identity(self):
        """A hash of all that decides the result of this stage, to the last bit: what it is made from, and torch."""
        return hashlib.sha256(f"{self.made_from()} {torch.__version__}".encode()).hexdigest()

    def made_from(self):
        """A hash of what the result of this stage is made from: cell, settings, inputs, code."""
        parts = [asdict(self.cell), {key: asdict(value) for key, value in self.settings.items()}, self.inputs]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
        for file in source_files():
            digest.update(file.read_bytes())
        return digest.hexdigest()


def source_files():
    """The project's files that this process has imported, but the table of stages: what it says of one stands in its command."""
    rooms = tuple(f"{Path(__file__).parent.parent / room}{os.sep}" for room in ROOMS)
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return sorted(Path(file) for file in files - {stages.__file__} if file.startswith(rooms))
