"""Kept records: what has run elsewhere and lies in the repository under records/ (its README.md says how), and when it counts.

A kept record counts where its files are those that were kept, its evidence is whole, its settings and those of kept steps before
it are those of params/ and study.yaml as they are today, and its scores are those of the kept predictions and labels.
"""

import re
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.files import checked, read_json, read_npy, read_npz, read_text, sha256
from harness.metrics import score
from harness.params import lookup, settings_file
from harness.pipeline.resolve import in_force
from harness.prepared import PreparedDataset
from harness.record import FILE, Cell
from harness.settings import MEASURED, READ_FROM
from harness.validation import build

RECORDS, RUNS = Path("records"), Path("runs")
SUMS, FACTS, LABELS, PREDICTIONS = "SHA256SUMS", "dataset.json", "test_labels.npy", "predictions.npz"
AGAIN = "run and keep it again"


def ran_here(folder):
    """Whether a stage has run in `folder`; one that could not leaves a record without settings."""
    return (folder / FILE).exists() and bool(read_json(folder / FILE)["settings"])


def kept_folder(folder):
    """Where what a folder of runs/ holds is kept, or would be: beside what all studies share, which has other names."""
    dataset, *rest = folder.relative_to(RUNS).parts
    return RECORDS.joinpath(dataset, *rest[rest[0] == "studies":])


def located(result, problems_of=None, kept_first=False):
    """A pipeline.cells.Result where its record is: where it ran here, else where one is kept that counts, else as it was.

    `kept_first`: a kept record that counts goes before one of what ran here.
    """
    kept = replace(result, folder=kept_folder(result.folder), kept=True)
    if not (kept.folder / FILE).exists() or ran_here(result.folder) and not kept_first:
        return result
    return result if (problems_of or problems)(kept.folder) else kept


def kept_folders(dataset):
    """The folder of each kept record of a data set."""
    return sorted(file.parent for file in (RECORDS / dataset).rglob(FILE))


def seeds_under(folder):
    """(pretext seeds, clustering seeds) of the records in a folder, each rising."""
    found = [part.split("-") for file in folder.rglob(FILE) for part in file.parts if re.fullmatch(r"\d+(-\d+)?", part)]
    return sorted({int(seed[0]) for seed in found}), sorted({int(seed[1]) for seed in found if len(seed) == 2})


def problems(folder):
    """What is wrong with a kept record, each as `<file>: <what differs, and the mend>`; an empty list where it counts."""
    root = RECORDS / folder.relative_to(RECORDS).parts[0]
    changed = [*altered(root, [root / FACTS, root / LABELS]), *altered(root, folder.iterdir(), folder)]
    return changed or mistakes(folder, folder)  # of a file that is another one nothing can be trusted


def mistakes(folder, place):
    """What is wrong with what a record in `folder` says that is kept in the folder `place`, or is to be; as `problems`."""
    try:
        record = read_json(folder / FILE)
        cell = Cell(**record["cell"])
        found = [*misplaced(cell, place), *without_evidence(record["evidence"]), *other_settings(cell, record["settings"]),
                 *other_steps(record), *other_scores(record, folder)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found = [f"is no record ({type(error).__name__}: {error}); {AGAIN}"]
    except UserError as error:
        found = [f"{error}; set that right, or remove the record"]
    return [f"{place / FILE}: {message}" for message in found]


def sums(root):
    """sha256 by path under `root`, of every file that was kept of a data set. Raises UserError for a line that is none."""
    return _sums(root, read_text(root / SUMS) if (root / SUMS).exists() else "")


@lru_cache(maxsize=1)  # it is asked for once a record, and has a line for each
def _sums(root, text):
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if not match:
            raise UserError(f"{root / SUMS}, line {number}: should be a SHA-256, two spaces and a path; `git checkout` it")
        found[root / match[2]] = match[1]
    return found


def altered(root, files, folder=None):
    """A sentence on each of `files` that is not as it was kept, and on each that is gone from `folder`."""
    known, there = sums(root), {file for file in files if file.exists()}
    for file in sorted(there | ({folder / FILE, folder / PREDICTIONS} & known.keys() if folder else set())):
        if file not in there:
            yield f"{file}: is missing; `git checkout {file}` brings it back"
        elif file not in known:
            yield f"{file}: is not named in {root / SUMS}; remove it, or keep it by `python -m studies keep`"
        elif sha256(file) != known[file]:
            yield f"{file}: is not the file that was kept, its SHA-256 differs; `git checkout {file}` brings that back"


def misplaced(cell, folder):
    """A sentence where the record is of another cell than its folder says."""
    own = [cell.study, cell.implementation, cell.arm, cell.seed, cell.stage]
    shared = [*["original_ref"] * (cell.implementation == "original_ref"), cell.stage, cell.variant, cell.seed]
    right = RECORDS.joinpath(cell.dataset, *(own if cell.study else shared))
    if folder != right:
        yield f"is the record of {right}, and lies in another folder; `git checkout` it"


def without_evidence(evidence):
    """A sentence on each part of the evidence that is not there."""
    if not re.fullmatch(r"[0-9a-f]{40}(\+changes)?", evidence["revision"]):
        yield f"evidence.revision is {evidence['revision']!r}, and should be a commit; {AGAIN}"
    for part, keys in {"hardware": ("processor", "device"), "packages": ("python", "torch")}.items():
        for key in keys:
            if not evidence.get(part, {}).get(key):
                yield f"evidence.{part} has no {key}; {AGAIN}"


def other_settings(cell, settings):
    """A sentence on each setting that is another one today."""
    if cell.stage not in settings:
        yield f"has no settings of {cell.stage}; {AGAIN}"
    now = in_force(cell)
    for section, mapping in settings.items():
        today = lookup(now, section, f"a record of {cell.stage}")
        here = {key: value for key, value in asdict(today).items() if f"{section}.{key}" in READ_FROM}
        found = build(type(today), here | mapping, f"the record's {section}")
        for key, value, before in differences(asdict(today), asdict(found), section):
            if key not in READ_FROM and value != MEASURED:  # which its images decide
                where = f"{settings_file(cell.dataset)}{f' with studies/{cell.study}/study.yaml' if cell.study else ''}"
                yield f"{key} was {before}, and by {where} it is {value} today; {AGAIN}, or set it back"


def other_steps(record):
    """A sentence on each setting that is another one today in the kept records of the steps before."""
    for folder in sorted(steps_before(record)):
        before = read_json(folder / FILE)
        for message in other_settings(Cell(**before["cell"]), before["settings"]):
            yield f"was made from {folder}, whose {message}"


def steps_before(record):
    """The folders of the kept records of all steps that a record was made from, one after another."""
    places = [Path(name).parent for name in record["evidence"]["inputs"]]
    found = {kept_folder(place) for place in places if RUNS in place.parents and len(place.parts) > 3}
    found = {folder for folder in found if (folder / FILE).exists()}
    return found.union(*(steps_before(read_json(folder / FILE)) for folder in found))


def differences(today, before, prefix):
    """(dotted key, value today, value before) wherever two nested mappings differ."""
    for key in sorted({*today, *before}):
        now, then, name = today.get(key), before.get(key), f"{prefix}.{key}"
        if isinstance(now, dict) and isinstance(then, dict):
            yield from differences(now, then, name)
        elif now != then:
            yield name, now, then


def other_scores(record, folder):
    """A sentence on each score that is not what the kept predictions, or else the record's own confusion matrix, come to."""
    root, metrics = RECORDS / record["cell"]["dataset"], record["metrics"]
    labelled = (root / LABELS).exists()
    if labelled and input_hash(record, LABELS) != sha256(root / LABELS):
        yield f"was run on other images: its {LABELS} has another SHA-256 than {root / LABELS}; {AGAIN}"
        return
    if "confusion" not in metrics:
        return
    counts = np.array(metrics["confusion"])
    if labelled and (folder / PREDICTIONS).exists():
        labels, (predictions,) = read_npy(root / LABELS), read_npz(folder / PREDICTIONS, "clusters")
        checked(labels, root / LABELS, "int64", (None,), below=len(counts))
        checked(predictions, f"{PREDICTIONS}: clusters", "uint", labels.shape, below=counts.shape[1])
        by = f"{PREDICTIONS} against {root / LABELS}"
    else:
        labels, predictions = (np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1))
        by = "its confusion matrix"
    found = score(labels, predictions, *counts.shape)
    for key in ("acc", "acc_many_to_one", "nmi", "ari"):  # which do not depend on how ties are matched
        if abs(metrics[key] - getattr(found, key)) > 1e-6:
            yield f"{key} is {metrics[key]}, and {by} gives {getattr(found, key)}; {AGAIN}"
    if sorted(map(tuple, counts.T)) != sorted(map(tuple, found.confusion.T)):
        yield f"confusion is not what {by} gives; {AGAIN}"


def input_hash(record, name):
    """The SHA-256 that a file of the prepared data set had where the record was made; None where it was none of its inputs."""
    return record["evidence"]["inputs"].get(f"data/{record['cell']['dataset']}/{name}")


def pictured(result, dataset):
    """Whether the images that are prepared here are those that a result's record was made of: a run's here are."""
    folder = Path("data") / dataset
    if not (folder / FACTS).exists():
        return False
    file = PreparedDataset(folder).known_by("test")
    return file.exists() and (not result.kept or input_hash(read_json(result.folder / FILE), file.name) == sha256(file))


