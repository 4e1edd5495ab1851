"""What is drawn of a study, each drawing with a title, a sentence on what it shows, and one on what is seen."""

from dataclasses import dataclass

import numpy as np

from harness.stages import made_from, title
from report import figures
from report.statistics import by_unit, paired_by_seed, t_interval
from report.tables import SCORES, leading


@dataclass(frozen=True)
class Drawing:
    """name: of its files; text: what is to be seen; svgs: an SVG element for each of its panels; finding: the numbers seen."""

    name: str
    title: str
    text: str
    svgs: tuple
    finding: str = ""

    @property
    def kind(self):
        """The part of the page that it belongs to: seeds | axis | gain | forest | curves | arms | confusion | neighbors |
        prototypes."""
        return self.name.split("-")[0]

    @property
    def spoken(self):
        """What is read out in its place."""
        return " ".join(filter(None, (f"{self.title}.", self.finding, self.text)))

    @property
    def files(self):
        """(name of a file without its ending, SVG) of each panel."""
        many = len(self.svgs) > 1
        return [(f"{self.name}-{index}" if many else self.name, svg) for index, svg in enumerate(self.svgs, 1)]


def seeds_drawings(table):
    metric, heading = next(iter(table.metrics.items()))
    shown = [row for row in table.rows if row.entries[metric].mean is not None]
    rows = [row for row in shown if row.ours]
    if rows:
        published = ", published means as diamonds" if len(shown) > len(rows) else ""
        yield Drawing("seeds", "Accuracy of every seed", f"{heading} in percent, of each step: a point a seed, the mean as a bar"
                      f"{published}.", figures.seeds_figures(table, metric),
                      listed("Means", [(f"{row.step}, {row.source}", row.entries[metric].mean) for row in rows], ".1f"))


def listed(what, values, form):
    """Named values as a sentence. Args: values: (name, value) each."""
    return f"{what}: {'; '.join(f'{name} {value:{form}}' for name, value in values)}."


def axis_drawings(summary):
    """Accuracy over the setting that the arms vary."""
    stage, _, key = summary.study.axis.partition(".")
    metric, words = leading(summary), summary.study.title.replace("The ", "the ", 1)
    lines = []
    for step in (step for step in summary.study.stages() if stage in made_from(step)):
        points = []
        for arm in summary.arms_run(step):
            setting = summary.cells(arm.step(step))[0]["record"]["settings"][stage][key]
            values = summary.percent(arm.step(step), metric)
            points.append((setting, values, t_interval(list(by_unit(values).values()))))
        points = [point for point in points if point[1]]
        if points:
            lines.append((title(step), sorted(points, key=lambda point: point[0])))
    if lines:
        yield Drawing("axis", f"Accuracy by {words}",
                      f"{SCORES[metric]} in percent: a point a seed, the means as a line, 95 % intervals (t, over pretext seeds) "
                      "as bands, cut off at the figure's edge. Settings stand at equal distances.",
                      (figures.axis_figure(lines, words, f"{SCORES[metric]} in percent"),),
                      " ".join(listed(name, [(f"at {setting:g}", np.mean(list(values.values())))
                                             for setting, values, _ in points], ".1f") for name, points in lines))


def gain_drawings(summary):
    """What SCAN and self-labeling gain over k-means on the same features, against how good the mined neighbors are."""
    panels = []
    for stage in (stage for stage in summary.study.stages() if stage != "kmeans"):
        arms = []
        for arm in summary.arms_run(stage):
            own = summary.cells(arm.step("kmeans"))  # an arm that is read from elsewhere stands on the shared pretext task
            steps = (arm.step("kmeans"), arm.step("neighbors")) if own else ("kmeans/embeddings", "neighbors/simclr")
            baseline, quality = summary.percent(steps[0], "acc"), summary.percent(steps[1], "train_accuracy")
            reached = by_unit(summary.percent(arm.step(stage), "acc"))
            points = {seed: (quality[seed], reached[seed] - baseline[seed]) for seed in reached
                      if seed in baseline and seed in quality}
            if points:
                arms.append((arm.shown, points))
        if arms:
            panels.append((title(stage), arms))
    if panels and any(summary.cells(arm.step("kmeans")) for arm in summary.arms()):
        yield Drawing("gain", "Gain over k-means against the quality of the neighbors",
                      "Points of accuracy above k-means on the same features, against the share of the mined neighbors that are "
                      "of their image's class: a dot for each pretext seed.", figures.gain_figures(panels),
                      " ".join(listed(f"Mean gains of {name}", [(arm, np.mean([gain for _, gain in points.values()]))
                                                                for arm, points in arms], "+.1f") for name, arms in panels))


def differences(summary, stage, metric="acc"):
    """(arm, paired differences from the baseline by pretext seed, in points, their 95 % interval or None) of every other arm."""
    baseline = summary.baseline()
    if baseline is None:
        return
    before = summary.percent(baseline.step(stage), metric)
    for arm in summary.arms_run(stage):
        values = paired_by_seed(summary.percent(arm.step(stage), metric), before)
        if arm != baseline and values:
            yield arm, values, t_interval(list(values.values()))


def forest_drawings(summary):
    """Each arm against the baseline, paired by seed."""
    metric = leading(summary)
    for stage in summary.study.stages():
        lines = [(arm.shown, values, interval) for arm, values, interval in differences(summary, stage, metric)]
        if lines:
            name = summary.baseline().shown
            yield Drawing(f"forest-{stage}", f"{title(stage)}: each arm against {name}, paired by seed",
                          f"Points of accuracy above or below {name} on the same seed: a point a seed, the mean as a diamond, "
                          "its 95 % interval (t, for these test images) as a bar, cut off at the figure's edge.",
                          (figures.forest_figure(lines, f"points of {SCORES[metric]} against {name}"),),
                          listed("Means", [(arm, np.mean(list(values.values()))) for arm, values, _ in lines], "+.1f"))
