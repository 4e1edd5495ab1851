"""python -m original_ref fetch | availability | pretext | scan | selflabel | augmentation"""

import argparse
import sys
from pathlib import Path

from harness.command import main
from harness.errors import guarded


def fetch(arguments):
    from original_ref import checkout  # here, as in harness.command

    parser = argparse.ArgumentParser(prog="python -m original_ref fetch", description="Fetch the authors' code at its pin.")
    parser.add_argument("--source", help=f"a clone, a mirror or a URL; by default ${checkout.SOURCE}, else {checkout.REPOSITORY}")
    options = parser.parse_args(arguments)
    print(f"the authors' code is in {checkout.fetch(options.source)}, at commit {checkout.COMMIT}")


def availability(arguments):
    from harness.record import AVAILABILITY
    from original_ref import checkout

    parser = argparse.ArgumentParser(prog="python -m original_ref availability",
                                     description="Fetch if need be, and write down whether the authors' code is available.")
    parser.add_argument("--out", type=Path, default=AVAILABILITY)
    options = parser.parse_args(arguments)
    found = checkout.record_availability(options.out)
    print(found["not_run"] or f"the authors' code is at hand, at commit {found['commit']}")


if __name__ == "__main__":
    commands = {"fetch": fetch, "availability": availability}
    if sys.argv[1:2] and sys.argv[1] in commands:
        sys.exit(guarded(commands[sys.argv[1]], sys.argv[2:]))
    sys.exit(main("original_ref", others=commands))
