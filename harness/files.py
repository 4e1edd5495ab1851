"""Reading and writing files: whole or not at all, and never unpickled.

Every writer goes through `writing`, so a process killed half-way leaves the old file, or none.
Every reader turns a missing, truncated or foreign file into a `UserError` that names it.
"""

import copy
import csv
import fcntl
import functools
import hashlib
import io
import json
import math
import os
import platform
import shlex
import sys
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from harness.errors import UserError

ROW = 250  # characters of what write_json writes on one line


@contextmanager
def writing(path):
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{writer(os.getpid())}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def writer(process):
    """How the temporary files of a process of this machine end: others may write into the same folder."""
    return f".{platform.node()}.{process}.partial"


@contextmanager
def alone(out):
    """Hold the folder `out` against other processes: a second one waits until the first has ended, however it ends, and says for
    which.

    A pipeline that is killed can leave the stage it started at work; its successor must not write the same files beside it.
    """
    lock = Path("checkpoints") / (str(out).strip("/").replace("/", "-") + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{out}: {os.fsdecode(lock.read_bytes()) or 'another process'} is at work on it; waiting until it ends",
                  file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        os.truncate(lock, 0)
        os.write(file.fileno(), os.fsencode(f"process {os.getpid()} ({shlex.join(['python', *sys.orig_argv[1:]])})"))
        yield


def existing(path, made_by):
    """`path` if it exists, else a `UserError` that says which command makes it."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} is missing: it is made by `{made_by}`")
    return path


def write_json(path, value):
    """A row of a matrix, or an epoch of a curve, takes one line, for eyes and diffs.

    Numbers that are not finite, which JSON does not know, become null.
    """
    write_text(path, _lines(_finite(value)) + "\n")


def _lines(value, indent=""):
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    line = json.dumps(value, allow_nan=False)
    if len(line) <= ROW and not any(isinstance(item, (dict, list)) for item in held) or not held:
        return line
    inner = indent + " "
    rows = [f"{json.dumps(str(key))}: {_lines(value[key], inner)}" for key in value] if isinstance(value, dict) else [
        _lines(item, inner) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return start + "".join(f"\n{inner}{row}," for row in rows).removesuffix(",") + f"\n{indent}{end}"


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path):
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({_first_line(error)}): remove it and make it again") from None


def write_text(path, text):
    """In UTF-8, whatever the machine's own encoding is; what is not UTF-8 in the name of a file is written as it stands there."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def read_text(path):
    """The text of a file in UTF-8, whatever the machine's own encoding is."""
    try:
        content = Path(path).read_bytes()
        return content.decode()
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: byte {content[error.start]:#x} is not UTF-8; save the file as UTF-8") from None


def read_yaml(path):
    """A YAML mapping, read safely (no Python objects), whose keys are text and given once."""
    text = read_text(path)
    try:
        value = _parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: {getattr(error, 'problem', None) or 'not valid YAML'}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no mapping of settings")
    return copy.deepcopy(value)


@functools.lru_cache(maxsize=64)
def _parsed(text):
    """Parsed once: `studies check` reads a file of settings for each arm. By PyYAML itself: libyaml crashes on deep nesting."""
    return yaml.load(text, Loader=_TextKeys)


class _TextKeys(yaml.SafeLoader):
    """A safe loader that refuses a key that is no text, and one given twice, where YAML's own silently keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            kind = key.tag.removeprefix("tag:yaml.org,2002:")
            if kind not in ("str", "merge"):
                shown = f"'{key.value}' is read as {kind}" if isinstance(key, yaml.ScalarNode) else f"is a {kind}"
                raise _wrong(f"the key {shown}, and should be text", key)
            if key.value in seen and kind == "str":
                raise _wrong(f"the key '{key.value}' is given twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # of a date that there is not, of a number of thousands of digits
            raise _wrong(f"'{node.value[:40]}' cannot be read ({_first_line(error)})", node) from None


def _wrong(what, node):
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def write_npz(path, compressed=False, **arrays):
    with writing(path) as temporary, open(temporary, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)


def read_npz(path, *names):
    """The arrays `names` of an .npz file, as a list, or all of them by name; never unpickles."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return [archive[name] for name in names] if names else {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except TypeError:  # of an array by itself
        raise UserError(f"{path} is no archive of arrays: remove it and make it again") from None
    except KeyError as error:
        raise UserError(f"{path} lacks the array {error}: remove it and make it again") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, OSError) as error:
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


def checked(array, where, dtype, shape, least=0, below=None):
    """`array`, once it is what its readers go by.

    Args: where: its file and name, for the message; dtype: how the name of its dtype begins; shape: a length for each axis, None
    where it may be any; least, below: what whole numbers are at least, and less than, where `below` is given.
    Raises: UserError.
    """
    fits = array.ndim == len(shape) and all(right in (None, length) for length, right in zip(array.shape, shape))
    if not fits or not array.dtype.name.startswith(dtype):
        right = ", ".join("any" if length is None else str(length) for length in shape)
        raise UserError(f"{where} is {array.dtype} [{', '.join(map(str, array.shape))}], and should be {dtype} [{right}]: remove "
                        "it and make it again")
    if below is not None and array.size and not least <= array.min() <= array.max() < below:
        raise UserError(f"{where} holds {array.min()} to {array.max()}, and should hold {least} to {below - 1}: remove it and "
                        "make it again")
    return array


def write_csv(path, columns, rows):
    """Rows are mappings; each holds exactly `columns`."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, file.getvalue())


def read_csv(path):
    return list(csv.DictReader(io.StringIO(read_text(path), newline="")))


def sha256(path):
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__
