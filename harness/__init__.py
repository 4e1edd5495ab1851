"""What every implementation, study and report shares: settings, data sets, files, scores, records, the command line."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def say_what_is_missing(kind, error, traceback):
    """Print one line for a package that is not installed: every command but `make` is called from the environment."""
    if kind is ModuleNotFoundError and not (ROOT / error.name.partition(".")[0]).exists():
        print(f"error: {sys.executable} has no module '{error.name}': enter the environment by `source .venv/bin/activate` "
              "(`make test` makes it)", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = say_what_is_missing  # here, since each command imports this package before any other
