"""The paper's comparison tables, in full, with ours beside them where it was run on the same data set."""

from pathlib import Path

from harness.files import read_yaml, write_csv
from report.statistics import spread

FILE = Path(__file__).parent / "published.yaml"


def published_tables(summaries, dataset, out):
    """The tables of published.yaml for the template, the methods' with our rows; writes each as CSV.

    Each is a mapping: title, source, groups, columns, note, and rows of (name, cells as text, whether it is ours).
    """
    tables = [methods(read_yaml(FILE)["methods"], summaries, dataset), imagenet(read_yaml(FILE)["imagenet"])]
    for name, table in zip(("methods", "imagenet"), tables):
        heads = [f"{group} {column}" for group in table["groups"] for column in table["columns"]] or table["columns"]
        rows = [dict(zip(["method", *heads], [row, *cells])) for row, cells, _ in table["rows"]]
        write_csv(out / "published" / f"{name}.csv", ["method", *heads], rows)
    return tables


def methods(table, summaries, dataset):
    scores = [column.lower() for column in table["columns"]]
    rows = [(name, [_text(figure) for figure in figures], False) for name, figures in table["rows"].items()]
    main = next((summary for summary in summaries if summary.name == "main"), None)
    for name, step in table["ours"].items():
        cells = []
        for group in table["groups"]:
            run = main is not None and table["dataset_of_group"][group] == dataset
            found = [main.percent(step, score) if run else {} for score in scores]
            cells += [_spread(by_seed) for by_seed in found]
        rows.append((name, cells, True))
    return {**table, "rows": rows, "note": ""}


def imagenet(table):
    rows = [(name, ["–" if cell is None else str(cell) for cell in cells], False) for name, cells in table["rows"].items()]
    return {**table, "groups": [], "rows": rows}


def _text(figure):
    return "–" if figure is None else " ± ".join(map(str, figure))


def _spread(by_seed):
    if not by_seed:
        return "not run"
    found = spread(list(by_seed.values()))
    return f"{found.mean:.1f}" + (f" ± {found.std:.1f}" if found.std is not None else "")
