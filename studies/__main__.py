"""Studies: checked, written, planned, run.

    python -m studies write                       each study's dvc.yaml from its study.yaml
    python -m studies plan [STUDY ...]            what would run, and how long by earlier records
    python -m studies run [STUDY ...] --jobs N    run it, N stages side by side, and build the report
"""

import argparse
import sys

from harness.command import guarded
from harness.errors import UserError
from studies import pipeline
from studies.plan import plan
from studies.run import run
from studies.study import names


def main():
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write")
    for name in ("plan", "run"):
        command = commands.add_parser(name)
        command.add_argument("studies", nargs="*", metavar="STUDY", help="all, where none is named")
        command.add_argument("--jobs", type=int, default=1, metavar="N", help="stages at a time, each of execution.threads")
    options = parser.parse_args()
    return guarded(COMMANDS[options.command], options)


def write(options):
    for path in pipeline.write():
        print("written:", path)


def known(studies):
    for study in studies:
        if study not in names():
            raise UserError(f"there is no study '{study}'; there are {', '.join(names())}")
    return studies


COMMANDS = {
    "write": write,
    "plan": lambda options: plan(known(options.studies), options.jobs),
    "run": lambda options: run(known(options.studies), options.jobs),
}

if __name__ == "__main__":
    sys.exit(main())
