"""The paper's comparison tables, in full, and in that of methods what was run here, each figure with how it was come by."""

from pathlib import Path
from statistics import fmean

from harness.files import read_yaml, write_csv
from harness.stages import STAGES, made_from
from report.tables import IMPLEMENTATIONS, PUBLISHED_ON, measured

FILE = Path(__file__).parent / "published.yaml"
ORIGIN = ("Source", "Protocol", "Backbone", "n", "Minutes")


def published_tables(summaries, missing, dataset, out):
    """The tables of published.yaml for the template, that of methods with our rows; writes each as CSV.

    Each is a mapping: title, source, note, file (its CSV), facts (the headings of what a row says of its figures), groups,
    columns, and rows. A row has its name, its facts and its cells as text, how many rows from it on are of its method (0 but for
    the first), `span`, and the paths of its records, `evidence`; None where it is a copied one.

    Args: missing: (name, Study) of each study that did not run.
    """
    tables = {"methods": methods(read_yaml(FILE)["methods"], summaries, dict(missing), dataset),
              "imagenet": imagenet(read_yaml(FILE)["imagenet"])}
    for name, table in tables.items():
        columns = [f"{group} {column}" for group in table["groups"] for column in table["columns"]] or table["columns"]
        heads = ["method", *map(str.lower, table["facts"]), *columns]
        write_csv(out / "published" / f"{name}.csv", heads,
                  [dict(zip(heads, [row["name"], *row["facts"], *row["cells"]])) for row in table["rows"]])
    return [{**table, "file": f"published/{name}.csv"} for name, table in tables.items()]


def methods(table, summaries, missing, dataset):
    """Each method's published row, and below it a row for each step that runs it here, in the columns of the data set: the first
    ones, where it is none of the paper's."""
    group = PUBLISHED_ON.get(dataset, dataset)
    extra = [group] * (group not in table["groups"])
    groups = [*extra, *table["groups"]]
    metrics, found = [column.lower() for column in table["columns"]], {summary.name: summary for summary in summaries}

    def ours(places):
        for name, step in (place.split("/", 1) for place in places):
            study = found[name].study if name in found else missing.get(name)
            changes = changed(study, step) if study else None
            if changes is not None:
                row = here(found.get(name), step, metrics, changes.get("dataset", {}).get("joint", False))
                blank = [""] * len(metrics)
                yield row | {"cells": [cell for one in groups for cell in (row["cells"] if one == group else blank)]}

    rows = []
    for block in table["blocks"]:
        facts = ["copied", block["protocol"], block.get("backbone", "–"), str(block.get("n", "–")), "–"]
        for name, figures in block["rows"].items():
            cells = [*[""] * len(extra) * len(metrics), *map(_text, figures)]
            rows += method(name, {"facts": facts, "cells": cells}, *ours(table["here"].get(name, ())))
    for arm, place in further(found.get("methods"), table["here"]):
        rows += method(arm, *ours([place]))
    return {**table, "facts": ORIGIN, "groups": groups, "rows": rows}


def method(name, *rows):
    """The rows of a method, which the first one spans."""
    return [{"name": name, "span": 0 if index else len(rows), "evidence": None, **row} for index, row in enumerate(rows)]


def further(summary, named):
    """(arm, <study>/<step>) of the arms of the study `methods` that are in no row of the paper's table."""
    arms = summary.arms_run("baseline") if summary else ()
    places = {arm.shown: f"methods/{arm.step('baseline')}" for arm in arms}
    return [(arm, place) for arm, place in places.items() if place not in sum(named.values(), [])]


def changed(study, step):
    """What the arm of a step changes; nothing where all studies share the step. None where the study has no such step."""
    if step in study.shared:
        return {}
    if step.count("/") != 2:
        return None
    implementation, arm, _ = step.split("/")
    return next((changes for one, _, name, changes in study.each_arm() if (one, name) == (implementation, arm)), None)


def here(summary, step, metrics, joint):
    """What was run here of a step, and how: facts, cells and evidence.

    Args: summary: that of its study, None where that did not run; joint: whether test images were learned from, too.
    """
    cells = summary.cells(step) if summary else []
    evidence = [cell["path"] for cell in cells]
    entries = [measured(summary.by_seed(step, metric) if cells else {}, evidence) for metric in metrics]
    whose = IMPLEMENTATIONS.get(step.split("/")[0], IMPLEMENTATIONS["reimpl"])
    way = [f"here, {whose}", "joint/test" if joint else "train/test"]
    chain = [cells, *map(summary.cells, before(summary, step))] if cells else []
    facts = [*way, *([backbone(sum(chain, [])), str(len(cells)), _minutes(chain)] if cells else ["", "", ""])]
    return {"facts": facts, "cells": [entry.text() for entry in entries], "evidence": evidence}


def before(summary, step):
    """The steps that a step of a study is made from, the nearest first: its arm's own, or those that all studies share."""
    *arm, last = step.split("/")  # reimpl/<arm>/<stage>, or one that all studies share, kmeans/embeddings
    stage, implementation = (arm[0], "reimpl") if len(arm) == 1 else (last, arm[0])
    whose = "" if implementation == "reimpl" else f"{implementation}/"
    earlier = made_from(stage) - {stage} if last != "pixels" else ()
    for one in reversed(STAGES):
        if one in earlier and STAGES[one].seeds and implementation in STAGES[one].implementations:
            own = "/".join((*arm, one))
            shared = [name for name in summary.study.shared if name.startswith(f"{whose}{one}/")]
            yield own if summary.cells(own) or not shared else shared[0]


def _minutes(chain):
    """What one run takes with all that it is made from, of the cells of each step; – where a step has no record."""
    if not all(chain):
        return "–"
    return f"{sum(fmean(cell['record']['evidence']['seconds'] for cell in cells) for cells in chain) / 60:.1f}"


def backbone(cells):
    """The network of the first record that trained one or was made from one: by its layers, as He et al. 2016 count them, and by
    its width."""
    settings = next((found for cell in cells if "network" in (found := cell["record"]["settings"])), None)
    if settings is None or "training" not in settings.get("baseline", ("training",)):  # spectral clustering is handed it in vain
        return "–"
    return f"ResNet-{2 * sum(settings['network']['blocks']) + 2}, width {settings['network']['width']}"


def imagenet(table):
    rows = [row for name, cells in table["rows"].items()
            for row in method(name, {"facts": (), "cells": ["–" if cell is None else str(cell) for cell in cells]})]
    return {**table, "facts": (), "groups": [], "rows": rows}


def _text(figure):
    return "–" if figure is None else " ± ".join(map(str, figure))
