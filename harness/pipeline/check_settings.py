"""What is wrong with params.yaml and params/<data set>.yaml, as far as can be told without running a stage."""

import importlib
from dataclasses import replace
from functools import cache

from harness import tasks
from harness.datasets import prepare
from harness.errors import UserError
from harness.files import read_yaml
from harness.params import (
    CLUSTERS,
    PARAMS,
    SETTINGS_FOLDER,
    clustering_seeds,
    data_sets,
    dataset_name,
    execution,
    like,
    looks,
    matters,
    pretext_seeds,
    pretext_tasks,
    settings_file,
)
from harness.pipeline.resolve import sections_of
from harness.prepared import need_images
from harness.sections import read_augmentation, read_settings
from harness.settings import SECTIONS, Dataset
from harness.sources import DOWNLOADED, SPLITS, UNLABELED, find_source
from harness.stages import PICKED, PIPELINE, STAGES

IMPORTED = ("pretext", "imported")
KEYS = ("dataset", "pretext_seeds", "clustering_seeds", "looks", "pretext_tasks", "execution")


class Problems(list):
    """What is wrong, each as text. `read` returns what a function does, or keeps what its UserError says and returns None."""

    def read(self, function, *arguments):
        try:
            return function(*arguments)
        except UserError as error:
            if str(error) not in self:
                self.append(str(error))


def all_problems(names=()):
    """(file, what is wrong) of params.yaml, of the settings of some data sets (all, where empty), and of the one that is run."""
    problems = Problems()
    for read in (check_keys, check_data_set, pretext_seeds, clustering_seeds, looks, check_tasks, execution):
        problems.read(read)
    found, once = [(PARAMS, message) for message in problems], cache(of_data_set)
    for name in names or data_sets():
        found += [(SETTINGS_FOLDER / f"{name}.yaml", message) for message in own(once, name)]
    return found or [(settings_file(dataset_name()), message) for message in of_run()]


def check_keys():
    for key in read_yaml(PARAMS):
        if key not in KEYS:
            raise UserError(f"{PARAMS}: unknown setting '{key}'; known are {', '.join(KEYS)}")


def check_data_set():
    """There are settings for the data set that is run."""
    known = data_sets()
    if dataset_name() not in known:
        raise UserError(f"{PARAMS}: dataset is '{dataset_name()}'; {SETTINGS_FOLDER}/ has {', '.join(known) or 'none'}")


def check_tasks():
    """The pretext tasks are ones that the rewrite has, simclr among them."""
    for task in pretext_tasks():
        if task not in tasks.known():
            folder = PICKED["pretext"].replace(".", "/")
            raise UserError(f"{PARAMS}: pretext_tasks has '{task}'; {folder}/ has {', '.join(tasks.known())}")
    if "simclr" not in pretext_tasks():
        raise UserError(f"{PARAMS}: pretext_tasks lacks simclr, on which the baselines and the study main stand")


def of_data_set(name):
    """What is wrong with the settings of a data set."""
    problems, known = Problems(), (*SECTIONS, *PICKED, "augmentation", "matters", CLUSTERS)
    sections = problems.read(sections_of, name)
    if sections is None:
        return problems
    for key in sections.base:
        if key not in known:
            problems.append(f"{sections.file}: unknown section '{key}'; known are {', '.join(known)}")
    problems.read(matters, name)
    if (problems.read(sections.mapping, "dataset") or {}).get("joint"):  # k-means and the authors' code have the training images
        problems.append(f"{sections.file}: dataset.joint is set for all that runs; leave it out, since an arm alone may set it")
    for kind in problems.read(sections.mapping, "augmentation") or ():
        problems.read(read_augmentation, kind, sections, f"augmentation.{kind}")
    problems += of_sections(sections, problems.read(sections.mapping, "pretext") or (), sections.base.get("baseline") or {})
    return list(dict.fromkeys(problems))


def own(problems_of, name):
    """What is wrong with a data set, as `problems_of` finds it by its name, but what it has from the one that it is like."""
    found, other = problems_of(name), Problems().read(like, name)
    inherited = problems_of(other) if other else []
    file, theirs = (str(SETTINGS_FOLDER / f"{one}.yaml") for one in (name, other))
    return [message for message in found if message.replace(file, theirs) not in inherited]


def of_run():
    """What is wrong with the data set that is run: tasks without settings, images that are not there or too few."""
    problems, sections = Problems(), sections_of(dataset_name())
    for task in pretext_tasks():
        problems.read(sections.mapping, f"pretext.{task}")
    counts = problems.read(images_of, dataset_name())
    return problems or of_sections(sections, pretext_tasks(), counts=counts)


def of_variants(studies):
    """(file, what is wrong) of each data set without the settings of a pretext task or method that an arm of the Studies names.

    No arm of such a study runs there. Weights that are imported are of one data set, and no other needs them.
    """
    named = {(section, name) for study in studies for *_, changes in study.each_arm()
             for section in PICKED for name in changes.get(section) or ()} - {IMPORTED}

    def lacking(dataset):
        problems, sections = Problems(), sections_of(dataset)
        for section, name in sorted(named):
            if name in tasks.known(section):
                problems.read(sections.mapping, f"{section}.{name}")
        return problems

    for dataset in data_sets():
        yield from ((settings_file(dataset), message) for message in own(cache(lacking), dataset))


def images_of(name):
    """How many images each split of a data set has, by split; 0 where that is not known without a download."""
    settings = sections_of(name).read("dataset", Dataset)
    if settings.source in DOWNLOADED:
        return {split: getattr(settings, f"{split}_images") for split in DOWNLOADED[settings.source]}
    there = prepare(replace(settings, train_images=0, test_images=0)).images
    asked = {split: getattr(settings, f"{split}_images") for split in there}
    for split, count in asked.items():
        need_images(f"dataset.{split}_images", count, split, len(there[split]))
    return {split: count or len(there[split]) for split, count in asked.items()}


def of_sections(sections, tasks, methods=(), implementation="reimpl", counts=None):
    """What is wrong with the Sections of a data set, or of an arm of an implementation.

    Args: tasks: its pretext tasks; methods: those of the table that it runs; counts: images by split, 0 where that is not known.
    """
    problems, found, picked = Problems(), {}, {"pretext": tasks, "baseline": methods}
    for stage in PIPELINE:
        for task in picked.get(stage.picks("reimpl"), ("",)):
            settings = problems.read(read_settings, sections, stage, "reimpl", task) or {}
            found |= {f"{name}.{task}" if name in PICKED else name: value for name, value in settings.items()}
    if problems:
        return problems
    problems.read(find_source, found["dataset"].source)
    if implementation == "original_ref":
        problems.read(check_authors, sections)
    elif found["scan"].num_neighbors > found["neighbors"].train:
        problems.append(f"scan.num_neighbors is {found['scan'].num_neighbors}, but only {found['neighbors'].train} are mined; "
                        "raise neighbors.train or lower it")
    for asked in asked_for(found, counts or {}):
        problems.read(need_images, *asked)
    return problems


def check_authors(sections):
    """Raise UserError for a setting of SCAN or self-labeling that the authors' code does not have."""
    check = importlib.import_module("original_ref.config").check  # by its name, as the command line picks a stage's module
    for stage in ("scan", "selflabel"):
        check(stage, read_settings(sections, STAGES[stage], "original_ref"))


def asked_for(found, counts):
    """The arguments of need_images for each setting that asks for a number of images."""
    trained = [(f"{key}.training.batch_size", settings.training.batch_size, "train", 0)
               for key, settings in found.items() if hasattr(settings, "training")]
    if UNLABELED in counts:  # then the pretext tasks have more images than are counted as those of training
        trained = [asked for asked in trained if not asked[0].startswith("pretext.")]
    asked = [*trained, ("kmeans.clusters", found["kmeans"].clusters, "train", 0)]
    asked += [(f"{key}.neighbors", settings.neighbors, "train", 0) for key, settings in found.items()
              if hasattr(settings, "neighbors")]
    asked += [(f"neighbors.{split}", getattr(found["neighbors"], split), split, 1) for split in SPLITS]
    if found["dataset"].joint and all(counts.get(split) for split in SPLITS):  # then both splits are learned from
        counts = {**counts, "train": sum(counts[split] for split in SPLITS)}
    return [(key, value, split, counts[split], spare) for key, value, split, spare in asked if counts.get(split)]
