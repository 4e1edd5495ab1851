"""Images that are read from their files give what an array of them gives."""

import contextlib
import ctypes
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.files import read_npy, write_npy, write_npy_in_pieces
from harness.images import Stored, Streamed


@pytest.fixture
def parts(tmp_path, photos):
    """Real images in two files of 200 and 56, memory-mapped; and all of them as a tensor."""
    pixels = photos.permute(0, 2, 3, 1).contiguous().numpy()
    for name, part in {"train": pixels[:200], "unlabeled": pixels[200:]}.items():
        write_npy(tmp_path / f"{name}.npy", part)
    return [read_npy(tmp_path / f"{name}.npy", memory_map=True) for name in ("train", "unlabeled")], photos


def test_rows_are_those_of_all_parts_one_after_another(parts):
    stored, photos = parts
    streamed = Streamed(Stored(stored), torch.device("cpu"))
    assert len(streamed) == 256 and streamed.shape == tuple(photos.shape)
    rows = torch.tensor([255, 0, 199, 200, 200, 7])
    assert torch.equal(streamed.read(rows), photos[rows])
    for some in (slice(190, 210), slice(250, 999), slice(None, 3), slice(5, 5)):
        assert torch.equal(streamed[some], photos[some])


def test_a_file_that_is_cut_is_no_image(parts):
    stored, _ = parts
    streamed = Streamed(Stored(stored), torch.device("cpu"))
    with open(stored[1].filename, "r+b") as file:
        file.truncate(stored[1].offset + stored[1].nbytes - 1)
    with pytest.raises(OSError, match="image 255 of 256 is not whole"):
        streamed.read(torch.tensor([254, 255]))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="where a process's memory is read is Linux's own")
def test_reading_takes_the_memory_of_what_is_read(tmp_path):
    """Of 256 MiB of pixels, all of which are read, only those at hand are the process's own. Half of them is far more than a
    batch's 4 MiB and its copies."""
    write_npy_in_pieces(tmp_path / "many.npy", (4096, 148, 148, 3), (np.full((256, 148, 148, 3), n, np.uint8) for n in range(16)))
    streamed = Streamed(Stored([read_npy(tmp_path / "many.npy", memory_map=True)]), torch.device("cpu"))
    streamed.read(torch.arange(64))
    before = resident()
    total = sum(int(streamed.read(rows).sum(dtype=torch.int64)) for rows in torch.arange(4096).split(64))
    assert total == 256 * 148 * 148 * 3 * sum(range(16))
    assert resident() - before < 128 * 2**20


def resident():
    """The process's memory, in bytes, less what was freed and is held by the C library for later."""
    with contextlib.suppress(OSError, AttributeError):  # another C library than GNU's
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
