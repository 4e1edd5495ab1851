"""The paper's comparison tables, in full, and in that of methods what was run here, each figure with how it was come by."""

from pathlib import Path

from harness.files import read_yaml, write_csv
from report.tables import IMPLEMENTATIONS, measured

FILE = Path(__file__).parent / "published.yaml"
ORIGIN = ("Source", "Protocol", "Backbone", "n")


def published_tables(summaries, dataset, out):
    """The tables of published.yaml for the template, that of methods with our rows; writes each as CSV.

    Each is a mapping: title, source, note, facts (the headings of what a row says of its figures), groups, columns, and rows. A
    row has its name, its facts and its cells as text, how many rows from it on are of its method (0 but for the first), `span`,
    and the paths of its records, `evidence`; None where it is a copied one.
    """
    tables = [methods(read_yaml(FILE)["methods"], summaries, dataset), imagenet(read_yaml(FILE)["imagenet"])]
    for name, table in zip(("methods", "imagenet"), tables):
        columns = [f"{group} {column}" for group in table["groups"] for column in table["columns"]] or table["columns"]
        heads = ["method", *map(str.lower, table["facts"]), *columns]
        write_csv(out / "published" / f"{name}.csv", heads,
                  [dict(zip(heads, [row["name"], *row["facts"], *row["cells"]])) for row in table["rows"]])
    return tables


def methods(table, summaries, dataset):
    """Each method's published row, and below it a row for each step that runs it here, in the columns of the data set."""
    group = next((group for group, name in table["dataset_of_group"].items() if name == dataset), dataset)
    groups = [*table["groups"], *[group] * (group not in table["groups"])]
    metrics, found = [column.lower() for column in table["columns"]], {summary.name: summary for summary in summaries}

    def ours(place):
        study, step = place.split("/", 1)
        row = here(found.get(study), step, metrics)
        return row | {"cells": [cell for one in groups for cell in (row["cells"] if one == group else [""] * len(metrics))]}

    rows = []
    for block in table["blocks"]:
        facts = ["copied", block["protocol"], block.get("backbone", "–"), str(block.get("n", "–"))]
        for name, figures in block["rows"].items():
            cells = [*map(_text, figures), *[""] * (len(groups) * len(metrics) - len(figures))]
            rows += method(name, {"facts": facts, "cells": cells}, *map(ours, table["here"].get(name, ())))
    for arm, place in further(found.get("methods"), table["here"]):
        rows += method(arm, ours(place))
    return {**table, "facts": ORIGIN, "groups": groups, "rows": rows}


def method(name, *rows):
    """The rows of a method, which the first one spans."""
    return [{"name": name, "span": 0 if index else len(rows), "evidence": None, **row} for index, row in enumerate(rows)]


def further(summary, named):
    """(arm, <study>/<step>) of the arms of the study `methods` that are in no row of the paper's table."""
    arms = summary.arms_run("baseline") if summary else ()
    places = {arm.name: f"methods/{arm.step('baseline')}" for arm in arms}
    return [(arm, place) for arm, place in places.items() if place not in sum(named.values(), [])]


def here(summary, step, metrics):
    """What was run here of a step, and how: facts, cells and evidence. Args: summary: that of its study; None where that did not
    run."""
    cells = summary.cells(step) if summary else []
    evidence = [cell["path"] for cell in cells]
    entries = [measured(summary.by_seed(step, metric) if cells else {}, evidence) for metric in metrics]
    whose = IMPLEMENTATIONS.get(step.split("/")[0], IMPLEMENTATIONS["reimpl"])
    facts = ["train / test", backbone([*cells, *before(summary, step)]), str(len(cells))] if cells else [""] * 3
    return {"facts": [f"here, {whose}", *facts], "cells": [entry.text() for entry in entries], "evidence": evidence}


def before(summary, step):
    """The cells that made the embeddings, where k-means is on these."""
    made = [shared for shared in summary.study.shared if shared.startswith("neighbors/")] if step == "kmeans/embeddings" else []
    return [cell for shared in made for cell in summary.cells(shared)]


def backbone(cells):
    """The network of the first record that has one: by its layers, as He et al. 2016 count them, and by its width."""
    networks = (cell["record"]["settings"].get("network") for cell in cells)
    network = next(filter(None, networks), None)
    return f"ResNet-{2 * sum(network['blocks']) + 2}, width {network['width']}" if network else "–"


def imagenet(table):
    rows = [row for name, cells in table["rows"].items()
            for row in method(name, {"facts": (), "cells": ["–" if cell is None else str(cell) for cell in cells]})]
    return {**table, "facts": (), "groups": [], "rows": rows}


def _text(figure):
    return "–" if figure is None else " ± ".join(map(str, figure))
