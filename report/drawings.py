"""What is drawn of a study: learning curves, confusion, pictures, each with a title and a sentence that says what it shows."""

from dataclasses import dataclass

import numpy as np

from harness.settings import ARM_STAGES
from report import figures
from report.tables import IMPLEMENTATIONS, SCORES, STEPS


@dataclass(frozen=True)
class Drawing:
    """name: of its file; text: what is to be seen, also read out in its place; svg: an SVG element."""

    name: str
    title: str
    text: str
    svg: str

    @property
    def kind(self):
        """seeds | curves | confusion | neighbors | prototypes: the section of the page that it belongs to."""
        return self.name.split("-")[0]


def study_drawings(summary, classes, table):
    """All drawings of a study. Args: classes: names; table: the clustering table."""
    seeds = Drawing("seeds", "Accuracy of every seed", "Accuracy in percent of each step: a point a seed, the mean as a line, "
                    "published means as diamonds.", figures.seeds_figure(table, "acc"))
    return [seeds, *curve_drawings(summary), *confusion_drawings(summary, classes), *picture_drawings(summary, classes)]


def series(summary, step, key, scale=1.0):
    """(epochs, values) of each seed; epochs without the figure are left out, as are values that are not finite."""
    found = []
    for cell in summary.cells(step):
        points = [(row["epoch"], scale * row[key]) for row in cell["record"]["curves"] if row.get(key) is not None]
        found.append(tuple(zip(*points)) if points else ((), ()))
    return found


def curve_drawings(summary):
    """Learning curves of the pretext task, and of each arm's two stages."""
    for step in summary.study.shared:
        if step.startswith("pretext/"):
            task = step.split("/")[1]
            yield Drawing(
                f"curves-{_slug(step)}", f"Pretext task: {STEPS.get(f'neighbors/{task}', task)}",
                "Training loss, and the share of the five nearest test images that are of the same class; a line a seed.",
                figures.curves_figure([
                    ("Training loss", "loss", [("loss", series(summary, step, "loss"))]),
                    ("Nearest neighbors, test", "% same class",
                     [("accuracy", series(summary, step, "neighbor_accuracy", 100))]),
                ]))
    for implementation, arm in arms(summary):
        scan, selflabel = f"{implementation}/{arm}/scan", f"{implementation}/{arm}/selflabel"
        terms = {"consistency": "consistency", "entropy": "entropy", "validation_loss": "validation loss"}
        panels = [
            ("SCAN: loss terms", "nats", [(label, series(summary, scan, key)) for key, label in terms.items()]),
            ("SCAN: test scores", "%", [(label, series(summary, scan, key, 100)) for key, label in SCORES.items()]),
            ("Self-label: confident images", "% of training images",
             [("confident", series(summary, selflabel, "confident", 100))]),
            ("Self-label: test scores", "%", [(label, series(summary, selflabel, key, 100)) for key, label in SCORES.items()]),
        ]
        yield Drawing(
            f"curves-{_slug(scan)}", f"SCAN and self-labeling{of(summary, implementation, arm)}",
            "Loss terms and test scores over the epochs of SCAN and of self-labeling; a line a seed.",
            figures.curves_figure(panels))


def confusion_drawings(summary, classes):
    """One matrix for each arm and stage, over all seeds, each seed's clusters matched to the classes first."""
    for implementation, arm in arms(summary):
        for stage in ARM_STAGES:
            cells = summary.cells(f"{implementation}/{arm}/{stage}")
            if not cells:
                continue
            counts = summed_confusion([cell["record"]["metrics"] for cell in cells], len(classes))
            yield Drawing(
                f"confusion-{implementation}-{arm}-{stage}", f"Confusion after {STEPS[stage]}{of(summary, implementation, arm)}",
                f"Percent of each class in each cluster, over {len(cells)} seeds; rows sum to 100.",
                figures.confusion_figure(counts, classes))


def summed_confusion(metrics, classes):
    """The sum over records of their confusion matrices, each cluster in the column of its matched class.

    Args: metrics: `confusion` [classes, clusters], matched clusters first and in the order of their classes, and `match`.
    Returns: int64 [classes, classes + unmatched]; the column of a class that no cluster is matched to holds zeros.
    """
    clusters = max(len(one["match"]) for one in metrics)
    total = np.zeros((classes, classes + max(clusters - classes, 0)), np.int64)
    for one in metrics:
        matched = sorted(label for label in one["match"] if label >= 0)
        columns = matched + list(range(classes, classes + len(one["match"]) - len(matched)))
        total[:, columns] += np.array(one["confusion"], np.int64)
    return total


def picture_drawings(summary, classes):
    """Nearest neighbors and prototypes, of the first seed."""
    for step in (shared for shared in summary.study.shared if shared.startswith("neighbors/")):
        images, labels = summary.pictures[f"{step}/images"], summary.pictures[f"{step}/labels"]
        names, wrong = [classes[label] for label in labels.flat], (labels != labels[:, :1]).flat
        yield Drawing(
            _slug(step), f"Nearest neighbors, {STEPS.get(step, step)}",
            "Training images drawn at random (left), and their nearest neighbors in the pretext embedding, nearest first; framed "
            "where of another class.",
            figures.picture_wall(images.reshape(-1, *images.shape[2:]), names, wrong, images.shape[1], first_apart=True))
    for implementation, arm in arms(summary):
        for stage in ARM_STAGES:
            step = f"{implementation}/{arm}/{stage}"
            if f"prototypes/{step}/images" not in summary.pictures:
                continue
            images, labels, matched = (summary.pictures[f"prototypes/{step}/{part}"] for part in ("images", "labels", "classes"))
            names = [classes[label] if label >= 0 else "none" for label in matched]
            yield Drawing(
                f"prototypes-{implementation}-{arm}-{stage}",
                f"Prototypes after {STEPS[stage]}{of(summary, implementation, arm)}",
                "For each cluster, the test image nearest to the mean of its most confident ones, under the class that the "
                "cluster is matched to; framed where the image is of another class.",
                figures.picture_wall(images, names, labels != matched, min(10, len(images))))


def arms(summary):
    """(implementation, arm) of every arm that has run."""
    return [(implementation, arm) for implementation, names in summary.study.arms.items() for arm in names
            if any(summary.cells(f"{implementation}/{arm}/{stage}") for stage in ARM_STAGES)]


def of(summary, implementation, arm):
    """Whose run it is, and which arm, for a title, where there are several."""
    many = len(summary.study.arms.get(implementation, {})) > 1
    return f", {IMPLEMENTATIONS[implementation]}" * (len(summary.study.arms) > 1) + f": {arm}" * many


def _slug(step):
    return step.replace("/", "-").replace("_", "-")
