"""What DVC, or the project's own processes, left half-written where they were killed or the disk was full, and DVC without git.

DVC writes most files beside their place and then moves them there, and its databases, SQLite, go back to the last whole state by
themselves. These alone it writes in place, or leaves, so that every later command of it ends there:

    dvc.lock, studies/*/dvc.lock   cut short; what it said of stages that ran is in the cache of runs
    .dvc/tmp/rwlock                cut short or empty, or with a process that is no more and whose number another now has
    .dvc/cache/runs                a folder made and not filled, or a half file beside its place that DVC takes for the newest
"""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

from harness.errors import UserError
from harness.files import read_text, write_json, write_text, writer

PAGES = 2**16  # bytes, a few of a database's pages
WRITTEN = ("runs/**", "data/*", "checkpoints", "report/output/**")  # by the project's own processes


@contextlib.contextmanager
def held():
    """DVC's Repo, with the lock that DVC holds while it writes any of its files. Raises UserError where it cannot be taken."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            yield repo
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipelines: {error}") from None
    except sqlite3.Error as error:
        raise UserError(f"DVC cannot write its database ({error}): is the disk full?") from None


def make_ready():
    """Mend whatever would end the next command of DVC."""
    do_without_git()
    remove_partial()
    repair()


def repair():
    """Mend these, and remove what else DVC began to write. A DVC that is at work is not disturbed."""
    with held() as repo:
        runs = Path(repo.stage_cache.cache_dir)
        for place in (Path(repo.dvc_dir, "cache"), runs, Path("runs")):
            for file in place.rglob(".*.tmp"):
                file.unlink(missing_ok=True)
        for folder in runs.glob("*/*"):
            with contextlib.suppress(OSError):  # which says that it is not empty
                folder.rmdir()
        for lock in (Path("dvc.lock"), *Path("studies").glob("*/dvc.lock")):
            if lock.exists() and not is_whole(lock, repo):
                lock.unlink()
                print(f"{lock} was half-written and is removed: what it said of stages that ran is in DVC's cache", flush=True)
        mend_list(Path(repo.tmp_dir, "rwlock"))


def remove_partial():
    """Remove what harness.files.writing had begun in processes of this machine that are no more."""
    import psutil

    for file in (found for place in WRITTEN for found in Path().glob(f"{place}/.*.partial")):
        *_, process, _ = file.name.split(".")  # of a file from elsewhere this is something else
        if process.isdecimal() and file.name.endswith(writer(process)) and not psutil.pid_exists(int(process)):
            file.unlink(missing_ok=True)


def is_whole(lock, repo):
    """Whether a dvc.lock is as DVC wrote it: cut short, its last line may be another value that YAML takes."""
    from dvc.dvcfile import Lockfile
    from dvc.utils.serialize import EncodingError
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    try:
        Lockfile(repo, str(lock)).load()
    except (EncodingError, YAMLSyntaxError, YAMLValidationError):
        return False
    return lock.read_bytes().endswith(b"\n")


def mend_list(file):
    """Leave in DVC's list of what its processes read and write those processes that there are."""
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    try:
        found = SCHEMA(json.loads(file.read_text()))
    except FileNotFoundError:
        return
    except (ValueError, Invalid):  # not JSON, or of another form
        found = SCHEMA({})
    read = {path: [reader for reader in readers if is_dvc(reader["pid"])] for path, readers in found["read"].items()}
    at_work = {"read": {path: readers for path, readers in read.items() if readers},
               "write": {path: writer for path, writer in found["write"].items() if is_dvc(writer["pid"])}}
    write_json(file, at_work)


def is_dvc(process):
    """Whether the process of that number is a DVC."""
    import psutil

    try:
        return any(Path(part).name == "dvc" for part in psutil.Process(process).cmdline())
    except psutil.NoSuchProcess:
        return False


def without_room():
    """Whether DVC has none for its files or its databases. It would try to write the latter for ever (diskcache's _transact)."""
    from dvc.dirs import site_cache_dir

    return any(shutil.disk_usage(place).free < PAGES for place in (Path(), Path(site_cache_dir())) if place.exists())


def do_without_git():
    """Let DVC do without git where there is none, as in an unpacked archive of the code: by a line in .dvc/config.local."""
    from dvc.scm import SCM, SCMError

    settings = Path(".dvc/config.local")
    try:
        SCM(".")
    except SCMError:
        if not settings.exists():
            write_text(settings, "[core]\n    no_scm = true\n")
        elif "no_scm" not in read_text(settings):
            raise UserError("there is no git here: `dvc config --local core.no_scm true` lets DVC do without") from None
