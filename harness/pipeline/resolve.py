"""Which settings each stage runs with: those of the data set, with what an arm changes laid over them.

    python -m harness.pipeline.resolve --dataset D [--study S] --out FOLDER

writes a file for each stage that all studies share, or with --study for each stage of each of its arms. A stage depends on its
file, and so an edit of a setting runs again what it must and nothing else. (DVC can follow settings itself, as `params`, and then
keeps every value of every stage in dvc.lock, which it reads and writes whole after each stage.)
"""

import argparse
import sys
from pathlib import Path

from harness.command import guarded
from harness.files import write_json
from harness.params import Section
from harness.pipeline.study import load_study
from harness.stages import PIPELINE


def of_stage(stage, section, task=""):
    """The settings that a Stage reads, by section, from a harness.params.Section. Of the augmentations all: any may be named."""
    keys = [key.format(task=task) for key in stage.sections]
    return {key: section.mapping(key) for key in keys}


def shared(dataset):
    """The settings of the stages that all studies share, by the name of their file."""
    section, found = Section(dataset), {}
    for stage in (stage for stage in PIPELINE if stage.name == "dataset" or stage.seeds == "pretext"):
        variants = section.mapping("pretext") if stage.option == "task" else [""]
        found |= {".".join(filter(None, (stage.name, task))): of_stage(stage, section, task) for task in variants}
    return found


def of_arms(name, dataset):
    """The settings of each stage of each arm of a study, by the name of their file."""
    study, found = load_study(name), {}
    for implementation, groups in study.arms.items():
        for group, arms in groups.items():
            for arm in arms or {}:
                section = Section(dataset, name, implementation, arm)
                found |= {f"{implementation}/{arm}/{stage.name}": of_stage(stage, section, study.start["pretext"])
                          for stage in study.run(implementation, group)}
    return found


def write(dataset, study, out):
    """Write `<out>/<name>.json` for each stage."""
    for name, settings in (of_arms(study, dataset) if study else shared(dataset)).items():
        write_json(out / f"{name}.json", settings)


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.pipeline.resolve", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--study", default="")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    return guarded(write, options.dataset, options.study, options.out)


if __name__ == "__main__":
    sys.exit(main())
