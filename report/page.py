"""The report's page: what is shown, in which order, and the evidence for it."""

from pathlib import Path

import jinja2

from harness.files import existing, read_json, read_yaml, writing
from report.drawings import arms, of, study_drawings
from report.statistics import spread
from report.summaries import read_summaries
from report.tables import STEPS, clustering_table, neighbor_table, write_table

HERE = Path(__file__).parent
DIVERGENCES = HERE.parent / "original_ref/divergences.yaml"
PUBLISHED_ON = "CIFAR-10"
SHARES = ("acc", "nmi", "ari", "train_accuracy", "test_accuracy", "confident")  # figures shown in percent


def build(dataset, summaries, out):
    """Write index.html, and per study tables (CSV, LaTeX) and figures (SVG), into `out`."""
    facts = read_json(existing(Path("data") / dataset / "dataset.json", "dvc repro dataset"))
    studies = [study_section(summary, facts, out / summary.name) for summary in read_summaries(summaries)]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.get_template("page.html.jinja").render(
        facts=facts, studies=studies, style=(HERE / "style.css").read_text(),
        divergences=read_yaml(DIVERGENCES), comparable=facts["name"] == "cifar10", published_on=PUBLISHED_ON, shares=SHARES)
    with writing(out / "index.html") as temporary:
        temporary.write_text(page)


def study_section(summary, facts, out):
    """All that the page shows of one study, as a mapping for the template; writes its tables and figures."""
    tables = [clustering_table(summary, facts["name"]), neighbor_table(summary, facts["name"])]
    for table in tables:
        write_table(table, out / "tables")
    drawings = study_drawings(summary, facts["classes"], tables[0])
    for drawing in drawings:
        with writing(out / "figures" / f"{drawing.name}.svg") as temporary:
            temporary.write_text(drawing.svg)
    ran = [cell for cell in summary.records if not cell["record"]["not_run"]]
    cells = sorted(ran, key=lambda cell: (_order(cell["step"]), cell["step"], cell["seed"]))
    return {
        "name": summary.name, "study": summary.study, "tables": tables, "drawings": drawings, "cells": cells,
        "seeds": sorted({cell["seed"] for cell in cells}),
        "degenerate": [(cell, sentence) for cell in cells for sentence in cell["record"]["degenerate"]],
        "headlines": headlines(tables[0]), "differences": differences(summary),
        "machines": machines(cells), "not_run": reasons_not_run(summary),
        "settings": settings_in_force(cells),
        "seconds": sum(cell["record"]["evidence"]["seconds"] for cell in cells),
    }


def reasons_not_run(summary):
    """Each reason, with the steps that it kept from running and the seeds of each: {reason: {step: [seed, ...]}}."""
    found = {}
    for cell, reason in summary.not_run():
        found.setdefault(reason, {}).setdefault(cell["step"], []).append(cell["seed"])
    return found


def _order(step):
    """Steps in the order in which data flows."""
    flow = ("pretext", "neighbors", "kmeans", "scan", "selflabel")
    return next(index for index, name in enumerate(flow) if name in step.split("/"))


def headlines(table):
    """(step, source, Entry of ACC) of each row that was run here."""
    return [(row.step, row.source, row.entries["acc"]) for row in table.rows
            if row.ours and row.entries["acc"].mean is not None]


def differences(summary):
    """From step to step, arm by arm: (before, after, Spread of the differences by seed, in points of ACC, seeds higher)."""
    pairs = []
    if {"kmeans/pixels", "kmeans/embeddings"} <= set(summary.study.shared):
        pairs.append(("kmeans/pixels", "kmeans/embeddings", ""))
    for implementation, arm in arms(summary):
        scan, selflabel = f"{implementation}/{arm}/scan", f"{implementation}/{arm}/selflabel"
        name = of(summary, implementation, arm)
        if "kmeans/embeddings" in summary.study.shared and implementation == "reimpl":  # k-means is on the rewrite's features
            pairs += [("kmeans/embeddings", scan, name), ("kmeans/embeddings", selflabel, name)]
        pairs.append((scan, selflabel, name))
    found = []
    for before, after, name in pairs:
        low, high = summary.by_seed(before, "acc"), summary.by_seed(after, "acc")
        if seeds := [seed for seed in low if seed in high]:
            by_seed = spread([100 * (high[seed] - low[seed]) for seed in seeds])
            found.append((_label(before), _label(after) + name, by_seed, sum(value > 0 for value in by_seed.values)))
    return found


def _label(step):
    return STEPS.get(step) or STEPS[step.split("/")[-1]]


def machines(cells):
    """Each combination of hardware, package versions and code revision met, with the number of records it made."""
    found = {}
    for cell in cells:
        evidence = cell["record"]["evidence"]
        key = (tuple(evidence["hardware"].items()), tuple(evidence["packages"].items()), evidence["revision"])
        found[key] = found.get(key, 0) + 1
    return [{"hardware": dict(hardware), "packages": dict(packages), "revision": revision, "records": count}
            for (hardware, packages, revision), count in found.items()]


def settings_in_force(cells):
    """(step, [(setting, value)]) for the first seed of each step."""
    first = {}
    for cell in cells:
        first.setdefault(cell["step"], cell["record"]["settings"])
    return [(step, list(_flat(settings))) for step, settings in first.items()]


def _flat(mapping, prefix=""):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
