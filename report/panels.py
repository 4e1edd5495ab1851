"""Figures of single steps and arms: curves, clusters, confusion matrices, pictures. As in report/figures.py."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

from report.figures import COLORS, FAINT, INK, WIDTH, WRONG, drawn, end_labels, line, mark_seed

MOST_LINES = len(COLORS)
"""Arms that a panel shows in colours of their own; of more, each has a small panel."""
COLUMNS = 2
"""Of small panels."""


@drawn
def curves_figure(title, unit, series):
    """Learning curves. Args: series: (label, {seed: (epochs, values)}) each."""
    figure, axes = plt.subplots(figsize=(WIDTH - (1.1 if len(series) > 1 else 0.3), 2.3))
    ends = []
    for color, (name, seeds) in zip(COLORS, series):
        for seed, (epochs, values) in seeds.items():
            drawn_line = line(axes, epochs, values, color=color, linewidth=1.2, alpha=0.8)
            mark_seed(drawn_line, f"{name}, seed {seed}" + (f": {values[-1]:.4g} in the end" if values else ""))
        last = [(epochs[-1], values[-1]) for epochs, values in seeds.values() if epochs]
        if last:
            ends.append((name, *np.mean(last, axis=0), color))
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    if len(series) > 1:
        end_labels(axes, ends)
    return figure


def arms_figures(title, x_label, y_label, lines, count):
    """A line an arm, named at its end; of many arms, a small panel for each, before the others.

    Args: lines: (arm, xs, ys); count: figures that the small panels may be shared among, to stand side by side.
    """
    if len(lines) <= MOST_LINES:
        return [_together(title, x_label, y_label, lines)]
    each = COLUMNS * -(-len(lines) // (COLUMNS * count))
    parts = [lines[start : start + each] for start in range(0, len(lines), each)]
    return [_each(title + (f", {number} of {len(parts)}" if len(parts) > 1 else ""), x_label, y_label, part, lines)
            for number, part in enumerate(parts, 1)]


@drawn
def _together(title, x_label, y_label, lines):
    figure, axes = plt.subplots(figsize=(WIDTH - 1.3, 2.6))
    for color, (_, xs, ys) in zip(COLORS, lines):
        line(axes, xs, ys, color=color)
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    end_labels(axes, [(name, xs[-1], ys[-1], color) for color, (name, xs, ys) in zip(COLORS, lines) if len(xs)])
    return figure


@drawn
def _each(title, x_label, y_label, lines, all_lines):
    rows = -(-len(lines) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(WIDTH, 1.15 * rows + 0.6), sharex=True, sharey=True, squeeze=False,
                                layout="constrained")
    for axes, (name, xs, ys) in zip(grid.flat, lines):
        for _, other_xs, other_ys in all_lines:
            axes.plot(other_xs, other_ys, color=FAINT, linewidth=0.8)
        line(axes, xs, ys, color=COLORS[0], linewidth=1.8)
        axes.set_title(fill(name, 25), fontsize=8.5, fontweight="normal", pad=2)
        axes.tick_params(labelsize=8.5)
    for axes in list(grid.flat)[len(lines):]:
        axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    figure.supxlabel(x_label, fontsize=9)
    figure.supylabel(y_label, fontsize=9)
    return figure


@drawn
def confusion_figure(counts, classes):
    """Share of each class in each cluster. Args: counts [classes, clusters], summed over seeds, clusters in matched order."""
    share = counts / counts.sum(1, keepdims=True).clip(1)
    extra = [f"+{index + 1}" for index in range(share.shape[1] - len(classes))]
    side = 0.31 * len(classes) + 0.8
    figure, axes = plt.subplots(figsize=(side + 0.31 * len(extra), side))
    axes.grid(visible=False)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.005:
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7.5,
                      color="white" if value > 0.5 else INK)
    axes.set_xticks(range(share.shape[1]), [*classes, *extra], rotation=0 if max(map(len, classes)) < 3 else 60)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("cluster, named after its matched class")
    axes.set_ylabel("class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@drawn
def picture_wall(images, captions, marks, columns, first_apart=False):
    """A grid of small pictures with a caption each, as SVG.

    Args: images uint8 [n, h, w, c]; captions; marks: True where the caption is to be shown as wrong; with
    `first_apart`, the first column stands a little apart (the query and its neighbors).
    """
    rows = -(-len(images) // columns)
    ratios = [1, 0.25] + [1] * (columns - 1) if first_apart else [1] * columns
    figure = plt.figure(figsize=(0.78 * sum(ratios), 0.98 * rows))
    grid = figure.add_gridspec(rows, len(ratios), width_ratios=ratios, wspace=0.08, hspace=0.38)
    for index, (image, caption, mark) in enumerate(zip(images, captions, marks)):
        row, column = divmod(index, columns)
        axes = figure.add_subplot(grid[row, column + (1 if first_apart and column > 0 else 0)])
        gray = image.shape[2] == 1
        axes.imshow(image[..., 0] if gray else image, cmap="gray" if gray else None, vmin=0, vmax=255, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines[:].set_visible(mark)
        axes.spines[:].set(color=WRONG, linewidth=2)
        axes.set_title(caption, fontsize=8, fontweight="normal", loc="center", pad=2, color=WRONG if mark else INK)
    return figure
