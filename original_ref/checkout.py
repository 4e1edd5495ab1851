"""The authors' repository at its pinned commit: where it lies, how it gets there, and that nothing in it was changed."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from harness.errors import UserError
from harness.files import write_json

COMMIT = "952ec31eee2c38e7233d8ad3ac0de39bb031877a"
REPOSITORY = "https://github.com/wvangansbeke/Unsupervised-Classification"
SOURCE = "SCAN_REFERENCE"
"""Environment variable that names another place to fetch from: a clone or a mirror on this machine, or a URL."""
SECONDS_TO_ANSWER = 15


def folder():
    """Where the checkout lies: in the user's cache folder, one per commit. Raises UserError where there can be none."""
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # this user has no home
        raise UserError("there is no home folder to keep the authors' code in: set XDG_CACHE_HOME to a folder") from None
    return Path(cache) / "scan-repro" / f"reference-{COMMIT[:12]}"


def fetch(source=None):
    """Bring the repository at its pin into `folder()`, unless it is there already. Returns that folder.

    Args: source: a path or URL; by default $SCAN_REFERENCE, else GitHub.
    Raises: UserError where the source cannot be reached or lacks the commit, or the cache folder cannot be used; then nothing is
    left behind.
    """
    target = folder()
    try:
        return verified(target) if target.exists() else _clone(source, target)
    except OSError as error:
        raise UserError(f"{target.parent} cannot be used ({error.strerror}): set XDG_CACHE_HOME to a folder that can") from None


def _clone(source, target):
    source = source or os.environ.get(SOURCE) or REPOSITORY
    _git("ls-remote", "--quiet", source, "HEAD", source=source, timeout=SECONDS_TO_ANSWER)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as temporary:
        clone = Path(temporary) / "clone"
        _git("clone", "--quiet", "--no-checkout", source, str(clone), source=source)
        _git("-C", str(clone), "-c", "advice.detachedHead=false", "checkout", "--quiet", COMMIT, source=source)
        verified(clone)
        try:
            clone.rename(target)
        except OSError:  # another process was first
            if not target.exists():
                raise
    return verified(target)


def verified(checkout):
    """`checkout`, if it is at the pinned commit and no file differs from it, ignored and new ones included."""
    mend = f"remove {checkout} and run `python -m original_ref fetch`"
    head = _git("-C", str(checkout), "rev-parse", "HEAD", source=checkout, mend=mend)
    if head != COMMIT:
        raise UserError(f"{checkout} is at commit {head[:12]}, and should be at {COMMIT[:12]}: {mend}")
    changed = _git("-C", str(checkout), "status", "--porcelain", "--ignored", source=checkout, mend=mend)
    if changed:
        raise UserError(f"{checkout} differs from its commit ({changed.splitlines()[0].strip()}): {mend}")
    return checkout


def availability(checkout=fetch):
    """What AVAILABILITY says: the commit, or why it is unavailable, in words that are the same at each try."""
    try:
        checkout()
    except UserError as error:
        reason = re.sub(r" after \d+ ms|(?<=fetching)-\w+", "", str(error))
        return {"commit": None, "not_run": f"the authors' code is unavailable: {reason}"}
    return {"commit": COMMIT, "not_run": None}


def record_availability(out):
    """Try to fetch, and write the outcome to the file `out`, so that a pipeline can go on either way."""
    found = availability()
    write_json(out, found)
    return found


def _git(*arguments, source, timeout=600, mend=f"set {SOURCE} to a clone or mirror"):
    """git's output; it never asks for a password."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=timeout, env=environment)
    except FileNotFoundError:
        raise UserError("git is not installed, which fetches the authors' code: install it") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{source} did not answer within {timeout} s: {mend}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["git failed"]
        said = next((line for line in lines if line.startswith("fatal: ")), lines[-1])  # the reason; advice may follow it
        said = re.sub(r"^fatal: (unable to access '\S+': )?", "", said)
        raise UserError(f"{source} cannot be used ({said}): {mend}")
    return done.stdout.strip()
