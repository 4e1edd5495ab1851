"""The summaries of all studies on one data set, as the report reads them (written by studies/summary.py)."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.files import existing, read_csv, read_json, read_npz
from harness.settings import build
from report.statistics import spread
from studies.study import Study


@dataclass(frozen=True)
class Summary:
    """rows: of cells.csv; records: of records.json; pictures: arrays of gallery.npz, by name."""

    name: str
    study: Study
    rows: list
    records: list
    pictures: dict

    def by_seed(self, step, metric):
        """The metric of a step, as floats by seed; empty where there are none."""
        return {int(row["seed"]): float(row["value"]) for row in self.rows if row["step"] == step and row["metric"] == metric}

    def spread(self, step, metric):
        """The Spread over seeds, or None where nothing was run."""
        values = list(self.by_seed(step, metric).values())
        return spread(values) if values else None

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


def read_summaries(folder):
    """Every summary under `folder`, which has a folder a study. Raises UserError where there is none."""
    found = []
    for path in sorted(Path(existing(folder, "dvc repro")).iterdir()):
        if (path / "cells.csv").exists():
            pictures = read_npz(path / "gallery.npz")
            found.append(Summary(path.name, build(Study, read_json(path / "study.json"), str(path / "study.json")),
                                 read_csv(path / "cells.csv"), read_json(path / "records.json"), pictures))
    if not found:
        raise UserError(f"{folder} holds no summary: `dvc repro` makes them")
    return found
