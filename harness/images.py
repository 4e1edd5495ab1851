"""Images that stay in their files, where a data set takes more memory than a stage should."""

import os
from itertools import accumulate

import numpy as np
import torch


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
        self.parts = [(os.open(array.filename, os.O_RDONLY), array.offset) for array in stored]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Those of a slice, on the device."""
        return self.read(torch.arange(len(self))[rows]).to(self.device)

    def read(self, rows):
        """The images of int64 [m] rows, uint8 [m, channels, height, width], on the CPU."""
        found = torch.empty(len(rows), *self.pixels, dtype=torch.uint8)
        pixels, size = found.numpy(), int(np.prod(self.pixels))
        for place, row in enumerate(rows.tolist()):
            part = np.searchsorted(self.ends, row, side="right")
            file, offset = self.parts[part]
            first = self.ends[part - 1] if part else 0
            if os.preadv(file, [pixels[place]], offset + (row - first) * size) != size:
                raise OSError(f"image {row} of {len(self)} is not whole: its file was cut while it was being read")
        return found.permute(0, 3, 1, 2).contiguous()

    def __del__(self):
        for file, _ in getattr(self, "parts", ()):
            os.close(file)
