"""Reports from summaries, without anything being run.

    python -m report                the page of each data set that has summaries, and the page over all of them
    python -m report --dataset D    the page of one data set
    python -m report bundle         the pages and all that they lead to as one zip, report/scan-report.zip
"""

import argparse
import sys
from pathlib import Path

from harness.errors import UserError, guarded
from harness.params import looks
from report import overview, page
from report.bundle import bundle

RUNS, OUT, ZIP = Path("runs"), Path("report/output"), Path("report/scan-report.zip")


def main():
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("bundle",), help="pack the pages that are there, and build none")
    parser.add_argument("--dataset", metavar="D")
    parser.add_argument("--summaries", type=Path, metavar="FOLDER", help="of D; runs/D/summary, where left out")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"{OUT}/D, or {OUT} without D, where left out")
    options = parser.parse_args()
    if options.summaries and not options.dataset:
        parser.error("--summaries takes --dataset")
    if options.command and options.dataset:
        parser.error("bundle takes no --dataset: it packs the pages of all")
    return guarded(packed if options.command else one if options.dataset else everything, options)


def packed(options):
    files = bundle((options.out or OUT) / "index.html", ZIP)
    print(f"{files} files and their checksums are in {ZIP}")


def one(options):
    out = options.out or OUT / options.dataset
    page.build(options.dataset, options.summaries or RUNS / options.dataset / "summary", out, looks=looks())
    print(f"the report is {out / 'index.html'}")


def everything(options):
    folders = sorted({file.parent.parent for file in RUNS.glob("*/summary/*/cells.csv")})
    if not folders:
        raise UserError(f"{RUNS} has no summary of any data set: `make repro` or, of kept records, `python -m studies records` "
                        "makes them")
    out = options.out or OUT
    found = [page.build(folder.parent.name, folder, out / folder.parent.name, looks=looks()) for folder in folders]
    overview.build(found, out)
    print(f"the report on {len(found)} data set{'s' if len(found) > 1 else ''} is {out / 'index.html'}")


if __name__ == "__main__":
    sys.exit(main())
