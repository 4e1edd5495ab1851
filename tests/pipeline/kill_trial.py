"""The pipeline killed at random moments, and on disks that are too small: the same cells.csv in the end, byte for byte.

    python -m tests.pipeline.kill_trial --folder /tmp/trial [--kills 40] [--disks 5] [--seed 0]

Each kill is followed by the one command of the pipeline, and by no other help; a project that is done gives way to a fresh one.
Every other four kills wait, after their random moments, until DVC next writes a file in place, and strike then. A disk is a
tmpfs, for which it takes root; DVC's databases are on it, too. It takes an hour or so; test_kills.py is the same in small.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.pipeline.conftest import tiny_project

COMMAND = ("studies", "run", "main", "--jobs", "2")
SUMMARIES = "runs/*/summary/*/cells.csv"
VICTIMS = ("group", "parent", "child", "all")
IN_PLACE = (".dvc/tmp/rwlock", "dvc.lock", "studies/main/dvc.lock")


def kill(process, victim, draw):
    """SIGKILL for some of a run: its process group, the first process, one that it began, or it and all of these."""
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        first = psutil.Process(process.pid)
        begun = first.children(recursive=True)
        if victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        for one in {"parent": [first], "child": draw.sample(begun, min(1, len(begun))), "all": [first, *begun]}.get(victim, ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def until_dvc_writes(project, process, seconds=5):
    """Wait until one of the files that DVC writes in place changes."""
    files = [project.folder / name for name in IN_PLACE]

    def states():
        return [(found.st_mtime_ns, found.st_size) if (found := status(file)) else None for file in files]

    before, deadline = states(), time.monotonic() + seconds
    while states() == before and process.poll() is None and time.monotonic() < deadline:
        pass


def status(file):
    with contextlib.suppress(FileNotFoundError):
        return file.stat()


def halves(project):
    """Which of the files that DVC writes in place end as none that it has written whole."""
    ends = {name: b"}" if name.endswith("rwlock") else b"\n" for name in IN_PLACE}
    return [name for name, end in ends.items()
            if (project.folder / name).exists() and not (project.folder / name).read_bytes().endswith(end)]


def kills(fresh, expected, took, count, draw, folder):
    """Whether every project that was killed again and again was right in the end. Args: took: seconds of an undisturbed run."""
    right, struck, left = True, 0, collections.Counter()
    while struck < count:
        project = fresh.copy(folder / f"killed-{struck}")
        while True:
            process = project.start(*COMMAND)
            wait = draw.uniform(0.3, 1.1 * took) if struck < count else 1e9
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
            if process.poll() is not None:
                if process.returncode == 0:
                    break
                print(f"  ended with {process.returncode} before it was struck", flush=True)
                right &= struck < count  # a child that lives on can be in the way, but not of the last run
                if struck == count:
                    break
                continue
            victim = VICTIMS[struck % len(VICTIMS)]
            if struck // len(VICTIMS) % 2:
                until_dvc_writes(project, process)
            kill(process, victim, draw)
            struck += 1
            process.wait()  # where a child was struck, the others go on
            left.update(found := halves(project))
            print(f"{struck:3} after {wait:5.1f} s: {victim}{', half-written: ' + ', '.join(found) if found else ''}", flush=True)
        same = project.bytes(SUMMARIES) == expected
        right &= same
        print(f"after {struck} kills: {'the same' if same else 'NOT THE SAME'} in {project.folder}", flush=True)
    print(f"half-written files that were found: {dict(left)}", flush=True)
    return right


def disks(fresh, expected, sizes, folder):
    """Whether every project on a disk that was too small was right, once that was made larger. Args: sizes: KiB."""
    right = True
    for size in sizes:
        disk = folder / f"disk-{size}"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        os.environ["DVC_SITE_CACHE_DIR"] = str(disk / "databases")
        try:
            project = fresh.copy(disk / "project")
            full = project.run(*COMMAND, check=False)
            subprocess.run(["mount", "-o", f"remount,size={8 * size + 2**16}k", disk], check=True)
            again = project.run(*COMMAND, check=False)
            same = project.bytes(SUMMARIES) == expected
            traceback = "Traceback" in full.stdout + full.stderr
            print(f"a disk of {size} KiB: {full.returncode}, then {again.returncode}, {'the same' if same else 'NOT THE SAME'}"
                  f"{', a traceback' * traceback}\n    {full.stderr.strip()[-300:]}", flush=True)
            right &= full.returncode != 0 and again.returncode == 0 and same and not traceback
        finally:
            del os.environ["DVC_SITE_CACHE_DIR"]
            subprocess.run(["umount", "-l", disk], check=True)
    return right


def mebibytes(folder):
    return sum(file.lstat().st_size for file in folder.rglob("*")) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--disks", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    fresh = tiny_project(options.folder / "fresh")
    undisturbed, began = fresh.copy(options.folder / "undisturbed"), time.monotonic()
    undisturbed.run(*COMMAND)
    took, expected = time.monotonic() - began, undisturbed.bytes(SUMMARIES)
    small, large = mebibytes(fresh.folder), mebibytes(undisturbed.folder)
    print(f"undisturbed: {took:.0f} s, {large:.1f} MiB", flush=True)
    steps = [small + (large - small) * (0.1 + 0.6 * index / max(options.disks - 1, 1)) for index in range(options.disks)]
    right = disks(fresh, expected, [round(1024 * (size + 1)) for size in steps], options.folder)
    right &= kills(fresh, expected, took, options.kills, random.Random(options.seed), options.folder)
    print("right" if right else "WRONG")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
