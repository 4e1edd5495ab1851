"""The last stage of a study: its records, gathered into one folder that the report can be built from alone.

    python -m harness.results.summary --study S --dataset D --out FOLDER

    study.json     study.yaml as it was read
    cells.csv      a row per cell and figure: step, seed, metric, value, record
    curves.csv     a row per cell and epoch: step, seed, epoch, loss
    means.json     the mean accuracy of each step over its seeds, a fraction of 1
    records.json   the records themselves, each with its path and hash, and whether it was kept from elsewhere; of a cell without
                   one, why it has none
    gallery.npz    images for the report: nearest neighbors, and a prototype of each cluster
    clusters.npz   the cluster of each test image in each run, the images' labels, and the prototype of each cluster
    clusters/      of images that were read from files, the cluster of each and a sheet of each cluster (sheets.py), by the arms
                   that change no setting

cells.csv, curves.csv and means.json are what `dvc plots` and `dvc metrics` show. They hold nothing that differs between two runs
of the same seeds on the same machine.
"""

import argparse
import json
import shutil
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

from harness.errors import UserError, guarded
from harness.files import read_json, sha256, write_csv, write_json, write_npz
from harness.params import looks
from harness.pipeline.cells import once, results
from harness.pipeline.study import load_study
from harness.prepared import PreparedDataset
from harness.record import FILE, nothing
from harness.results.clusters import clusters
from harness.results.examples import gallery
from harness.results.sheets import write_sheets
from harness.results.verify import RECORDS, RUNS, located, pictured, ran_here, seeds_under

COLUMNS = ("step", "seed", "metric", "value", "record")
CURVES = ("step", "seed", "epoch", "loss")
NO_RECORD = "there is no record: it has not run, or its stage failed"


def rows(cells):
    """A row for each figure (whole and real numbers) of each record, in the order given."""
    return [
        {"step": cell["step"], "seed": cell["seed"], "metric": metric, "value": json.dumps(value), "record": cell["path"]}
        for cell in cells
        for metric, value in cell["record"]["metrics"].items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def curves(cells):
    """A row for each epoch of each record of training, in the order given."""
    return [{"step": cell["step"], "seed": cell["seed"], "epoch": row["epoch"], "loss": row["loss"]}
            for cell in cells for row in cell["record"]["curves"] if "loss" in row]


def means(cells):
    """The mean accuracy by step."""
    found = {}
    for cell in cells:
        if "acc" in cell["record"]["metrics"]:
            found.setdefault(cell["step"], []).append(cell["record"]["metrics"]["acc"])
    return {step: statistics.fmean(values) for step, values in found.items()}


def collect(found):
    """The records of some Results, each with its path and hash; of one that is unavailable, the reason, and no hash.

    `kept` says whether one is of what ran elsewhere.
    """
    cells = []
    for result in found:
        file = result.folder / FILE
        try:
            record, digest = read_json(file), sha256(file)
        except UserError as error:
            record, digest = nothing(str(error) if file.exists() else NO_RECORD), None
        cells.append({"step": result.step, "seed": result.seed, "path": str(file), "sha256": digest, "kept": result.kept,
                      "record": record})
    return cells


def gathered(name, dataset, problems_of=None):
    """Where the record of each cell of a study lies, as Result: of the seeds of params.yaml, and of those that are kept.

    A kept record stands in for what has not run here. Where no arm of the study's own has, what it reads of others is kept, too,
    as far as it is: an arm is compared with what it started from. Where claims are looked at as seeds are added, the seeds are
    those of params.yaml alone: by their number the level is spent.

    Args: problems_of: what is wrong with the kept record in a folder, where that is known already.
    """
    study = load_study(name)
    asked = results(study, name, dataset)
    more = [] if looks() else results(study, name, dataset, seeds_under(RECORDS / dataset))
    own = RUNS / dataset / "studies" / name
    kept_first = not any(ran_here(result.folder) for result in asked if own in result.folder.parents)

    def place(result, kept_first=kept_first):
        return located(result, problems_of, kept_first)

    found = once([*map(place, asked), *(result for result in (place(one, True) for one in more) if result.kept)])
    steps = list(dict.fromkeys(result.step for result in found))
    return sorted(found, key=lambda result: steps.index(result.step))


def summarise(name, dataset, out, found=None):
    """Write the summary of study `name` on `dataset` into the folder `out`, of the records that there are.

    Args: found: the cells to sum up, as Result; those `gathered`, where left out.
    """
    study = load_study(name)
    found = found or gathered(name, dataset)
    cells = collect(found)
    shown = [result for result, cell in zip(found, cells) if not cell["record"]["not_run"] and pictured(result, dataset)]
    shutil.rmtree(out / "clusters", ignore_errors=True)
    pictures = {}
    if shown:
        prepared = PreparedDataset(f"data/{dataset}")
        pictures = gallery(prepared, shown)
        write_sheets(prepared, shown, study.unchanged(), out / "clusters")
    write_json(out / "study.json", asdict(study))
    write_npz(out / "gallery.npz", **pictures)
    write_npz(out / "clusters.npz", compressed=True, **clusters(found, dataset))
    write_json(out / "records.json", cells)
    write_csv(out / "curves.csv", CURVES, curves(cells))
    write_json(out / "means.json", means(cells))
    write_csv(out / "cells.csv", COLUMNS, rows(cells))


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.results.summary", description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    return guarded(summarise, options.study, options.dataset, options.out)


if __name__ == "__main__":
    sys.exit(main())
