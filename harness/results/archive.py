"""Keeping records in the repository, verifying them, summing them up, and telling which cells have one."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.files import existing, read_json, read_npz, sha256, write_json, write_npz, write_text, writing
from harness.params import clustering_seeds, pretext_seeds
from harness.pipeline.cells import results, start_results
from harness.pipeline.study import load_study, names
from harness.prepared import Facts, read_predictions
from harness.prototypes import prototypes
from harness.record import FILE
from harness.results.summary import gathered, summarise
from harness.results.verify import (
    FACTS,
    LABELS,
    PREDICTIONS,
    RECORDS,
    RUNS,
    SUMS,
    altered,
    kept_folder,
    kept_folders,
    located,
    mistakes,
    problems,
    ran_here,
    seeds_under,
    sums,
)
from harness.settings import READ_FROM
from harness.stages import STAGES
from harness.validation import build


def keep(studies, dataset):
    """Copy the records of some studies (all, where empty), with what these started from, from runs/ into records/.

    What would not count is not kept and replaces nothing that was. Raises UserError where there was any, or nothing has run.
    """
    root, data = RECORDS / dataset, Path("data") / dataset
    chosen = {name: load_study(name) for name in studies or names()}
    found = {result.folder for name, study in chosen.items() for result in
             (*results(study, name, dataset, seeds(dataset)), *start_results(study, dataset, seeds(dataset)))}
    of_stage = {folder: read_json(folder / FILE)["cell"]["stage"] for folder in sorted(found) if ran_here(folder)}
    if not of_stage:
        raise UserError(f"{RUNS / dataset} has no record of {', '.join(studies) or 'any study'}: `dvc repro` makes them")
    existing(data / FACTS, "dvc repro dataset")
    for made in (data / name for name in (FACTS, LABELS) if (data / name).exists()):
        kept = root / made.name
        if not kept.exists():
            copy(made, kept)
        elif not alike(kept, made):
            raise UserError(f"{made} is not that of the records in {root}: remove that folder to keep others")
    wrong = []
    try:
        for folder in sorted(of_stage, key=lambda folder: [*STAGES].index(of_stage[folder])):  # after what it was made from
            wrong += keep_one(folder, kept_folder(folder))
    finally:
        write_sums(root)
    print(f"{root}: {len(kept_folders(dataset))} records, {sum(file.stat().st_size for file in sums(root)) / 2**20:.1f} MiB")
    complain(wrong, "not kept")


def alike(kept, made):
    """Whether two files say the same; of facts, whatever kind of files the images were read from."""
    if kept.name == FACTS:
        facts = [build(Facts, read_json(file), str(file)) for file in (kept, made)]
        return replace(facts[0], source="", named=()) == replace(facts[1], source="", named=())
    return sha256(kept) == sha256(made)


def keep_one(folder, kept):
    """Copy a record without the folder that images were read from, and of the predictions what the summary needs.

    Where it would not count, what was kept stays. Returns what is wrong, as a list of sentences.
    """
    with tempfile.TemporaryDirectory(prefix=".", dir=RECORDS) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        write_json(new / FILE, anywhere(read_json(folder / FILE)))
        if (folder / PREDICTIONS).exists():
            try:
                found = read_npz(folder / PREDICTIONS)
                kept_part = found if "clusters" in found else reduced(*read_predictions(folder / PREDICTIONS))
            except UserError as error:
                return [str(error)]
            write_npz(new / PREDICTIONS, compressed=True, **kept_part)
        if wrong := mistakes(new, kept):
            return wrong
        kept.parent.mkdir(parents=True, exist_ok=True)
        if kept.exists():
            kept.rename(old)
        new.rename(kept)
    return []


def anywhere(record):
    """A record without what says where its images were read from."""
    settings = {section: {key: value for key, value in mapping.items() if f"{section}.{key}" not in READ_FROM}
                for section, mapping in record["settings"].items()}
    return record | {"settings": settings}


def reduced(probabilities, features):
    """Of predictions float32 [n, clusters] and [n, dim]: clusters uint8 [n] (uint16 where there are more than 256), confidence
    float16 [n], and prototypes int32 [clusters], -1 for an empty cluster."""
    kind = np.uint8 if probabilities.shape[1] <= 256 else np.uint16
    return {"clusters": probabilities.argmax(1).astype(kind), "confidence": probabilities.max(1).astype(np.float16),
            "prototypes": prototypes(probabilities, features).astype(np.int32)}


def copy(source, target):
    with writing(target) as temporary:
        shutil.copyfile(source, temporary)


def write_sums(root):
    """Write SHA256SUMS, a line for each file under `root`, by path."""
    files = sorted(file for file in root.rglob("*") if file.is_file() and file.name != SUMS)
    write_text(root / SUMS, "".join(f"{sha256(file)}  {file.relative_to(root)}\n" for file in files))


def records(datasets):
    """Verify the kept records of some data sets (all, where empty), and write the summaries of what counts and what ran here."""
    wrong, datasets = [], datasets or sorted(path.parent.name for path in RECORDS.glob(f"*/{SUMS}"))
    if not datasets:
        print(f"{RECORDS} holds no records: `python -m studies keep` puts some there")
    for dataset in datasets:
        root = RECORDS / dataset
        existing(root / SUMS, f"python -m studies keep --dataset {dataset}")
        found = {folder: problems(folder) for folder in kept_folders(dataset)}
        gone = {file.parent for file in sums(root) if file.name == FILE} - set(found)
        messages = list(dict.fromkeys(message for folder in found for message in found[folder]))
        messages += [message for folder in sorted(gone) for message in altered(root, [], folder)]
        print(f"{dataset}: {sum(not any(one) for one in found.values())} of {len(found) + len(gone)} kept records are right")
        wrong += messages
        for name in names():
            there = [result for result in gathered(name, dataset, found.get) if (result.folder / FILE).exists()]
            out = RUNS / dataset / "summary" / name
            if not any(name in result.folder.parts for result in there):  # no arm of its own
                shutil.rmtree(out, ignore_errors=True)  # of records that counted once
            else:
                summarise(name, dataset, out, there)
                print(f"  {name}: {len(there)} records, {sum(result.kept for result in there)} of them kept")
        print(f"  `python -m report --dataset {dataset}` makes the report of them")
    complain(wrong, "left out")


def complain(messages, what):
    for message in messages:
        print(message)
    if messages:
        raise UserError(f"{len(messages)} thing{'s' if len(messages) > 1 else ''} wrong with records, which were {what}")


def seeds(dataset):
    """(pretext seeds, clustering seeds): those of params.yaml, and those that there are records of."""
    return tuple(sorted({*first, *second, *third}) for first, second, third in
                 zip((pretext_seeds(), clustering_seeds()), seeds_under(RECORDS / dataset), seeds_under(RUNS / dataset)))


def coverage(studies, dataset):
    """A line for each study: how many cells of the seeds of params.yaml have run here, how many are kept, which are missing."""
    for name in studies or names():
        here, kept, missing = 0, 0, {}
        for result in map(located, results(load_study(name), name, dataset)):
            if result.kept:
                kept += 1
            elif ran_here(result.folder):
                here += 1
            else:
                missing.setdefault(result.step, []).append(result.seed)
        print(f"{name} on {dataset}: {here} ran here, {kept} kept, {sum(map(len, missing.values()))} missing")
        for step, found in missing.items():
            found.sort(key=lambda seed: [int(number) for number in seed.split("-")])
            print(f"  {step}: seed{'s' if len(found) > 1 else ''} {', '.join(found)}")
