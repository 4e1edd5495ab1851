"""Images that stay in their files: those of a data set that takes more memory than a stage should, and whole photographs."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import torch

from harness.image_files import resampled

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
READERS = max(8, CORES)
"""Threads that read a batch together, a core each at least: a GPU takes more images a second than one copies or resizes."""


class Files:
    """Files of pixels, read by position and not through a memory map, whose pages would count as the process's memory."""

    def __init__(self, files):
        self.files, self.readers = [os.open(file, os.O_RDONLY) for file in files], ThreadPoolExecutor(READERS)

    def read_into(self, pixels, part, offset, image):
        """Fill an array from an offset of file number `part`. Raises OSError, which names the `image`, where there is less."""
        if os.preadv(self.files[part], [pixels], offset) != pixels.nbytes:
            raise OSError(f"{image} is not whole: its file was cut while it was being read")

    def fill(self, function, *arrays):
        """`function` of a part of the arrays in each thread, which fills the first one's."""
        list(self.readers.map(function, *(np.array_split(array, READERS) for array in arrays)))

    def __del__(self):
        for file in getattr(self, "files", ()):
            os.close(file)


class Streamed:
    """Images, read as they are asked for: uint8 [n, channels, height, width].

    Args:
        images: a Stored or decoded.Middles.
        device: where what is indexed comes to lie.
    """

    def __init__(self, images, device):
        count, height, width, channels = images.shape
        self.images, self.device, self.shape = images, device, (count, channels, height, width)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Those of a slice, on the device."""
        return self.read(torch.arange(len(self))[rows]).to(self.device)

    def read(self, rows):
        """The images of int64 [m] rows, uint8 [m, channels, height, width], on the CPU."""
        return torch.from_numpy(self.images[rows.numpy()]).permute(0, 3, 1, 2)


class Stored(Files):
    """Some splits' images, one after another, in their files: uint8 [n, height, width, channels]. One asks for int64 [m] rows.

    Args: arrays: of each split, memory-mapped.
    """

    def __init__(self, arrays):
        super().__init__([array.filename for array in arrays])
        self.ends, self.offsets = list(accumulate(map(len, arrays))), [array.offset for array in arrays]
        self.shape = (self.ends[-1], *arrays[0].shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        self.fill(self._fill, found, rows)
        return found

    def _fill(self, places, rows):
        """Read the images of some rows into `places`, uint8 [m, height, width, channels]."""
        parts = np.searchsorted(self.ends, rows, side="right")
        firsts = np.array([0, *self.ends])[parts]
        for place, row, part, first in zip(places, rows.tolist(), parts.tolist(), firsts.tolist()):
            self.read_into(place, part, self.offsets[part] + (row - first) * place.nbytes, f"image {row} of {len(self)}")


class Photographs(Files):
    """The photographs, whole and of different sizes, of which some splits' images are the middles, one after another: a sequence
    of uint8 [h, w, channels].

    Args: stored: for each split its file, uint8 photographs one after another, and their heights and widths, int64 [n, 2].
    """

    def __init__(self, stored, channels):
        super().__init__([file for file, _ in stored])
        self.channels = channels
        self.sizes = torch.from_numpy(np.concatenate([sizes for _, sizes in stored]))
        ends = [sizes.prod(1).cumsum() * channels for _, sizes in stored]
        self.offsets = np.concatenate([np.append(0, end[:-1]) for end in ends])
        self.parts = np.repeat(np.arange(len(stored)), [len(sizes) for _, sizes in stored])

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, row):
        """The photograph of a row."""
        return self._region(row, 0, 0, *self.sizes[row].tolist())

    def crop(self, rows, boxes, side):
        """What lies in boxes int64 [m, 4] (top, left, height, width) of the photographs of int64 [m] rows, resized, bilinear and
        antialiased, to uint8 [m, channels, side, side], on the CPU."""
        found = np.empty((len(rows), side, side, self.channels), np.uint8)
        self.fill(self._fill, found, rows.numpy(), boxes.numpy())
        return torch.from_numpy(found).permute(0, 3, 1, 2)

    def _fill(self, places, rows, boxes):
        for place, row, box in zip(places, rows.tolist(), boxes.tolist()):
            place[...] = resampled(self._region(row, *box), *place.shape[:2])

    def _region(self, row, top, left, height, width):
        """A box of a photograph, uint8 [height, width, channels]. Its rows are read in full: they lie together."""
        pixels = np.empty((height, self.sizes[row, 1].item(), self.channels), np.uint8)
        self.read_into(pixels, self.parts[row], self.offsets[row] + top * pixels[0].nbytes, f"photograph {row} of {len(self)}")
        return pixels[:, left : left + width]
