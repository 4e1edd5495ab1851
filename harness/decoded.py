"""Photographs that are decoded from their files whenever they are asked for: those of a data set that is not kept decoded.

Worker processes, torch's DataLoader, decode them, one a core: Pillow holds Python's lock for too long for threads.
"""

import os

import numpy as np
import torch
from torch.utils.data import DataLoader

from harness.errors import UserError
from harness.image_files import middle, read_photograph, resampled
from harness.images import CORES

WORKERS = max(1, CORES // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))  # of each of the processes that train together here


class Decoded:
    """Photographs of different sizes, in files, with what images.Photographs has.

    Args:
        files: their paths.
        sizes: int64 [n, 2], their heights and widths, once they are read.
        how: the arguments of image_files.read_photograph.
    """

    def __init__(self, files, sizes, how):
        self.sizes, self.channels = torch.from_numpy(sizes), how["channels"]
        self.decoder, self.pieces = Decoder(files, self.sizes, how), []
        # The loader has a generator of its own, since it would else draw from the one that all share. It refers to nothing that
        # refers to it: where the garbage collector finds it, each worker takes five seconds to end.
        self.loader = DataLoader(self.decoder, batch_sampler=self.pieces, num_workers=WORKERS, collate_fn=lambda found: found,
                                 persistent_workers=True, multiprocessing_context="fork", generator=torch.Generator())

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, row):
        """The photograph of a row, uint8 [h, w, channels]. Raises UserError where it is not as it was."""
        return self.decoder.photograph(row)

    def crop(self, rows, boxes, side):
        """As Photographs.crop."""
        pieces = rows.argsort(stable=True).chunk(2 * WORKERS)  # sorted, since a photograph is decoded once for crops in a row
        self.pieces[:] = [(rows[piece].tolist(), boxes[piece].tolist(), side) for piece in pieces]
        found = torch.empty(len(rows), side, side, self.channels, dtype=torch.uint8)
        for piece, crops in zip(pieces, self.loader):
            if isinstance(crops, UserError):
                raise crops
            found[piece] = crops
        return found.permute(0, 3, 1, 2)


class Decoder:
    """What a worker does. Args: as those of Decoded."""

    def __init__(self, files, sizes, how):
        self.files = np.array([os.fsencode(file) for file in files])  # of a list each worker would come to have a copy
        self.sizes, self.how = sizes, how

    def photograph(self, row):
        file = os.fsdecode(self.files[row])
        photograph = read_photograph(file, **self.how)
        if (now := photograph.shape[:2]) != (old := tuple(self.sizes[row].tolist())):
            raise UserError(f"{file} is {now[1]}x{now[0]} pixels, and was {old[1]}x{old[0]} when the data set was prepared: "
                            "make it again by `dvc repro dataset`")
        return photograph

    def __getitems__(self, piece):
        """The crops of one of Decoded.pieces, uint8 [m, side, side, channels]; or why there are none."""
        rows, boxes, side = piece
        found, before = np.empty((len(rows), side, side, self.how["channels"]), np.uint8), None
        for place, row, (top, left, height, width) in zip(found, rows, boxes):
            if row != before:
                try:
                    photograph, before = self.photograph(row), row
                except UserError as error:
                    return error
            place[...] = resampled(photograph[top : top + height, left : left + width], side, side)
        return torch.from_numpy(found)


class Middles:
    """The middle squares of photographs, uint8 [n, side, side, channels]. A row, a slice or int64 [m] rows may be asked for.

    Args: photographs: a Decoded.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, photographs, side, channels):
        self.photographs, self.side = photographs, side
        self.shape = (len(photographs), side, side, channels)
        self.ndim = len(self.shape)

    def __len__(self):
        return len(self.photographs)

    def __getitem__(self, rows):
        if isinstance(rows, (int, np.integer)):
            return middle(self.photographs[rows], self.side)
        rows = torch.arange(len(self))[rows]
        return self.photographs.crop(rows, self._boxes(rows), self.side).permute(0, 2, 3, 1).numpy()

    def _boxes(self, rows):
        sizes = self.photographs.sizes[rows]
        corners = ((sizes - self.side) / 2).round().to(torch.int64)  # to even, as image_files.middle
        return torch.cat([corners, torch.full_like(sizes, self.side)], 1)
