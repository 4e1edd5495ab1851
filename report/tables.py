"""Tables: built once as data, written as CSV here, as LaTeX by latex.py and as HTML by the template."""

from dataclasses import dataclass, field

from harness.files import write_csv, write_text
from harness.stages import BASELINES, SCORED, STAGES, made_from, title
from report.latex import latex
from report.statistics import bootstrap_interval, by_unit, spread, t_interval

SCORES = {"acc": "ACC", "acc_many_to_one": "ACC, many to one", "acc_reference": "ACC, as the authors' code counts",
          "nmi": "NMI", "ari": "ARI"}
PREPARED = {"pretext": "pretext task", "neighbors": "neighbors"}
"""The stages that come before what is scored, in words."""
IMPLEMENTATIONS = {"original_ref": "authors' code", "reimpl": "rewrite"}
PUBLISHED_ON = {"cifar10": "CIFAR-10", "cifar20": "CIFAR100-20", "stl10": "STL-10"}
UNSCORED = "it was run, and the images have no labels to score it by"
ACCURACIES = {"train_accuracy": "train", "test_accuracy": "test"}


@dataclass(frozen=True)
class Entry:
    """One number: mean and deviation in percent, with how many seeds, or the reason why there is none.

    values: by seed; evidence: the paths of their records, in the same order. `unscored`: it was run, and there are no labels.
    """

    mean: float | None = None
    std: float | None = None
    n: int | None = None
    values: dict = field(default_factory=dict)
    evidence: tuple = ()
    reason: str = ""
    unscored: bool = False

    def text(self):
        if self.mean is None:
            return "not run" if self.reason and not self.unscored else "–"
        return f"{self.mean:.1f}" + (f" ± {self.std:.1f}" if self.std is not None else "")

    def t_interval(self):
        """(low, high) of the mean over pretext seeds, in percent, or None."""
        return t_interval(self._units()) if self.values else None

    def bootstrap_interval(self):
        return bootstrap_interval(self._units()) if self.values else None

    def _units(self):
        return list(by_unit(self.values).values())


@dataclass(frozen=True)
class Row:
    """A source's (paper, here ...) figures for one step; `ours` marks what was run here, `changes` the arm's own settings, and
    `kept` says which of ours are records of runs elsewhere. `of`: the source of our row that a published one stands beside, where
    it is of one arm and not of the step."""

    source: str
    dataset: str
    step: str
    entries: dict
    ours: bool = False
    changes: tuple = ()
    kept: str = ""
    of: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    metrics: dict
    """Key to heading."""
    rows: list = field(default_factory=list)


def measured(by_seed, evidence, reasons=()):
    """The Entry of shares of 1 by seed; where there are none, one of `reasons` says why."""
    if not by_seed and evidence:
        return Entry(n=len(evidence), reason=UNSCORED, unscored=True)
    if not by_seed:
        return Entry(reason=next(iter(reasons), "no record"))
    percent = {seed: 100 * value for seed, value in by_seed.items()}
    found = spread(list(percent.values()))
    return Entry(found.mean, found.std, found.n, percent, tuple(evidence))


def published_rows(study, dataset, step, label, metrics, arm=""):
    """The study's published figures for a step, or for that of an arm: of the data set, or of CIFAR-10 for orientation."""
    others = {*PUBLISHED_ON.values()} - {PUBLISHED_ON.get(dataset, PUBLISHED_ON["cifar10"])}
    for figure in study.published:
        if figure["step"] == step and figure["dataset"] not in others:
            entries = {key: _published(figure[key], figure.get("n")) if key in figure else Entry() for key in metrics}
            yield Row(f"{figure['source']}: {arm}" if arm else figure["source"], figure["dataset"], label, entries, of=arm)


def _published(figure, n):
    """The Entry of a mean, or of a mean and a deviation, over n runs."""
    mean, std = (*figure, None)[:2]
    return Entry(mean, std, n)


def our_row(summary, dataset, source, step, label, metrics, changes=()):
    """What was run here for a step; one that has no record says why."""
    reasons = [reason for _, reason in summary.not_run(step)]
    entries = {key: measured(summary.by_seed(step, key), summary.evidence(step), reasons) for key in metrics}
    return Row(source, dataset, label, entries, ours=True, changes=changes, kept=summary.kept(step))


def leading(summary):
    """The accuracy that a study is read by: many to one where a run has more clusters than there are classes, since one to one
    counts what lies in the others as wrong."""
    confusions = [found for step in {cell["step"] for cell in summary.records} for found in summary.confusions(step).values()]
    return "acc_many_to_one" if any(len(found[0]) > len(found) for found in confusions) else "acc"


def clustering_table(summary, dataset):
    """Published figures and ours, stage by stage and arm by arm (for the study `main`, the reproduction study's table 1)."""
    metrics = {key: SCORES[key] for key in dict.fromkeys((leading(summary), *summary.study.scores))}
    rows = []
    for step in BASELINES:
        if step in summary.study.shared:
            rows += [*published_rows(summary.study, dataset, step, title(step), metrics),
                     our_row(summary, dataset, "here", step, title(step), metrics)]
    for stage in SCORED:
        rows += published_rows(summary.study, dataset, stage, title(stage), metrics)
        for arm in sorted(summary.arms(), key=lambda arm: list(IMPLEMENTATIONS).index(arm.implementation)):
            source = source_of(summary, arm)
            rows += published_rows(summary.study, dataset, arm.step(stage), title(stage), metrics, source)
            if any(cell["step"] == arm.step(stage) for cell in summary.records):
                changes = tuple((name, value) for name, value in arm.changes if name.split(".")[0] in made_from(stage))
                rows.append(our_row(summary, dataset, source, arm.step(stage), title(stage), metrics, changes))
    return Table("table1", "Clustering of the test images, in percent", metrics, rows)


def label(summary, step):
    """What a step is called in a sentence: with whose it is, and of which arm, where there are several."""
    if step in BASELINES:
        return title(step)
    *whose, name, last = step.split("/")
    if name in STAGES:  # all studies share it, and `last` is a pretext task
        return f"{PREPARED[name]}, {title(step)} ({IMPLEMENTATIONS[whose[0] if whose else 'reimpl']})"
    (implementation,) = whose
    arms = {arm.name: arm.shown for arm in summary.arms() if arm.implementation == implementation}
    which = f": {arms.get(name, name)}" if len(arms) > 1 else ""
    return f"{PREPARED.get(last) or title(last)} ({IMPLEMENTATIONS[implementation]}{which})"


def source_of(summary, arm):
    """Whose run an arm is, and which arm, as far as the study has several."""
    arms = summary.arms()
    whose = f"{IMPLEMENTATIONS[arm.implementation]}, here"
    if len({other.implementation for other in arms}) == 1:
        return arm.shown
    return f"{whose}: {arm.shown}" if sum(other.implementation == arm.implementation for other in arms) > 1 else whose


def neighbor_table(summary, dataset):
    """Share of mined neighbors of the image's own class (the reproduction study's table 2); None where the study has none."""
    rows = []
    steps = {step: title(step) for step in summary.study.shared if step.startswith("neighbors/")}
    steps |= {arm.step("neighbors"): arm.shown for arm in summary.arms()}
    for step, label in ((step, label) for step, label in steps.items() if summary.cells(step)):
        mined = summary.cells(step)[0]["record"]["settings"]["neighbors"]
        data = f"{dataset}, {mined['scored']} and {mined['test']} neighbors"
        theirs = f"original_ref/{step.replace('neighbors', 'pretext')}"
        rows += published_rows(summary.study, dataset, step, label, ACCURACIES)
        if theirs in summary.study.shared:
            rows.append(our_row(summary, data, "authors' code, here", theirs, label, ACCURACIES))
        rows.append(our_row(summary, data, "rewrite, here", step, label, ACCURACIES))
    if not rows:
        return None
    return Table("table2", "Share of each image's nearest neighbors that are of its class, in percent", ACCURACIES, rows)


def write_table(table, folder):
    """`<folder>/<name>.csv`, full precision with intervals, every seed and its record, and `<name>.tex`, whose label
    has the name of the folder that `folder` is in."""
    columns = ["step", "source", "dataset", "metric", "mean", "std", "n", "t_low", "t_high", "bootstrap_low", "bootstrap_high",
               "seeds", "values", "records", "kept", "not_run_because"]
    lines = [
        {"step": row.step, "source": row.source, "dataset": row.dataset, "metric": heading,
         "mean": _number(entry.mean), "std": _number(entry.std), "n": _number(entry.n),
         **_ends("t", entry.t_interval()), **_ends("bootstrap", entry.bootstrap_interval()),
         "seeds": " ".join(entry.values), "values": " ".join(map(repr, entry.values.values())),
         "records": " ".join(entry.evidence), "kept": row.kept, "not_run_because": entry.reason}
        for row in table.rows for key, heading in table.metrics.items() for entry in [row.entries[key]]
    ]
    write_csv(folder / f"{table.name}.csv", columns, lines)
    write_text(folder / f"{table.name}.tex", latex(table, f"{folder.parent.name}-{table.name}"))


def _ends(name, interval):
    low, high = interval or (None, None)
    return {f"{name}_low": _number(low), f"{name}_high": _number(high)}


def _number(value):
    return "" if value is None else repr(value)
