"""python -m report --dataset D --summaries FOLDER --out FOLDER"""

import argparse
import sys
from pathlib import Path

from harness.command import guarded
from report.page import build


def main():
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--summaries", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    code = guarded(build, options.dataset, options.summaries, options.out)
    if code == 0:
        print(f"the report is {options.out / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
