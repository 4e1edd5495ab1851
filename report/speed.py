"""What `make bench` measured, for the page: it is no stage of the pipeline, so its file may be missing."""

from pathlib import Path

from harness.files import read_json
from report import figures
from report.drawings import Drawing
from report.tables import IMPLEMENTATIONS

FILE = Path("runs/bench.json")


def read_speed(file=FILE):
    """The measurements, with the mean rates of each row and a drawing of the growth; None where there are none."""
    if not file.exists():
        return None
    found = read_json(file)
    sides = [{**row, "means": {name: mean(row["images_per_second"][name]) for name in IMPLEMENTATIONS}}
             for row in found["side_by_side"]]
    return {**found, "side_by_side": sides, "drawing": growth_drawing(found["growth"]) if found["growth"] else None}


def mean(values):
    return sum(values) / len(values) if values else None


def growth_drawing(rows):
    """Seconds over the number of images, a line a stage."""
    series = {}
    for row in rows:
        series.setdefault(row["stage"], []).append((row["images"], row["seconds"]))
    factors = [f"{stage} {points[-1][1] / points[0][1]:.1f} times" for stage, points in series.items()]
    images = [row["images"] for row in rows]
    text = (f"Seconds an epoch, of neighbors those of the whole stage with its start-up, over the number of training images, on "
            f"logarithmic axes. From {min(images)} to {max(images)} images, {max(images) / min(images):g} times as many: "
            f"{', '.join(factors)} the seconds.")
    return Drawing("growth", "Cost over the number of images", text, (figures.growth_figure(series),))
