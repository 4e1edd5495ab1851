"""What is drawn of single steps and arms: curves, clusters, confusion matrices, pictures."""

import numpy as np

from harness.stages import SCORED, title
from report import panels
from report.drawings import Drawing, axis_drawings, forest_drawings, gain_drawings, listed, seeds_drawings
from report.tables import IMPLEMENTATIONS, SCORES, leading

FEW = 3  # arms; with more, drawings of single arms are left to the summary
PICTURES = 5
"""In a row, beside the first: more could not be made out on a phone."""


def study_drawings(summary, classes, table):
    """All drawings of a study. Args: classes: names; table: the clustering table."""
    first = axis_drawings(summary) if summary.study.axis else seeds_drawings(table)
    detailed = [*curve_drawings(summary), *picture_drawings(summary, classes)] if len(summary.arms()) <= FEW else []
    return [*first, *gain_drawings(summary), *forest_drawings(summary), *pretext_drawings(summary), *detailed,
            *arms_drawings(summary), *confusion_drawings(summary, classes)]


def series(summary, step, key, scale=1.0):
    """(epochs, values) by seed; epochs without the figure are left out, as are values that are not finite."""
    found = {}
    for cell in summary.cells(step):
        points = [(row["epoch"], scale * row[key]) for row in cell["record"]["curves"] if row.get(key) is not None]
        found[cell["seed"]] = tuple(zip(*points)) if points else ((), ())
    return found


def pretext_drawings(summary):
    """Learning curves of each pretext task that the study reports or trains."""
    shared = [(step, title(step)) for step in summary.study.shared if step.startswith("pretext/")]
    for step, name in [*shared, *((arm.step("pretext"), arm.shown) for arm in summary.arms())]:
        if summary.cells(step):
            yield curves(
                f"curves-{_slug(step)}", f"Pretext task: {name}",
                "Training loss, and the share of the five nearest test images that are of the same class; a line a seed.",
                [("Training loss", "loss", [("loss", series(summary, step, "loss"))]),
                 ("Nearest neighbors, test", "% same class", [("accuracy", series(summary, step, "neighbor_accuracy", 100))])])


def curve_drawings(summary):
    """Learning curves of each arm's two stages."""
    for arm in summary.arms():
        scan, selflabel = arm.step("scan"), arm.step("selflabel")
        if summary.baseline() or not summary.cells(scan):  # of a study that compares arms, arms_drawings has the curves
            continue
        terms = {"consistency": "consistency", "entropy": "entropy", "validation_loss": "loss on test images"}
        scores = {key: SCORES[key] for key in ("acc", "nmi", "ari")}
        found = [
            ("SCAN: loss terms", "nats", [(label, series(summary, scan, key)) for key, label in terms.items()]),
            ("SCAN: test scores", "%", [(label, series(summary, scan, key, 100)) for key, label in scores.items()]),
        ]
        if labeled := summary.cells(selflabel):
            lines = [(label, series(summary, selflabel, key, 100)) for key, label in scores.items()]
            found += [("Self-label: confident images", "% of training images",
                       [("confident", series(summary, selflabel, "confident", 100))]),
                      ("Self-label: test scores", "%", lines)]
        yield curves(
            f"curves-{_slug(scan)}", named(summary, arm, f"SCAN{' and self-labeling' if labeled else ''}"),
            f"Loss terms and test scores over the epochs of SCAN{' and of self-labeling' if labeled else ''}; a line a seed.",
            found)


def curves(name, heading, text, found):
    """A Drawing of the panels that have a point, as those of scores have none without labels; of none, of the first one.

    Args: found: (title, axis label, [(label, {seed: (epochs, values)}), ...]) each.
    """
    shown = [panel for panel in found if any(epochs for _, seeds in panel[2] for epochs, _ in seeds.values())] or found[:1]
    last = [(f"{panel}, {label}" if len(lines) > 1 else panel, np.mean(ends)) for panel, _, lines in shown
            for label, seeds in lines if (ends := [values[-1] for _, values in seeds.values() if values])]
    return Drawing(name, heading, text, tuple(panels.curves_figure(*panel) for panel in shown),
                   listed("Means over seeds in the last epoch", last, ".4g") if last else "")


def arms_drawings(summary):
    """Of studies with several arms: the share of confident images, the accuracy over the epochs, the sizes of the clusters."""
    metric = leading(summary)
    for stage in summary.study.stages():
        arms = [arm for arm in summary.arms_run(stage) if arm.implementation == "reimpl"]
        if len(arms) < 2 or not any(summary.by_seed(arm.step(stage), "acc") for arm in arms):
            continue
        found = [
            ("Test accuracy", "epoch", f"{SCORES[metric]} in %",
             [(arm.shown, *mean_curve(summary, arm.step(stage), metric)) for arm in arms]),
            ("Confident images", "epoch", "% of training images",
             [(arm.shown, *mean_curve(summary, arm.step(stage), "confident")) for arm in arms]),
            ("Cluster sizes", "cluster, largest first", "% of test images",
             [(arm.shown, *cluster_sizes(summary, arm.step(stage))) for arm in arms]),
        ]
        found = [panel for panel in found if any(np.isfinite(ys).any() for *_, ys in panel[3])]  # one has no curve of it
        shown = {"Test accuracy": "accuracy over the epochs",
                 "Confident images": "the share of training images confident enough to be learned from",
                 "Cluster sizes": "the share of test images in each cluster, the largest cluster first"}
        *others, last = [shown[panel] for panel, *_ in found]
        ends = [(name, ys[-1]) for name, _, ys in found[0][3] if len(ys)]
        yield Drawing(f"arms-{stage}", f"{title(stage)}: the arms{' over the epochs' * bool(others)}, and their clusters",
                      f"A line an arm, the mean over its seeds: {', and '.join([*filter(None, [', '.join(others)]), last])}.",
                      tuple(figure for panel in found for figure in panels.arms_figures(*panel, 3 if len(found) == 1 else 1)),
                      listed(f"{found[0][0]} in the end", ends, ".1f") if others and ends else "")


def mean_curve(summary, step, key):
    """(epochs, mean over seeds in percent) as far as every seed goes."""
    runs = [[row.get(key) for row in cell["record"]["curves"]] for cell in summary.cells(step)]
    length = min(map(len, runs), default=0)
    values = np.array([run[:length] for run in runs], float)
    return np.arange(1, length + 1), 100 * values.mean(0)


def cluster_sizes(summary, step):
    """(rank, share of the test images in percent): clusters of each seed by size, averaged over seeds."""
    sizes = [np.sort(np.sum(cell["record"]["metrics"]["confusion"], 0))[::-1] for cell in summary.cells(step)]
    mean = np.mean(sizes, 0)
    return np.arange(1, len(mean) + 1), 100 * mean / mean.sum()


def confusion_drawings(summary, classes):
    """One matrix for each arm and stage, over all seeds, each seed's clusters matched to the classes first."""
    for stage in summary.study.stages():
        for arm in summary.arms_run(stage):
            cells = [cell for cell in summary.cells(arm.step(stage)) if "confusion" in cell["record"]["metrics"]]
            if not cells:
                continue
            counts = summed_confusion([cell["record"]["metrics"] for cell in cells], len(classes))
            yield Drawing(
                f"confusion-{_slug(arm.step(stage))}", named(summary, arm, title(stage)),
                f"Percent of each class in each cluster, over {len(cells)} seeds; rows sum to 100.",
                (panels.confusion_figure(counts, classes),), most_confused(counts, classes))


def most_confused(counts, classes):
    """A sentence on the class of which most lies in a cluster that is not its own."""
    share = counts / counts.sum(1, keepdims=True).clip(1)
    share[np.arange(len(classes)), np.arange(len(classes))] = 0
    row, column = np.unravel_index(share.argmax(), share.shape)
    where = f"the cluster of {classes[column]}" if column < len(classes) else "a cluster of no class"
    return f"Most confused: {100 * share[row, column]:.0f} % of {classes[row]} in {where}."


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
    for step in (shared for shared in summary.study.shared if f"{shared}/images" in summary.pictures):
        images, labels = (summary.pictures[f"{step}/{part}"][:, :1 + PICTURES] for part in ("images", "labels"))
        names, wrong = [classes[label] if label >= 0 else "" for label in labels.flat], labels != labels[:, :1]
        yield Drawing(
            _slug(step), f"Nearest neighbors, {title(step)}",
            "Training images drawn at random (left), and their nearest neighbors in the pretext embedding, nearest first; framed "
            "where of another class.",
            (panels.picture_wall(images.reshape(-1, *images.shape[2:]), names, wrong.flat, images.shape[1], first_apart=True),),
            f"{wrong.sum()} of {wrong[:, 1:].size} are of another class." if classes else "")
    for arm in summary.arms():
        for stage in SCORED:
            step = arm.step(stage)
            if f"prototypes/{step}/images" not in summary.pictures:
                continue
            images, labels, matched, clusters = (summary.pictures[f"prototypes/{step}/{part}"]
                                                 for part in ("images", "labels", "classes", "clusters"))
            names = [classes[label] if label >= 0 else "none" if classes else str(cluster)
                     for label, cluster in zip(matched, clusters)]
            wrong = labels != matched
            yield Drawing(
                f"prototypes-{_slug(step)}", named(summary, arm, f"Prototypes after {title(stage)}"),
                "For each cluster, the test image nearest to the mean of its most confident ones, under the class that the "
                "cluster is matched to (without labels, its number); framed where the image is of another class.",
                (panels.picture_wall(images, names, wrong, min(PICTURES, len(images))),),
                f"{wrong.sum()} of {len(images)} are of another class." if classes else "")


def named(summary, arm, name):
    """What a step is called, and where there are several, whose run it is, and which arm, unless the name says it."""
    arms = summary.arms()
    many = sum(other.implementation == arm.implementation for other in arms) > 1
    several = len({other.implementation for other in arms}) > 1
    return name + f", {IMPLEMENTATIONS[arm.implementation]}" * several + f": {arm.shown}" * (many and arm.shown not in name)


def _slug(step):
    return step.replace("/", "-").replace("_", "-")
