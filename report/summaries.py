"""The summaries of all studies on one data set, as the report reads them (written by harness/results/summary.py)."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UserError
from harness.files import existing, read_csv, read_json, read_npz
from harness.params import matters
from harness.pipeline.confounded import flat
from harness.pipeline.study import Study, load_study, names
from harness.validation import build
from report.runs import balance, purity, right

ORDER = ("main", "pretext_task", "num_neighbors", "strong_augmentation", "entropy_weight", "threshold", "one_sided",
         "overclustering", "pretext_quality", "seeds", "divergences")  # the paper's; other studies follow


@dataclass(frozen=True)
class Arm:
    """One arm of a study. `changes`: the settings that it changes, as (name, value) by stage; of a study read from, none.
    `label`: what the study has it called."""

    implementation: str
    name: str
    changes: tuple
    label: str = field(default="", compare=False)

    @property
    def shown(self):
        """What the report calls it."""
        return self.label or self.name.replace("_", " ")

    def step(self, stage):
        return f"{self.implementation}/{self.name}/{stage}"


@dataclass(frozen=True)
class Summary:
    """rows: of cells.csv; records: of records.json; pictures, clusters: arrays of gallery.npz and clusters.npz, by name.

    Seeds are text: `0`, or `0-3`.
    """

    name: str
    study: Study
    rows: list
    records: list
    pictures: dict
    clusters: dict

    def by_seed(self, step, metric):
        """The metric of a step, as floats by seed; empty where there are none."""
        if metric == "balance":  # which follows from what is recorded
            return {seed: balance(confusion) for seed, confusion in self.confusions(step).items()}
        if metric == "prototypes":
            return {seed: purity(self.clusters["labels"], self.clusters[f"{step}/{seed}"], chosen)
                    for seed, chosen in self.prototypes(step).items()}
        return {row["seed"]: float(row["value"]) for row in self.rows if row["step"] == step and row["metric"] == metric}

    def percent(self, step, metric):
        """The same in percent."""
        return {seed: 100 * value for seed, value in self.by_seed(step, metric).items()}

    def right(self, step, metric):
        """Which images each run of a step has right, bool [n] by seed; of runs alone whose predictions are at hand."""
        found = {}
        for seed, share in self.by_seed(step, metric).items():
            of_images = self.clusters.get(f"{step}/{seed}", ())
            if len(of_images) and len(of_images) == len(self.clusters["labels"]):
                images = right(self.clusters["labels"], of_images, metric)
                if abs(images.mean() - share) < 1e-6:  # else they are not of the images that the record is of
                    found[seed] = images
        return found

    def prototypes(self, step):
        """The image that stands for each cluster, int [clusters], -1 for an empty one; of each run of a step, by seed."""
        return {seed: self.clusters[name] for seed in self.confusions(step)
                if (name := f"prototypes/{step}/{seed}") in self.clusters}

    def confusions(self, step):
        """The confusion matrix of each run of a step, by seed."""
        return {cell["seed"]: cell["record"]["metrics"]["confusion"] for cell in self.cells(step)
                if "confusion" in cell["record"]["metrics"]}

    def cells(self, step):
        """The cells (step, seed, path, sha256, record) of a step that have run, one a seed."""
        return [cell for cell in self.records if cell["step"] == step and not cell["record"]["not_run"]]

    def not_run(self, step=None):
        """(cell, reason) of each cell that did not run, of one step or of all."""
        return [(cell, cell["record"]["not_run"]) for cell in self.records
                if cell["record"]["not_run"] and step in (None, cell["step"])]

    def evidence(self, step):
        """The paths of the step's records."""
        return [cell["path"] for cell in self.cells(step)]

    def weights(self, arm):
        """The hashes of the weights that each SCAN of an arm started from, by seed. Those of one pretext seed are not all alike
        where they were made on processors that round otherwise."""
        return {cell["seed"]: tuple(digest for file, digest in sorted(cell["record"]["evidence"]["inputs"].items())
                                    if file.endswith("/model.pt")) for cell in self.cells(arm.step("scan"))}

    def kept(self, step):
        """Which of the step's records were kept from elsewhere, as text; empty where none was."""
        cells = self.cells(step)
        kept = [cell for cell in cells if cell.get("kept")]
        count = f"{len(kept)} of {len(cells)} are kept records" if len(kept) < len(cells) else "kept record"
        return f"{count}, {made_on(kept)}" if kept else ""

    def arms(self):
        """Every Arm, those read from other studies first."""
        own = [(implementation, name, stages) for implementation, _, name, stages in self.study.each_arm()]
        own_names = {(implementation, name) for implementation, name, _ in own}
        read = [(target.split("/")[1], name, {}) for name, target in self.study.reads.items()]
        return [Arm(implementation, name, tuple(flat(stages)), self.study.labels.get(name, ""))
                for implementation, name, stages in [arm for arm in read if arm[:2] not in own_names] + own]

    def baseline(self):
        """The arm that the others are compared with: the first that is read from another study; None where none is."""
        return next((arm for arm in self.arms() if arm.name in self.study.reads), None)

    def arms_run(self, stage):
        """The arms that have a record of a stage."""
        return [arm for arm in self.arms() if self.cells(arm.step(stage))]


def made_on(cells):
    """The machines and revisions of some cells' records, as text: "NVIDIA H200, revision 0123456; ..."."""
    found = [cell["record"]["evidence"] for cell in cells]
    return "; ".join(dict.fromkeys(
        f"{facts['hardware'].get('accelerator') or facts['hardware'].get('processor', 'unknown hardware')}, revision "
        f"{facts['revision'][:7]}{'+changes' * facts['revision'].endswith('+changes')}" for facts in found))


def read_summaries(folder):
    """Every summary under `folder`, which has a folder a study, in the paper's order. Raises UserError where there is none."""
    found = []
    folder = existing(folder, "dvc repro` or, of kept records, `python -m studies records")
    for path in sorted(folder.iterdir(), key=lambda path: order(path.name)):
        if (path / "cells.csv").exists():
            found.append(Summary(path.name, build(Study, read_json(path / "study.json"), str(path / "study.json")),
                                 read_csv(path / "cells.csv"), read_json(path / "records.json"),
                                 read_npz(path / "gallery.npz"), read_npz(path / "clusters.npz")))
    if not found:
        raise UserError(f"{folder} holds no summary: `dvc repro` makes them")
    return found


def data_set(name):
    """What dataset.json says of a data set, that of the kept records where it is not prepared here; and what matters on it."""
    here, kept = Path("data") / name / "dataset.json", Path("records") / name / "dataset.json"
    facts = read_json(kept if kept.exists() and not here.exists() else existing(here, "dvc repro dataset"))
    return facts | {"matters": matters(name)}


def studies_not_run(summaries):
    """(name, Study) of the studies that have no summary."""
    return [(name, load_study(name)) for name in sorted(names(), key=order) if name not in {one.name for one in summaries}]


def order(name):
    """What studies are sorted by: the paper's order, then their names."""
    return ORDER.index(name) if name in ORDER else len(ORDER), name
