"""What a run leaves, in few files of a given size, to be carried from one machine to another.

Large tensors travel in half their precision: weights as float16, and what an optimizer keeps, whose range is wider, as bfloat16.
So a training that goes on from there is not the same to the last bit.
"""

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import torch

from harness import weights
from harness.errors import UserError
from harness.files import existing, writing

PIECE, MOST = 16 * 2**20, 64 * 2**20  # bytes of a file, and of all
SMALL = 4096  # numbers; a tensor of so many keeps its precision
ORDER = ("metrics.json", "predictions.npz", "checkpoints/*.pt", "model.pt", "neighbors.npz")
"""What is packed, of most worth first: the rest can be made again."""
SUFFIX = ".gz"


def pack(work, out):
    """Write `<out>/piece<n>` from the files of ORDER under the folder `work`. Returns the paths that did not fit."""
    files = [file for pattern in ORDER for file in sorted(Path(work).rglob(pattern), key=lambda file: file.stat().st_mtime)]
    buffer, left_out = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            content = gzip.compress(halved(file) if file.suffix == ".pt" else file.read_bytes(), 1)
            if buffer.tell() + len(content) + 20 * tarfile.BLOCKSIZE > MOST:  # with its header and the archive's end
                left_out.append(file)
                continue
            member = tarfile.TarInfo(f"{file.relative_to(work)}{SUFFIX}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for old in Path(out).glob("piece*"):
        old.unlink()
    for number, start in enumerate(range(0, buffer.tell(), PIECE)):
        with writing(Path(out) / f"piece{number}") as temporary:
            temporary.write_bytes(buffer.getbuffer()[start : start + PIECE])
    return left_out


def unpack(pieces, work):
    """Put the files of a folder of pieces back under the folder `work`, weights in float32."""
    files = sorted(existing(Path(pieces), "pack it").glob("piece*"), key=lambda file: int(file.name.removeprefix("piece")))
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(file.read_bytes() for file in files))) as archive:
            found = {member.name: gzip.decompress(archive.extractfile(member).read()) for member in archive}
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{pieces}: a piece is missing or damaged ({error}); bring all of them") from None
    for name, content in found.items():
        path = Path(work) / name.removesuffix(SUFFIX)
        with writing(path) as temporary:
            temporary.write_bytes(content)
        if path.suffix == ".pt":
            weights.save(path, converted(weights.load(path, "bring it again"), torch.float32))


def halved(file):
    """The bytes of a file of weights, or of a checkpoint, with half the precision."""
    value = weights.load(file, "make it again")
    optimizer = {"optimizer": converted(value["optimizer"], torch.bfloat16)} if "optimizer" in value else {}
    buffer = io.BytesIO()
    torch.save({**converted(value, torch.float16), **optimizer}, buffer)
    return buffer.getvalue()


def converted(value, kind):
    """The large floating-point tensors in nested lists and mappings, as dtype `kind`."""
    if isinstance(value, dict):
        return {key: converted(each, kind) for key, each in value.items()}
    if isinstance(value, list):
        return [converted(each, kind) for each in value]
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel() > SMALL:
        return value.to(kind)
    return value
