"""The settings files of stages: those of a data set, with what an arm changes laid over them, cut to what a stage reads.

    python -m harness.pipeline.resolve --dataset D [--study S] --out FOLDER

writes a file for each command that all studies share, or with --study for each stage of each of its arms. A stage reads its file
and no other settings, and depends on it: so an edit of a setting runs again what it must and nothing else. (DVC can follow
settings itself, as `params`, and then keeps every value of every stage in dvc.lock, which it reads and writes whole after each
stage.)
"""

import argparse
import sys
from pathlib import Path

from harness.errors import guarded
from harness.files import write_json
from harness.params import about, data_set_settings, matters, settings_file
from harness.pipeline.study import FILE, load_study
from harness.sections import Sections, augmentations, keys, read_settings
from harness.stages import PIPELINE, STAGES


def sections_of(dataset, name="", implementation="", arm="", study=None):
    """The Sections of a data set, and of an arm of the study `name` where that is given. Raises UserError for what is not there.

    Args: study: the Study, where it has been read already.
    """
    file, base = settings_file(dataset), data_set_settings(dataset)
    if not name:
        return Sections(base, file)
    study = study or load_study(name)
    group = study.group(implementation, arm)
    return Sections(base, file, study.arms[implementation][group][arm],
                    f"studies/{name}/{FILE}: arms.{implementation}.{group}.{arm}")


def in_force(cell):
    """The settings dataclasses of a Cell, by section, as they are today."""
    sections = sections_of(cell.dataset, cell.study, cell.implementation, cell.arm)
    return read_settings(sections, STAGES[cell.stage], cell.implementation, cell.variant)


def cut(sections, stage, implementation, variant=""):
    """What a Stage reads of some Sections, in their form, once all of it is right. Raises UserError."""
    settings = read_settings(sections, stage, implementation, variant)
    named = [key for key, _ in augmentations(stage, settings, variant).values() if key.startswith("augmentation.")]
    found = {}
    for key in (*keys(stage, implementation, variant), *named):
        first, _, second = key.partition(".")
        found[first] = {**found.get(first, {}), second: sections.mapping(key)} if second else sections.mapping(key)
    return found


def shared(dataset):
    """The settings of the commands that all studies share, by the name of their file."""
    sections, found = sections_of(dataset), {"report": {"matters": matters(dataset), "about": about(dataset)}}
    for stage in (stage for stage in PIPELINE if stage.shared):
        found |= {f"{stage.name}.{task}".rstrip("."): cut(sections, stage, "reimpl", task)
                  for task in (sections.mapping("pretext") if stage.option == "task" else [""])}
    return found


def of_arms(name, dataset):
    """The settings of each stage of each arm of a study, by the name of their file."""
    study, found = load_study(name), {}
    for implementation, group, arm, _ in study.each_arm():
        sections = sections_of(dataset, name, implementation, arm, study)
        found |= {f"{implementation}/{arm}/{stage.name}":
                  cut(sections, stage, implementation, study.variant(stage, implementation, arm))
                  for stage in study.run(implementation, group)}
    return found


def write(dataset, study, out):
    """Write `<out>/<name>.json` for each command."""
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
