"""python -m studies check | write | new NAME | plan | run | sweep"""

import argparse
import sys

from harness.command import guarded
from studies import pipeline


def main():
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="write each study's dvc.yaml from its study.yaml, and renew the source files in every one")
    options = parser.parse_args()
    return guarded(write)


def write():
    for path in pipeline.write():
        print("written:", path)


if __name__ == "__main__":
    sys.exit(main())
