"""Reading and writing files: whole or not at all, and never unpickled.

Every writer goes through `writing`, so a process killed half-way leaves the old file, or none.
Every reader turns a missing, truncated or foreign file into a `UserError` that names it.
"""

import csv
import fcntl
import hashlib
import json
import math
import os
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from harness.errors import UserError


@contextmanager
def writing(path):
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone(out):
    """Hold the folder `out` against other processes: a second one waits until the first has ended, however it ends.

    A pipeline that is killed can leave the stage it started at work; its successor must not write the same files beside it.
    """
    lock = Path("checkpoints") / (str(out).strip("/").replace("/", "-") + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{out}: another process is at work on it; waiting until it ends", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def existing(path, made_by):
    """`path` if it exists, else a `UserError` that says which command makes it."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} is missing: it is made by `{made_by}`")
    return path


def write_json(path, value):
    """Numbers that are not finite, which JSON does not know, become null."""
    with writing(path) as temporary:
        temporary.write_text(json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path):
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}): remove it and make it again") from None


def read_yaml(path):
    """A YAML mapping, read safely (no Python objects)."""
    try:
        value = yaml.load(Path(path).read_text(), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: {getattr(error, 'problem', None) or 'not valid YAML'}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no mapping of settings")
    return value


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, where YAML's own silently keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def write_npz(path, **arrays):
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read_npz(path, *names):
    """The arrays `names` of an .npz file, as a list, or all of them by name; never unpickles."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return [archive[name] for name in names] if names else {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except KeyError as error:
        raise UserError(f"{path} lacks the array {error}: remove it and make it again") from None
    except (ValueError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path} cannot be read ({_first_line(error)}): remove it and make it again") from None


def write_npy(path, array):
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


def write_npy_in_pieces(path, shape, pieces):
    """The same for uint8 of `shape`, from arrays that follow one another along its first axis, one in memory at a time."""
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, np.uint8).data)


def read_npy(path, memory_map=False):
    """One array; with `memory_map`, its bytes stay on disk until used. Never unpickles."""
    try:
        return np.load(path, allow_pickle=False, mmap_mode="r" if memory_map else None)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: it is made by `dvc repro dataset`") from None
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} cannot be read ({_first_line(error)}): remove it and make it again") from None


def write_csv(path, columns, rows):
    """Rows are mappings; each holds exactly `columns`."""
    with writing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def sha256(path):
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__
