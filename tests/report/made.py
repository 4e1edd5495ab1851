"""Studies with made-up figures: summaries as harness/results/summary.py would write them, without anything having run."""

from harness.files import write_csv, write_json, write_npz
from harness.pipeline.study import Study
from report.summaries import Summary

COLUMNS = ("step", "seed", "metric", "value", "record")
EVIDENCE = {"revision": "0" * 40, "packages": {"python": "3.11"}, "hardware": {"cores": 2, "threads": 1}, "seconds": 90.0,
            "images_per_second": None, "peak_memory_mib": 300, "inputs": {}}


def study(arms=None, **fields):
    """A Study of the rewrite's arms `clustering`, by name and what they change, unless `arms` has groups of its own."""
    if arms is None or not set(arms) <= {"reimpl", "original_ref"}:
        arms = {"reimpl": {"clustering": arms or {}}}
    return Study(**{"title": "t", "question": "q", "arms": arms, **fields})


def cell(step, seed, metrics, path=None, **record):
    """An entry of records.json. Args: metrics: None where it did not run, and then `not_run` says why."""
    path = path or f"runs/made/{step}/{seed}/metrics.json"
    whole = {"not_run": None, "metrics": metrics or {}, "degenerate": [], "curves": [], "settings": {}, "evidence": EVIDENCE}
    return {"step": step, "seed": seed, "path": path, "sha256": "f" * 64, "record": {**whole, **record}}


def scores(acc, classes=2):
    """What a record of a clustering holds; NMI and ARI are half and a quarter of the accuracy."""
    confusion = [[10 if row == column else 1 for column in range(classes)] for row in range(classes)]
    return {"acc": acc, "acc_many_to_one": acc, "acc_reference": acc, "nmi": acc / 2, "ari": acc / 4, "confusion": confusion,
            "match": list(range(classes))}


def cells(accuracies, **record):
    """An entry for each accuracy in {step: {seed: accuracy}}."""
    return [cell(step, seed, scores(acc), **record) for step, by_seed in accuracies.items() for seed, acc in by_seed.items()]


def rows(found):
    return [{"step": one["step"], "seed": one["seed"], "metric": metric, "value": repr(value), "record": one["path"]}
            for one in found for metric, value in one["record"]["metrics"].items() if isinstance(value, (int, float))]


def summary(name, about, found, pictures=None, clusters=None):
    """The Summary of a study and its cells."""
    return Summary(name, about, rows(found), found, pictures or {}, clusters or {})


def write(one, folder):
    """A Summary as the files that the report reads."""
    fields = {key: getattr(one.study, key) for key in Study.__dataclass_fields__ if key != "claims"}
    claims = [{key: getattr(claim, key) for key in claim.__dataclass_fields__} for claim in one.study.claims]
    write_json(folder / one.name / "study.json", {**fields, "claims": claims})
    write_json(folder / one.name / "records.json", one.records)
    write_csv(folder / one.name / "cells.csv", COLUMNS, one.rows)
    write_npz(folder / one.name / "gallery.npz", **one.pictures)
    write_npz(folder / one.name / "clusters.npz", **one.clusters)
