"""The clusters of images that were read from files: their sizes, their sheets, and where the cluster of each file stands
(harness/results/sheets.py)."""

import os
from dataclasses import dataclass

from harness.files import read_json

CSV, SHEETS = "clusters.csv", "sheets.json"


@dataclass(frozen=True)
class Sheets:
    """An arm's clusters, the largest first: each a mapping of cluster, images, share (of 1), confidence (the mean; None for an
    empty one) and picture. Paths are from the page."""

    arm: str
    step: str
    seed: str
    table: str
    clusters: list


def read_sheets(summaries, out):
    """The Sheets of the arms of all studies. Args: summaries: their folder; out: that of the page."""
    found = []
    for file in sorted(summaries.glob(f"*/clusters/*/*/{SHEETS}")):
        whole, folder = read_json(file), file.parent
        count = sum(each["images"] for each in whole["clusters"])
        clusters = [{**each, "share": each["images"] / count, "picture": os.path.relpath(folder / f"{each['cluster']}.png", out)}
                    for each in sorted(whole["clusters"], key=lambda each: -each["images"])]
        found.append(Sheets(f"{folder.parent.name}/{folder.name}", whole["step"], whole["seed"],
                            os.path.relpath(folder / CSV, out), clusters))
    return found
