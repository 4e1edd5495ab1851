"""What is drawn of a study, each drawing with a title and a sentence that says what it shows."""

from dataclasses import dataclass

import numpy as np

from harness.stages import SCORED, made_from, title
from report import figures
from report.statistics import by_unit, paired, t_interval
from report.tables import IMPLEMENTATIONS, SCORES

FEW = 3  # arms; with more, drawings of single arms are left to the summary


@dataclass(frozen=True)
class Drawing:
    """name: of its file; text: what is to be seen, also read out in its place; svg: an SVG element."""

    name: str
    title: str
    text: str
    svg: str

    @property
    def kind(self):
        """The part of the page that it belongs to: seeds | axis | gain | forest | curves | arms | confusion | neighbors |
        prototypes."""
        return self.name.split("-")[0]


def study_drawings(summary, classes, table):
    """All drawings of a study. Args: classes: names; table: the clustering table."""
    first = axis_drawings(summary) if summary.study.axis else seeds_drawings(table)
    detailed = [*curve_drawings(summary), *picture_drawings(summary, classes)] if len(summary.arms()) <= FEW else []
    return [*first, *gain_drawings(summary), *forest_drawings(summary), *detailed, *arms_drawings(summary),
            *confusion_drawings(summary, classes)]


def seeds_drawings(table):
    if any(row.ours and row.entries["acc"].mean is not None for row in table.rows):
        published = ", published means as diamonds" if any(not row.ours for row in table.rows) else ""
        yield Drawing("seeds", "Accuracy of every seed", "Accuracy in percent of each step: a point a seed, the mean as a line"
                      f"{published}.", figures.seeds_figure(table, "acc"))


def axis_drawings(summary):
    """Accuracy over the setting that the arms vary."""
    stage, _, key = summary.study.axis.partition(".")
    lines = []
    for step in (step for step in summary.study.stages() if stage in made_from(step)):
        points = []
        for arm in summary.arms_run(step):
            setting = summary.cells(arm.step(step))[0]["record"]["settings"][stage][key]
            values = summary.percent(arm.step(step), "acc")
            points.append((setting, list(values.values()), t_interval(list(by_unit(values).values()))))
        points = [point for point in points if point[1]]
        if points:
            lines.append((title(step), sorted(points)))
    if lines:
        yield Drawing("axis", f"Accuracy over {key.replace('_', ' ')}",
                      "Accuracy in percent: a point a seed, the means as a line, 95 % intervals (t, over pretext seeds) as "
                      "bands, cut off at the figure's edge. Settings stand at equal distances.",
                      figures.axis_figure(lines, summary.study.axis, "ACC in percent"))


def gain_drawings(summary):
    """What SCAN and self-labeling gain over k-means on the same features, against how good the mined neighbors are."""
    panels = []
    for stage in (stage for stage in summary.study.stages() if stage != "kmeans"):
        points = []
        for arm in summary.arms_run(stage):
            own = summary.cells(arm.step("kmeans"))  # an arm that is read from elsewhere stands on the shared pretext task
            steps = (arm.step("kmeans"), arm.step("neighbors")) if own else ("kmeans/embeddings", "neighbors/simclr")
            baseline, quality = summary.percent(steps[0], "acc"), summary.percent(steps[1], "train_accuracy")
            reached = by_unit(summary.percent(arm.step(stage), "acc"))
            seeds = [seed for seed in reached if seed in baseline and seed in quality]
            if seeds:
                points.append((arm.name, [(quality[seed], reached[seed] - baseline[seed]) for seed in seeds]))
        if points:
            panels.append((title(stage), points))
    if panels and any(summary.cells(arm.step("kmeans")) for arm in summary.arms()):
        yield Drawing("gain", "Gain over k-means against the quality of the neighbors",
                      "Points of accuracy above k-means on the same features, against the share of the mined neighbors that are "
                      "of their image's class: a dot for each pretext seed.", figures.gain_figure(panels))


def differences(summary, stage, metric="acc"):
    """(arm, paired differences from the baseline in points, their 95 % interval or None) of every other arm."""
    baseline = summary.baseline()
    if baseline is None:
        return
    before = summary.percent(baseline.step(stage), metric)
    for arm in summary.arms_run(stage):
        values = paired(summary.percent(arm.step(stage), metric), before)
        if arm != baseline and values:
            yield arm, values, t_interval(values)


def forest_drawings(summary):
    """Each arm against the baseline, paired by seed."""
    for stage in summary.study.stages():
        lines = [(arm.name, values, interval) for arm, values, interval in differences(summary, stage)]
        if lines:
            name = summary.baseline().name
            yield Drawing(f"forest-{stage}", f"{title(stage)}: each arm against {name}, paired by seed",
                          f"Points of accuracy above or below {name} on the same seed: a point a seed, the mean as a diamond, "
                          "its 95 % interval (t, for these test images) as a bar, cut off at the figure's edge.",
                          figures.forest_figure(lines, f"points of ACC against {name}"))


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
            yield Drawing(
                f"curves-{_slug(step)}", f"Pretext task: {title(step)}",
                "Training loss, and the share of the five nearest test images that are of the same class; a line a seed.",
                figures.curves_figure(drawn([
                    ("Training loss", "loss", [("loss", series(summary, step, "loss"))]),
                    ("Nearest neighbors, test", "% same class",
                     [("accuracy", series(summary, step, "neighbor_accuracy", 100))]),
                ])))
    for arm in summary.arms():
        scan, selflabel = arm.step("scan"), arm.step("selflabel")
        if summary.baseline() or not summary.cells(scan):  # of a study that compares arms, arms_drawings has the curves
            continue
        terms = {"consistency": "consistency", "entropy": "entropy", "validation_loss": "validation loss"}
        curves = {key: SCORES[key] for key in ("acc", "nmi", "ari")}
        panels = [
            ("SCAN: loss terms", "nats", [(label, series(summary, scan, key)) for key, label in terms.items()]),
            ("SCAN: test scores", "%", [(label, series(summary, scan, key, 100)) for key, label in curves.items()]),
        ]
        if labeled := summary.cells(selflabel):
            lines = [(label, series(summary, selflabel, key, 100)) for key, label in curves.items()]
            panels += [("Self-label: confident images", "% of training images",
                        [("confident", series(summary, selflabel, "confident", 100))]),
                       ("Self-label: test scores", "%", lines)]
        yield Drawing(
            f"curves-{_slug(scan)}", f"SCAN{' and self-labeling' if labeled else ''}{named(summary, arm)}",
            f"Loss terms and test scores over the epochs of SCAN{' and of self-labeling' if labeled else ''}; a line a seed.",
            figures.curves_figure(drawn(panels)))


def drawn(panels):
    """The panels of curves that have a point, as those of scores have none without labels; of none, the first one."""
    return [panel for panel in panels if any(epochs for _, seeds in panel[2] for epochs, _ in seeds)] or panels[:1]


def arms_drawings(summary):
    """Of studies with several arms: the share of confident images, the accuracy over the epochs, the sizes of the clusters."""
    for stage in summary.study.stages():
        arms = [arm for arm in summary.arms_run(stage) if arm.implementation == "reimpl"]
        if len(arms) < 2 or not any(summary.by_seed(arm.step(stage), "acc") for arm in arms):
            continue
        panels = []
        if any(cell["record"]["curves"] for arm in arms for cell in summary.cells(arm.step(stage))):
            panels.append(("Test accuracy", "epoch", "ACC in %", [(arm.name, *mean_curve(summary, arm.step(stage), "acc"))
                                                                  for arm in arms]))
        if stage == "selflabel":
            panels.append(("Confident images", "epoch", "% of training images",
                           [(arm.name, *mean_curve(summary, arm.step(stage), "confident")) for arm in arms]))
        panels.append(("Cluster sizes", "cluster, largest first", "% of test images",
                       [(arm.name, *cluster_sizes(summary, arm.step(stage))) for arm in arms]))
        shown = {"Test accuracy": "accuracy over the epochs",
                 "Confident images": "the share of training images confident enough to be learned from",
                 "Cluster sizes": "the share of test images in each cluster, the largest cluster first"}
        *others, last = [shown[panel] for panel, *_ in panels]
        yield Drawing(f"arms-{stage}", f"{title(stage)}: the arms{' over the epochs' * bool(others)}, and their clusters",
                      f"A line an arm, the mean over its seeds: {', and '.join([*filter(None, [', '.join(others)]), last])}.",
                      figures.arms_figure(panels))


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
                f"confusion-{_slug(arm.step(stage))}", f"{title(stage)}{named(summary, arm)}",
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
    for step in (shared for shared in summary.study.shared if f"{shared}/images" in summary.pictures):
        images, labels = summary.pictures[f"{step}/images"], summary.pictures[f"{step}/labels"]
        names, wrong = [classes[label] if label >= 0 else "" for label in labels.flat], (labels != labels[:, :1]).flat
        yield Drawing(
            _slug(step), f"Nearest neighbors, {title(step)}",
            "Training images drawn at random (left), and their nearest neighbors in the pretext embedding, nearest first; framed "
            "where of another class.",
            figures.picture_wall(images.reshape(-1, *images.shape[2:]), names, wrong, images.shape[1], first_apart=True))
    for arm in summary.arms():
        for stage in SCORED:
            step = arm.step(stage)
            if f"prototypes/{step}/images" not in summary.pictures:
                continue
            images, labels, matched, clusters = (summary.pictures[f"prototypes/{step}/{part}"]
                                                 for part in ("images", "labels", "classes", "clusters"))
            names = [classes[label] if label >= 0 else "none" if classes else str(cluster)
                     for label, cluster in zip(matched, clusters)]
            yield Drawing(
                f"prototypes-{_slug(step)}", f"Prototypes after {title(stage)}{named(summary, arm)}",
                "For each cluster, the test image nearest to the mean of its most confident ones, under the class that the "
                "cluster is matched to (without labels, its number); framed where the image is of another class.",
                figures.picture_wall(images, names, labels != matched, min(10, len(images))))


def named(summary, arm):
    """Whose run it is, and which arm, for a title, where there are several."""
    arms = summary.arms()
    many = sum(other.implementation == arm.implementation for other in arms) > 1
    several = len({other.implementation for other in arms}) > 1
    return f", {IMPLEMENTATIONS[arm.implementation]}" * several + f": {arm.name}" * many


def _slug(step):
    return step.replace("/", "-").replace("_", "-")
