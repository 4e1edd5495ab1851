"""The command line that every implementation answers to.

    python -m <implementation> <stage> --dataset D --seed S [--study S --arm A] --settings FILE --<input> FOLDER ... --out FOLDER

Which stages there are, and what each takes, stands in harness/stages.py.
"""

import argparse
import gc
import importlib
import os
import re
import sys
from pathlib import Path

from harness.errors import UserError, guarded
from harness.server import hand_over
from harness.stages import STAGES

ENGINE = "SCAN_ENGINE"
LAUNCHED = "TORCHELASTIC_RUN_ID"
"""The variable that torchrun sets for each process that it begins."""
NODES = "SCAN_NODES"
"""The variable that says over how many nodes a job of the cluster is spread, on each of which srun calls its command."""


def main(implementation, arguments=None, others=()):
    """Run one stage. Returns the exit code. Args: others: the implementation's commands that are no stages, for its help."""
    gc.set_threshold(100_000)  # what is imported is no garbage, and to look through it again and again takes a second of a start
    arguments = sys.argv[1:] if arguments is None else arguments
    stages = {name: stage for name, stage in STAGES.items() if implementation in stage.implementations}
    if not arguments or arguments[0] not in stages:
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        usage = f"usage: python -m {implementation} {{{','.join([*others, *stages])}}} ...   (STAGE --help lists its options)"
        print(usage if asked_for_help or not arguments else f"error: no stage '{arguments[0]}'; {usage}",
              file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    code = hand_over(implementation, arguments)
    return code if code is not None else guarded(_run_or_queue, implementation, stages[arguments[0]], arguments[1:])


def seed(text):
    """A seed as the command line takes it: one whole number, or two with a dash between."""
    if not re.fullmatch(r"\d+(-\d+)?", text):
        raise argparse.ArgumentTypeError(f"'{text}' should be a whole number, or two as in 0-3")
    return text


def _run_or_queue(implementation, stage, arguments):
    """Run a stage here, by one process or several, or as a job of the cluster.

    Those without seeds read what lies here, and run where they are called.
    """
    if stage.seeds and engine() == "slurm" and not out_of_reach(implementation):
        importlib.import_module("harness.engine.task").run(implementation, stage, arguments)  # by name, as no stage depends on it
        return
    from harness.params import processes  # as below

    if LAUNCHED not in os.environ and (count := processes(implementation, stage)) > 1:
        importlib.import_module("harness.launch").launch(implementation, [stage.name, *arguments], count)
    else:
        _run(implementation, stage, arguments)


def engine():
    """What runs stages: by the variable that a run of studies and a job of the cluster set, else by execution.engine."""
    if named := os.environ.get(ENGINE):
        return named
    from harness.params import PARAMS, execution  # as below

    return execution().engine if PARAMS.exists() else "local"


def out_of_reach(implementation):
    """Whether it is the authors' code, and that is unavailable: then all that a stage does is to say so."""
    if implementation != "original_ref":
        return False
    from harness.record import reason_not_run  # as below

    return reason_not_run() is not None


def _run(implementation, stage, arguments):
    from harness.files import alone, existing
    from harness.params import check_seeds
    from harness.prepared import in_numbers  # here, since a process that hands its stage over does without numpy
    from harness.record import Cell
    from harness.sections import read_file

    module = importlib.import_module(f"{implementation}.{stage.module or stage.name}")
    parser = argparse.ArgumentParser(prog=f"python -m {implementation} {stage.name}", description=module.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="its name, in params/")
    parser.add_argument("--seed", type=seed, default="0", metavar="S",
                        help="of the pretext task, or of pretext task and clustering, as 0-3")
    parser.add_argument("--study", default="", help="a folder of studies/, where it is for one of its arms")
    parser.add_argument("--arm", default="", help="an entry under `arms` in the study's study.yaml")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="as `dvc repro settings` writes it; without it, those of "
                        "params/ and of the arm as they are")
    if stage.option:
        parser.add_argument(f"--{stage.option}", required=True, dest="variant")
    folders = stage.folders
    for name in folders:
        parser.add_argument(f"--{name}", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if bool(options.study) != bool(options.arm):
        raise UserError("--study and --arm go together: give both or neither")
    check_seeds()
    cell = Cell(implementation, stage.name, options.dataset, options.seed, options.study, options.arm,
                options.variant if stage.option else "")
    inputs = {name: existing(getattr(options, name), "dvc repro") for name in folders}
    if options.settings:
        settings = read_file(existing(options.settings, "dvc repro settings"), stage, implementation, cell.variant)
    else:  # by hand; no stage of a pipeline depends on what makes the file
        settings = importlib.import_module("harness.pipeline.resolve").in_force(cell)
    if "data" in inputs and "dataset" in settings:
        settings["dataset"] = in_numbers(settings["dataset"], inputs["data"])
    hold = importlib.import_module("harness.processes").joined if LAUNCHED in os.environ else alone
    with hold(options.out):
        module.run(cell, settings, inputs, options.out)
