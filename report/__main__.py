"""python -m report --dataset D [--summaries FOLDER] [--out FOLDER]"""

import argparse
import sys
from pathlib import Path

from harness.command import guarded
from harness.params import looks
from report.page import build


def main():
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--summaries", type=Path, metavar="FOLDER", help="runs/D/summary, where left out")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="report/output/D, where left out")
    options = parser.parse_args()
    out = options.out or Path("report/output") / options.dataset
    summaries = options.summaries or Path("runs") / options.dataset / "summary"
    code = guarded(lambda: build(options.dataset, summaries, out, looks=looks()))
    if code == 0:
        print(f"the report is {out / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
