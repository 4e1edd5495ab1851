"""Run a command of the rewrite, and note when its first training step was done.

    python -m harness.bench.first_step FILE PACKAGE ARGUMENT ...
"""

import runpy
import sys
import time
from pathlib import Path

from harness.files import write_text
from harness.progress import Progress


def watch(file):
    """Have the first call of Progress.step write the time, in seconds since the epoch, into `file`."""
    theirs = Progress.step

    def step(self, images, loss):
        if not file.exists():
            loss.item()  # on a GPU, wait for it
            write_text(file, repr(time.time()))
        theirs(self, images, loss)

    Progress.step = step


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
