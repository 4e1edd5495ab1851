"""Tables: built once as data, written as CSV and LaTeX here and as HTML by the template."""

from dataclasses import dataclass, field

from harness.files import write_csv, writing
from report.statistics import Spread, spread

STEPS = {
    "kmeans/pixels": "pixels + k-means",
    "kmeans/embeddings": "pretext + k-means",
    "scan": "SCAN",
    "selflabel": "SCAN + self-label",
    "neighbors/simclr": "SimCLR",
    "original_ref/pretext/simclr": "SimCLR",
}
SCORES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI"}
IMPLEMENTATIONS = {"original_ref": "authors' code", "reimpl": "rewrite"}
ACCURACIES = {"train_accuracy": "train", "test_accuracy": "test"}


@dataclass(frozen=True)
class Entry:
    """One number: mean and deviation in percent, with how many seeds, or the reason why there is none."""

    mean: float | None = None
    std: float | None = None
    n: int | None = None
    values: tuple = ()
    evidence: tuple = ()
    reason: str = ""

    def text(self):
        if self.mean is None:
            return "not run" if self.reason else "–"
        return f"{self.mean:.1f}" + (f" ± {self.std:.1f}" if self.std is not None else "")


@dataclass(frozen=True)
class Row:
    """A source's (paper, here ...) figures for one step; `ours` marks what was run here."""

    source: str
    dataset: str
    step: str
    entries: dict
    ours: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    metrics: dict
    """Key to heading."""
    rows: list = field(default_factory=list)


def measured(found, evidence, reasons=()):
    """The Entry of a Spread of shares of 1, or of None, which one of `reasons` explains."""
    if not isinstance(found, Spread):
        return Entry(reason=next(iter(reasons), "no record"))
    percent = spread([100 * value for value in found.values])
    return Entry(percent.mean, percent.std, percent.n, percent.values, tuple(evidence))


def published_rows(study, steps, metrics):
    """The study's published figures for `steps`, in the order of the steps."""
    for step in steps:
        for figure in study.published:
            if figure["step"] == step:
                entries = {key: Entry(*figure[key]) if key in figure else Entry() for key in metrics}
                yield Row(figure["source"], figure["dataset"], STEPS.get(step, step), entries)


def our_rows(summary, dataset, steps, metrics):
    """What was run here. `steps`: as steps_run gives them; one that has no record says why."""
    for source, step, label, reason in steps:
        if reason:
            entries = {key: Entry(reason=reason) for key in metrics}
        else:
            reasons = [reason for _, reason in summary.not_run(step)]
            entries = {key: measured(summary.spread(step, key), summary.evidence(step), reasons) for key in metrics}
        yield Row(source, dataset, label, entries, ours=True)


def steps_run(study):
    """(source, step, label, reason why not run) of the study's rows, each implementation's arms in turn."""
    for shared in ("kmeans/pixels", "kmeans/embeddings"):
        if shared in study.shared:
            yield "here", shared, STEPS[shared], ""
    for implementation, title in IMPLEMENTATIONS.items():
        title += ", here"
        arms = study.arms.get(implementation)
        if not arms:
            for stage in ("scan", "selflabel"):
                yield title, "", STEPS[stage], f"the study has no arm of {implementation}"
            continue
        for arm in arms:
            for stage in ("scan", "selflabel"):
                name = title if len(arms) == 1 else f"{title}: {arm}"
                yield name, f"{implementation}/{arm}/{stage}", STEPS[stage], ""


def clustering_table(summary, dataset):
    """Published figures and ours for every step, ACC, NMI and ARI (the reproduction study's table 1)."""
    rows = list(published_rows(summary.study, ("kmeans/pixels", "kmeans/embeddings", "scan", "selflabel"), SCORES))
    rows += our_rows(summary, dataset, steps_run(summary.study), SCORES)
    order = list(STEPS.values())
    rows.sort(key=lambda row: order.index(row.step))
    return Table("table1", "Clustering of the test images, in percent", SCORES, rows)


def neighbor_table(summary, dataset):
    """Share of mined neighbors of the image's own class (the reproduction study's table 2)."""
    rows = []
    for step in (shared for shared in summary.study.shared if shared.startswith("neighbors/")):
        mined = summary.cells(step)[0]["record"]["settings"]["neighbors"]
        data = f"{dataset}, {mined['scored']} and {mined['test']} neighbors"
        theirs, label = f"original_ref/pretext/{step.split('/')[1]}", STEPS.get(step, step)
        runs = [("authors' code, here", theirs, label, "")] if theirs in summary.study.shared else []
        rows += [*published_rows(summary.study, [step], ACCURACIES),
                 *our_rows(summary, data, [*runs, ("rewrite, here", step, label, "")], ACCURACIES)]
    return Table("table2", "Share of each image's nearest neighbors that are of its class, in percent", ACCURACIES, rows)


def write_table(table, folder):
    """`<folder>/<name>.csv`, full precision with every seed and its record, and `<name>.tex` (booktabs)."""
    columns = ["step", "source", "dataset", "metric", "mean", "std", "n", "values", "records", "not_run_because"]
    lines = [
        {"step": row.step, "source": row.source, "dataset": row.dataset, "metric": heading,
         "mean": _number(entry.mean), "std": _number(entry.std), "n": _number(entry.n),
         "values": " ".join(map(repr, entry.values)), "records": " ".join(entry.evidence), "not_run_because": entry.reason}
        for row in table.rows for key, heading in table.metrics.items() for entry in [row.entries[key]]
    ]
    write_csv(folder / f"{table.name}.csv", columns, lines)
    with writing(folder / f"{table.name}.tex") as temporary:
        temporary.write_text(latex(table))


def _number(value):
    return "" if value is None else repr(value)


def latex(table):
    body = []
    for before, row in zip([None, *table.rows], table.rows):
        if before and before.step != row.step:
            body.append(r"\midrule")
        cells = [_tex(entry.text()) for entry in row.entries.values()]
        n = next((str(entry.n) for entry in row.entries.values() if entry.n), "--")
        body.append(" & ".join([_tex(row.step), _tex(row.source), _tex(row.dataset), *cells, n]) + r" \\")
    headings = " & ".join(["step", "source", "data", *map(_tex, table.metrics.values()), "$n$"])
    return "\n".join([
        f"% {table.caption}; needs the package booktabs",
        rf"\begin{{tabular}}{{lll{'r' * len(table.metrics)}r}}", r"\toprule", headings + r" \\", r"\midrule",
        *body, r"\bottomrule", r"\end{tabular}", ""])


def _tex(text):
    for plain, escaped in {"&": r"\&", "%": r"\%", "_": r"\_", "±": r"$\pm$", "–": "--", "#": r"\#"}.items():
        text = text.replace(plain, escaped)
    return text
