"""Studies: checked, written, made, planned, run, kept.

    python -m studies check                       what is wrong with a study.yaml, and how to mend it
    python -m studies write                       each study's dvc.yaml from its study.yaml
    python -m studies new NAME                    a new study, to be edited
    python -m studies plan [STUDY[/ARM] ...]      what would run, and how long by earlier records
    python -m studies power [STUDY ...]           what the seeds that ran can show, and how many each claim takes
    python -m studies run [STUDY[/ARM] ...]       run it, with --jobs N so many stages side by side, and build the report
    python -m studies run STUDY --engine slurm    the same as jobs of a cluster: docs/cluster.md
    python -m studies run STUDY --until-decided   the same with more seeds, at 5, 10, 20 and 30, until its claims are decided
    python -m studies keep [STUDY ...]            copy records into records/, to be committed
    python -m studies records                     verify those, and sum them up for the report
    python -m studies sweep STUDY                 the file for `wandb sweep`, whose agents run a cell each
    python -m studies view STUDY                  a view of its runs in W&B: mean and deviation over seeds

An ARM is written as its implementation and its name: pretext_task/reimpl/rotation.
"""

import argparse
import re
import sys

from harness.engine.run import plan, run
from harness.engine.sweep import run_cell, sweep
from harness.engine.view import view
from harness.errors import UserError, guarded
from harness.params import ENGINES, dataset_name, settings_file
from harness.pipeline.check import check, check_run
from harness.pipeline.new import new
from harness.pipeline.pipeline import outdated, write
from harness.pipeline.study import load_study, names
from harness.results.archive import coverage, keep, records
from harness.results.verify import kept_folders


def main():
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command_of(commands, "check")
    command_of(commands, "write")
    command_of(commands, "new").add_argument("name", metavar="NAME")
    for name in ("plan", "run"):
        command = command_of(commands, name)
        command.add_argument("chosen", nargs="*", metavar="STUDY[/ARM]", help="all, where none is named")
        command.add_argument("--jobs", type=positive, default=1, metavar="N", help="stages at a time, each of execution.threads; "
                             "with the engine slurm, processes of DVC at a time")
        command.add_argument("--engine", choices=ENGINES, help="execution.engine of params.yaml, where left out")
    command = commands.choices["run"]
    command.add_argument("--until-decided", action="store_true", help="add pretext seeds at looks until the STUDY's claims are "
                         "decided or can no longer be; writes pretext_seeds and looks into params.yaml")
    command.add_argument("--at-most", type=positive, default=30, metavar="N", help="pretext seeds, with --until-decided (30)")
    command.add_argument("--budget", type=duration, default=float("inf"), metavar="TIME", help="2h or 30m, with --until-decided")
    commands.choices["plan"].add_argument("--dataset", metavar="D", help="another than params.yaml names: what is kept of it")
    command = command_of(commands, "keep")
    command.add_argument("studies", nargs="*", metavar="STUDY", help="all, where none is named")
    command.add_argument("--dataset", metavar="D", help="that of params.yaml, where left out")
    command = command_of(commands, "power")
    command.add_argument("studies", nargs="*", metavar="STUDY", help="all, where none is named")
    command.add_argument("--dataset", metavar="D", help="that of params.yaml, where left out")
    command = command_of(commands, "records")
    command.add_argument("--dataset", action="append", default=[], metavar="D", help="each that has any, where left out")
    for name in ("sweep", "view"):
        command_of(commands, name).add_argument("study", metavar="STUDY")
    command = commands.add_parser("cell", help="run one cell for an agent of a sweep")
    for option in ("study", "arm", "seed"):
        command.add_argument(f"--{option}", required=True)
    options = parser.parse_args()
    return guarded(COMMANDS[options.command], options)


def command_of(commands, name):
    """The parser of a command, with what is said of it above."""
    said = "\n".join(line.strip() for line in __doc__.splitlines() if f" -m studies {name} " in line)
    return commands.add_parser(name, description=said, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive(text):
    """A whole number above 0, as the command line takes it."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} should be a whole number above 0")
    return int(text)


def duration(text):
    """Seconds of text such as 2h or 30m, as the command line takes it."""
    if not re.fullmatch(r"\d+(\.\d+)?[hm]", text):
        raise argparse.ArgumentTypeError(f"{text} should be a time such as 2h or 30m")
    return float(text[:-1]) * {"h": 3600, "m": 60}[text[-1]]


def current(chosen):
    """`chosen`, once there are these studies and arms, every pipeline is what its study.yaml says, and the settings are right."""
    check_run()
    for path in outdated():
        raise UserError(f"{path} is not what study.yaml beside it says: `python -m studies write` brings it up to date")
    for study, _, arm in (one.partition("/") for one in chosen):
        known([study])
        if arm:
            load_study(study).group(*arm.partition("/")[::2])
    return chosen


def known(studies):
    for study in studies:
        if study not in names():
            raise UserError(f"there is no study '{study}'; there are {', '.join(names())}")
    return studies


def written(options):
    for path in write():
        print("written:", path)


def planned(chosen, jobs, dataset, engine):
    """What would run on the data set of params.yaml; and of any that has kept records, which cells these are."""
    settings_file(dataset)  # so that there is such a data set
    to_run = dataset_name()
    if dataset == to_run:
        plan(chosen, jobs, engine)
    if kept_folders(dataset) or dataset != to_run:
        coverage(list(dict.fromkeys(one.partition("/")[0] for one in chosen)), dataset)


def ran(options):
    chosen = current(options.chosen)
    if not options.until_decided:
        return run(chosen, options.jobs, options.engine)
    from report.until_decided import until_decided  # imports the report, which other commands do not need

    if len(chosen) != 1:
        raise UserError("--until-decided takes one STUDY")
    until_decided(*known(chosen), dataset_name(), lambda: run(chosen, options.jobs, options.engine), options.at_most,
                  options.budget)


def powered(options):
    from report.forecasts import power  # as above

    power(known(options.studies), options.dataset or dataset_name())


COMMANDS = {
    "check": lambda options: check(),
    "write": written,
    "new": lambda options: new(options.name),
    "plan": lambda options: planned(current(options.chosen), options.jobs, options.dataset or dataset_name(),
                                    options.engine),
    "power": powered,
    "run": ran,
    "keep": lambda options: keep(known(options.studies), options.dataset or dataset_name()),
    "records": lambda options: records(options.dataset),
    "sweep": lambda options: sweep(*known([options.study])),
    "view": lambda options: view(*known([options.study])),
    "cell": lambda options: run_cell(*known([options.study]), options.arm, options.seed),
}

if __name__ == "__main__":
    sys.exit(main())
