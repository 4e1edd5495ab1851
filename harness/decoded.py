"""Photographs that are decoded from their files whenever they are asked for: those of a data set that is not kept decoded.

Worker processes, torch's DataLoader, decode them, one a core: Pillow holds Python's lock for too long for threads.
"""

import hashlib
import io
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from harness.errors import UserError
from harness.image_files import middle, read_photograph, resampled
from harness.images import CORES

WORKERS = max(1, CORES // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))  # of each of the processes that train together here
WAITED_FOR = hasattr(signal, "sigtimedwait")  # not on macOS
AGAIN = "make the data set again by `dvc repro dataset`"


class Decoded:
    """Photographs of different sizes, in files, with what images.Photographs has.

    Args:
        files: their paths.
        digests: uint8 [n, 32], the SHA-256 of each.
        sizes: int64 [n, 2], their heights and widths, once they are read.
        how: the arguments of image_files.read_photograph.
    """

    def __init__(self, files, digests, sizes, how):
        self.sizes, self.channels = torch.from_numpy(sizes), how["channels"]
        self.decoder, self.pieces = Decoder(files, digests, how), []
        # The loader has a generator of its own, since it would else draw from the one that all share. It refers to nothing that
        # refers to it: where the garbage collector finds it, each worker takes five seconds to end.
        self.loader = DataLoader(self.decoder, batch_sampler=self.pieces, num_workers=WORKERS, collate_fn=lambda found: found,
                                 worker_init_fn=partial(begin_worker, os.getpid()), persistent_workers=True,
                                 multiprocessing_context="fork", generator=torch.Generator())

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, row):
        """The photograph of a row, uint8 [h, w, channels]. Raises UserError where its file is not as it was."""
        return self.decoder.photograph(row)

    def crop(self, rows, boxes, side):
        """As Photographs.crop."""
        pieces = rows.argsort(stable=True).chunk(2 * WORKERS)  # sorted, since a photograph is decoded once for crops in a row
        self.pieces[:] = [(rows[piece].tolist(), boxes[piece].tolist(), side) for piece in pieces]
        found = torch.empty(len(rows), side, side, self.channels, dtype=torch.uint8)
        try:
            for piece, crops in zip(pieces, self.loader):
                if isinstance(crops, UserError):
                    raise crops
                found[piece] = torch.from_numpy(crops)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"a process that decodes images has died, as where memory is short ({reason}): run the same command "
                            "again to go on") from None
        return found.permute(0, 3, 1, 2)


class Decoder:
    """What a worker does. Args: as those of Decoded."""

    def __init__(self, files, digests, how):
        self.files = np.array([os.fsencode(file) for file in files])  # of a list each worker would come to have a copy
        self.digests, self.how = digests, how

    def photograph(self, row):
        file = os.fsdecode(self.files[row])
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise UserError(f"{file} cannot be read any more ({error.strerror}): put it back, or {AGAIN}") from None
        if hashlib.sha256(content).digest() != self.digests[row].tobytes():
            raise UserError(f"{file} has changed since the data set was prepared: {AGAIN}")
        return read_photograph(io.BytesIO(content), **self.how)

    def __getitems__(self, piece):
        """The crops of one of Decoded.pieces, uint8 [m, side, side, channels]; or why there are none. As NumPy: tensors would go
        through /dev/shm, which may be small."""
        rows, boxes, side = piece
        found, before = np.empty((len(rows), side, side, self.how["channels"]), np.uint8), None
        for place, row, (top, left, height, width) in zip(found, rows, boxes):
            if row != before:
                try:
                    photograph, before = self.photograph(row), row
                except UserError as error:
                    return error
            place[...] = resampled(photograph[top : top + height, left : left + width], side, side)
        return found


def begin_worker(stage, number):
    """Leave signals to the process `stage`, which ends its workers: those that a whole job gets tell it to save itself, say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if WAITED_FOR:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_with, args=[stage], daemon=True).start()


def end_with(stage):
    """End this process by the SIGTERM of the process `stage`, and by none of others; or once that is gone. (The loader's own look
    for that does not end a worker whose images nobody takes any more.)"""
    while os.getppid() == stage:
        told = signal.sigtimedwait({signal.SIGTERM}, 1) if WAITED_FOR else time.sleep(1)
        if told and told.si_pid == stage:
            break
    os._exit(0)


class Middles:
    """The middle squares of photographs, uint8 [n, side, side, channels]. A row, a slice or rows, int64 [...], may be asked for.

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
        found = self.photographs.crop(rows.flatten(), self._boxes(rows.flatten()), self.side).permute(0, 2, 3, 1)
        return found.numpy().reshape(*rows.shape, *self.shape[1:])

    def _boxes(self, rows):
        sizes = self.photographs.sizes[rows]
        corners = ((sizes - self.side) / 2).round().to(torch.int64)  # to even, as image_files.middle
        return torch.cat([corners, torch.full_like(sizes, self.side)], 1)
