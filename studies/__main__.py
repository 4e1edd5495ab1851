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
        command.add_argument("--jobs", type=positive, default=1, metavar="N", help="stages at a time, each of execution.threads")
    options = parser.parse_args()
    return guarded(COMMANDS[options.command], options)


def write(options):
    for path in pipeline.write():
        print("written:", path)


def positive(text):
    """A whole number above 0, as the command line takes it."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} should be a whole number above 0")
    return int(text)


def current(studies):
    """`studies`, once there is each of them and every pipeline is what its study.yaml says."""
    for path in pipeline.outdated():
        raise UserError(f"{path} is not what study.yaml beside it says: `python -m studies write` brings it up to date")
    return known(studies)


def known(studies):
    for study in studies:
        if study not in names():
            raise UserError(f"there is no study '{study}'; there are {', '.join(names())}")
    return studies


COMMANDS = {
    "write": write,
    "plan": lambda options: plan(current(options.studies), options.jobs),
    "run": lambda options: run(current(options.studies), options.jobs),
}

if __name__ == "__main__":
    sys.exit(main())
