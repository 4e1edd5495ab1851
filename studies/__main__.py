"""python -m studies summary --study S --dataset D --out FOLDER"""

import argparse
import sys
from pathlib import Path

from harness.command import guarded
from studies.summary import summarise


def main():
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    summary = commands.add_parser("summary", help="collect a study's records, for the report")
    summary.add_argument("--study", required=True)
    summary.add_argument("--dataset", required=True)
    summary.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    return guarded(summarise, options.study, options.dataset, options.out)


if __name__ == "__main__":
    sys.exit(main())
