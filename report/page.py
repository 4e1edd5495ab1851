"""The report's page: what is shown, in which order, and the evidence for it."""

from pathlib import Path

import jinja2
import numpy as np

from harness.files import existing, read_json, writing
from report import figures
from report.summaries import read_summaries
from report.tables import STEPS, clustering_table, neighbor_table, write_table

HERE = Path(__file__).parent
PUBLISHED_ON = "CIFAR-10"


def build(dataset, summaries, out):
    """Write index.html, tables/*.csv, tables/*.tex and figures/*.svg into `out`."""
    facts = read_json(existing(Path("data") / dataset / "dataset.json", "dvc repro dataset"))
    studies = [study_section(summary, facts, out) for summary in read_summaries(summaries)]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.get_template("page.html.jinja").render(
        facts=facts, studies=studies, style=(HERE / "style.css").read_text(), steps=STEPS,
        comparable=facts["name"] == "cifar10", published_on=PUBLISHED_ON)
    with writing(out / "index.html") as temporary:
        temporary.write_text(page)


def study_section(summary, facts, out):
    """All that the page shows of one study, as a mapping for the template; writes its tables and figures."""
    tables = [clustering_table(summary, facts["name"]), neighbor_table(summary, facts["name"])]
    for table in tables:
        write_table(table, out / "tables")
    drawings = [
        drawing for drawing in (
            ("seeds", "Accuracy of every seed", "Accuracy in percent of each step: a point a seed, the mean as a line, published "
             "means as diamonds.", figures.seeds_figure(tables[0], "acc")),
            *curve_drawings(summary), *confusion_drawings(summary, facts), *picture_drawings(summary, facts))
    ]
    for name, _, _, svg in drawings:
        with writing(out / "figures" / f"{name}.svg") as temporary:
            temporary.write_text(svg)
    by_name = {name: {"name": name, "title": title, "text": text, "svg": svg} for name, title, text, svg in drawings}
    cells = sorted(summary.records, key=lambda cell: (_order(cell["step"]), cell["seed"]))
    return {
        "name": summary.name, "study": summary.study, "tables": tables, "figures": by_name, "cells": cells,
        "seeds": sorted({cell["seed"] for cell in cells}),
        "degenerate": [(cell, sentence) for cell in cells for sentence in cell["record"]["degenerate"]],
        "headlines": headlines(tables[0]),
        "machines": machines(cells),
        "settings": settings_in_force(cells),
        "seconds": sum(cell["record"]["evidence"]["seconds"] for cell in cells),
    }


def _order(step):
    """Steps in the order in which data flows."""
    flow = ("pretext", "neighbors", "kmeans", "scan", "selflabel")
    return next(index for index, name in enumerate(flow) if name in step.split("/"))


def headlines(table):
    """(label, Entry) of ACC for each row run here that has one."""
    return [(row.step, row.source, row.entries["acc"]) for row in table.rows
            if row.ours and row.entries["acc"].mean is not None]


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


def series(summary, step, key, scale=1.0):
    """(epochs, values) of each seed; epochs without the figure are left out, as are values that are not finite."""
    found = []
    for cell in summary.cells(step):
        points = [(row["epoch"], scale * row[key]) for row in cell["record"]["curves"] if row.get(key) is not None]
        found.append(tuple(zip(*points)) if points else ((), ()))
    return found


def curve_drawings(summary):
    """Learning curves of the pretext task, and of each arm's two stages."""
    for step in (shared for shared in summary.study.shared if shared.startswith("pretext/")):
        yield (f"curves-{_slug(step)}", f"Pretext task: {STEPS.get('neighbors/' + step.split('/')[1], step)}",
               "Training loss, and the share of the five nearest test images that are of the same class; a line a seed.",
               figures.curves_figure([
                   ("Training loss", "loss", [("loss", series(summary, step, "loss"))]),
                   ("Nearest neighbors, test", "% same class",
                    [("accuracy", series(summary, step, "neighbor_accuracy", 100))]),
               ]))
    for implementation, arms in summary.study.arms.items():
        for arm in arms:
            scan, selflabel = f"{implementation}/{arm}/scan", f"{implementation}/{arm}/selflabel"
            scores = [("acc", "ACC"), ("nmi", "NMI"), ("ari", "ARI")]
            yield (f"curves-{_slug(scan)}", "SCAN and self-labeling", "Loss terms and test scores over the epochs of SCAN and of "
                   "self-labeling; a line a seed.", figures.curves_figure([
                       ("SCAN: loss terms", "nats", [("consistency", series(summary, scan, "consistency")),
                                                     ("entropy", series(summary, scan, "entropy")),
                                                     ("validation loss", series(summary, scan, "validation_loss"))]),
                       ("SCAN: test scores", "%", [(label, series(summary, scan, key, 100)) for key, label in scores]),
                       ("Self-label: confident images", "% of training images",
                        [("confident", series(summary, selflabel, "confident", 100))]),
                       ("Self-label: test scores", "%", [(label, series(summary, selflabel, key, 100)) for key, label in scores]),
                   ]))


def arm_steps(summary):
    return [f"{implementation}/{arm}/{stage}" for implementation, arms in summary.study.arms.items() for arm in arms
            for stage in ("scan", "selflabel")]


def confusion_drawings(summary, facts):
    """One matrix for each arm and stage, over all seeds, each seed's clusters matched to the classes first."""
    for step in arm_steps(summary):
        cells = summary.cells(step)
        counts = np.sum([cell["record"]["metrics"]["confusion"] for cell in cells], axis=0)
        yield (f"confusion-{_slug(step)}", f"Confusion after {STEPS[step.split('/')[-1]]}",
               f"Percent of each class in each cluster, over {len(cells)} seeds; rows sum to 100.",
               figures.confusion_figure(counts, facts["classes"]))


def picture_drawings(summary, facts):
    """Nearest neighbors and prototypes, of the first seed."""
    classes = facts["classes"]
    if "neighbors_images" in summary.pictures:
        images, labels = summary.pictures["neighbors_images"], summary.pictures["neighbors_labels"]
        wrong = labels != labels[:, :1]
        yield ("neighbors", "Nearest neighbors", "Training images drawn at random (left), and their nearest neighbors in the "
               "pretext embedding, nearest first; framed where of another class.",
               figures.picture_wall(images.reshape(-1, *images.shape[2:]), [classes[label] for label in labels.flat],
                                    wrong.flat, images.shape[1], first_apart=True))
    for step in arm_steps(summary):
        if f"prototypes/{step}/images" in summary.pictures:
            images, labels, matched = (summary.pictures[f"prototypes/{step}/{part}"] for part in ("images", "labels", "classes"))
            names = [classes[label] if label >= 0 else "none" for label in matched]
            yield (f"prototypes-{_slug(step)}", f"Prototypes after {STEPS[step.split('/')[-1]]}",
                   "For each cluster, the test image nearest to the mean of its most confident ones, under the class that the "
                   "cluster is matched to; framed where the image is of another class.",
                   figures.picture_wall(images, names, labels != matched, min(10, max(len(images), 1))))


def _slug(step):
    return step.replace("/", "-").replace("_", "-")
