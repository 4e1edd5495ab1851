"""Images that stay in their files, where a data set takes more memory than a stage should."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import torch

READERS = 8
"""Threads that read a batch together: a GPU takes more images a second than one thread copies."""


class Streamed:
    """Some splits' images, one after another, read from their files as they are asked for: uint8 [n, channels, height, width].

    Read by position and not through a memory map, whose pages would count as the process's memory.

    Args:
        stored: a memory-mapped array of each split, uint8 [n, height, width, channels].
        device: where what is indexed comes to lie.
    """

    def __init__(self, stored, device):
        self.device = device
        _, *self.pixels = stored[0].shape
        height, width, channels = self.pixels
        self.ends = list(accumulate(map(len, stored)))
        self.shape = (self.ends[-1], channels, height, width)
        self.readers = ThreadPoolExecutor(READERS)
        self.parts = [(os.open(array.filename, os.O_RDONLY), array.offset) for array in stored]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Those of a slice, on the device."""
        return self.read(torch.arange(len(self))[rows]).to(self.device)

    def read(self, rows):
        """The images of int64 [m] rows, uint8 [m, channels, height, width], on the CPU."""
        found = np.empty((len(rows), *self.pixels), np.uint8)
        list(self.readers.map(self._fill, np.array_split(found, READERS), np.array_split(rows.numpy(), READERS)))
        return torch.from_numpy(found).permute(0, 3, 1, 2)

    def _fill(self, places, rows):
        """Read the images of some rows into `places`, uint8 [m, height, width, channels]."""
        parts = np.searchsorted(self.ends, rows, side="right")
        firsts = np.array([0, *self.ends])[parts]
        for place, row, part, first in zip(places, rows.tolist(), parts.tolist(), firsts.tolist()):
            file, offset = self.parts[part]
            if os.preadv(file, [place], offset + (row - first) * place.nbytes) != place.nbytes:
                raise OSError(f"image {row} of {len(self)} is not whole: its file was cut while it was being read")

    def __del__(self):
        for file, _ in getattr(self, "parts", ()):
            os.close(file)
