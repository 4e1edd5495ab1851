"""Figures, as SVG text for the page and files beside it. Drawn from summaries alone; every seed is shown."""

import io

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np

INK, MUTED, GRID = "#1c2430", "#657184", "#dfe4ea"
COLORS = ("#1f5fbf", "#c8501e", "#23845a", "#7a4bb3", "#99701a")
STYLE = {
    "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "report",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.8,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "legend.edgecolor": "none", "legend.framealpha": 0.85,
}


def as_svg(figure):
    """The figure as an SVG element, the same bytes for the same figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg"):]


def seeds_figure(table, metric):
    """A row for each step run here: every seed as a point, the mean as a bar; published means as diamonds."""
    lines = seeds_lines([row for row in table.rows if row.entries[metric].mean is not None])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 0.42 * len(lines) + 1.1))
        labelled = set()
        for position, (_, rows) in enumerate(lines):
            for row in rows:
                entry = row.entries[metric]
                if row.ours:
                    _points(axes, entry.values.values(), position, COLORS[0], _once("here, one seed", labelled))
                    axes.plot([entry.mean] * 2, [position - 0.28, position + 0.28], color=COLORS[0], linewidth=2,
                              label=_once("here, mean", labelled))
                else:
                    whose = "paper" if row.source.startswith("paper") else "reproduction study"
                    color, name = COLORS[1] if whose == "paper" else COLORS[3], f"{whose} ({row.dataset})"
                    axes.errorbar(entry.mean, position, xerr=entry.std, fmt="D", markersize=5, color=color, capsize=3,
                                  markerfacecolor="white", label=_once(name, labelled))
        _lines_of_text(axes, [label for label, _ in lines])
        axes.set_xlabel(f"{table.metrics[metric]} in percent")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9, handletextpad=0.4)
        return as_svg(figure)


def _points(axes, values, position, color, label=None):
    """Values as points on one line of a figure, spread a little so that equal ones are seen."""
    values = list(values)
    offsets = np.linspace(-0.13, 0.13, len(values)) if len(values) > 1 else np.zeros(1)
    axes.scatter(values, position + offsets, s=28, color=color, alpha=0.7, linewidths=0, label=label)


def _lines_of_text(axes, labels):
    """One line of a figure for each label, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", colors=INK, length=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def forest_figure(lines, unit):
    """Paired differences: every seed as a point, the mean and its 95 % interval as a bar, 0 as a line.

    Args: lines: (label, differences, (low, high) or None) each.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 0.42 * len(lines) + 0.9))
        axes.axvline(0, color=INK, linewidth=1)
        shown = [0.0]
        for position, (_, values, interval) in enumerate(lines):
            _points(axes, values, position, COLORS[0])
            mean = float(np.mean(values))
            shown += [*values]
            if interval:
                axes.plot(interval, [position] * 2, color=COLORS[1], linewidth=2)
            axes.plot([mean], [position], marker="D", markersize=6, color=COLORS[1])
        spread = max(map(abs, shown)) * 1.6 + 0.5  # an interval of two or three seeds may go far beyond what was seen
        axes.set_xlim(-spread, spread)
        _lines_of_text(axes, [label for label, _, _ in lines])
        axes.set_xlabel(unit)
        return as_svg(figure)


def axis_figure(series, label, unit):
    """A curve over the setting that the arms vary: every seed as a point, means as a line, 95 % intervals as a band.

    Args: series: (label, [(setting, values, (low, high) or None), ...]) each, in the order of the settings, which stand at equal
    distances.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 3.4))
        places = sorted({setting for _, points in series for setting, _, _ in points})
        shown = [value for _, points in series for _, values, _ in points for value in values]
        low, high = min(shown), max(shown)
        room = 0.15 * (high - low) + 1
        for color, (name, points) in zip(COLORS, series):
            at = [places.index(setting) for setting, _, _ in points]
            axes.plot(at, [np.mean(values) for _, values, _ in points], color=color, linewidth=1.6, label=name)
            for place, (_, values, interval) in zip(at, points):
                axes.scatter([place] * len(values), values, s=24, color=color, alpha=0.7, linewidths=0)
                if interval:
                    axes.plot([place] * 2, np.clip(interval, low - room, high + room), color=color, linewidth=5, alpha=0.2,
                              solid_capstyle="butt")
        axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
        axes.set_ylim(low - room, min(high + room, 101))
        axes.set_xlabel(label)
        axes.set_ylabel(unit)
        if len(series) > 1:
            axes.legend(fontsize=9)
        return as_svg(figure)


def gain_figure(panels):
    """Panels side by side, one scale: a cloud of points an arm, its name at the cloud.

    Args: panels: (title, [(arm, [(share of neighbors, gain), ...]), ...]) each, shares in percent and gains in points.
    """
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(1, len(panels), figsize=(7.2, 3.4), sharey=True, squeeze=False)
        for axes, (name, arms) in zip(row[0], panels):
            axes.axhline(0, color=MUTED, linewidth=1)
            for index, (arm, points) in enumerate(arms):
                across, up = zip(*points)
                color = COLORS[index % len(COLORS)]
                axes.scatter(across, up, s=26, color=color, alpha=0.7, linewidths=0)
                axes.annotate(arm, (np.mean(across), max(up)), (0, 6), textcoords="offset points", ha="center", color=color,
                              fontsize=9)
            axes.set_title(name)
            axes.set_xlabel("neighbors of the same class, %")
        row[0][0].set_ylabel("ACC above k-means, points")
        return as_svg(figure)


def growth_figure(series):
    """A line for each stage, on logarithmic axes. Args: series: stage to [(images, seconds), ...]."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 3.4))
        for color, (name, points) in zip(COLORS, series.items()):
            axes.plot(*zip(*points), color=color, linewidth=1.6, marker="o", markersize=5, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        places = sorted({images for points in series.values() for images, _ in points})
        axes.set_xticks(places, [f"{place:,}" for place in places])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("training images")
        axes.set_ylabel("seconds")
        axes.legend(fontsize=9)
        return as_svg(figure)


def arms_figure(panels):
    """A panel each of (title, x label, y label, [(arm, xs, ys), ...]): one line an arm."""
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(panels), figsize=(3.7 * len(panels), 2.9), squeeze=False)
        colors = plt.get_cmap("viridis")
        for axes, (title, x_label, y_label, lines) in zip(grid.flat, panels):
            for index, (_, xs, ys) in enumerate(lines):
                axes.plot(xs, ys, color=colors(0.92 * index / max(1, len(lines) - 1)), linewidth=1.4)
            axes.set_title(title)
            axes.set_xlabel(x_label)
            axes.set_ylabel(y_label)
        figure.tight_layout()
        names = [name for name, _, _ in panels[0][3]]
        handles = [plt.Line2D([], [], color=colors(0.92 * index / max(1, len(names) - 1))) for index in range(len(names))]
        figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.03, 0.02), ncols=4, fontsize=8.5, handlelength=1.4)
        return as_svg(figure)


def seeds_lines(rows):
    """(label, rows) of each line: one a step, and where several arms were run, one more for each arm."""
    lines = []
    for step in dict.fromkeys(row.step for row in rows):
        ours = [row for row in rows if row.step == step and row.ours]
        others = [row for row in rows if row.step == step and not row.ours]
        if len(ours) > 1:
            lines += [(step, [row for row in others if not row.of]),
                      *((row.source, [*(other for other in others if other.of == row.source), row]) for row in ours)]
        else:
            lines.append((step, others + ours))
    return lines


def _once(label, seen):
    """The label the first time, afterwards none: a legend names each mark once."""
    if label in seen:
        return None
    seen.add(label)
    return label


def curves_figure(panels):
    """Learning curves side by side.

    Args: panels: (title, axis label, [(label, [(epochs, values) per seed]), ...]) each.
    """
    with plt.rc_context(STYLE):
        columns = 2 if len(panels) > 1 else 1
        lines = -(-len(panels) // columns)
        figure, grid = plt.subplots(lines, columns, figsize=(3.7 * columns, 2.5 * lines), squeeze=False)
        for axes, (title, unit, series) in zip(grid.flat, panels):
            for color, (label, seeds) in zip(COLORS, series):
                for index, (epochs, values) in enumerate(seeds):
                    axes.plot(epochs, values, color=color, linewidth=1.2, alpha=0.8, label=label if index == 0 else None)
            axes.set_title(title, pad=20 if len(series) > 1 else 6)
            axes.set_xlabel("epoch")
            axes.set_ylabel(unit)
            if len(series) > 1:
                axes.legend(fontsize=8.5, handlelength=1.4, loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=len(series),
                            columnspacing=1.2, borderpad=0.1)  # above the curves, not on them
        for axes in list(grid.flat)[len(panels):]:
            axes.axis("off")
        figure.tight_layout()
        return as_svg(figure)


def confusion_figure(counts, classes):
    """Share of each class in each cluster. Args: counts [classes, clusters], summed over seeds, clusters in matched order."""
    share = counts / counts.sum(1, keepdims=True).clip(1)
    extra = [f"+{index + 1}" for index in range(share.shape[1] - len(classes))]
    with plt.rc_context({**STYLE, "axes.grid": False}):
        side = 0.36 * len(classes) + 1.4
        figure, axes = plt.subplots(figsize=(side + 0.36 * len(extra), side))
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.005:
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8,
                          color="white" if value > 0.5 else INK)
        axes.set_xticks(range(share.shape[1]), [*classes, *extra], rotation=0 if max(map(len, classes)) < 3 else 60)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("cluster, named after its matched class")
        axes.set_ylabel("class")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return as_svg(figure)


def picture_wall(images, captions, marks, columns, first_apart=False):
    """A grid of small pictures with a caption each, as SVG.

    Args: images uint8 [n, h, w, c]; captions; marks: True where the caption is to be shown as wrong; with
    `first_apart`, the first column stands a little apart (the query and its neighbors).
    """
    rows = -(-len(images) // columns)
    with plt.rc_context({**STYLE, "axes.grid": False}):
        ratios = [1, 0.25] + [1] * (columns - 1) if first_apart else [1] * columns
        figure = plt.figure(figsize=(0.78 * sum(ratios), 0.98 * rows))
        grid = figure.add_gridspec(rows, len(ratios), width_ratios=ratios, wspace=0.08, hspace=0.38)
        for index, (image, caption, mark) in enumerate(zip(images, captions, marks)):
            row, column = divmod(index, columns)
            axes = figure.add_subplot(grid[row, column + (1 if first_apart and column > 0 else 0)])
            gray = image.shape[2] == 1
            axes.imshow(image[..., 0] if gray else image, cmap="gray" if gray else None, vmin=0, vmax=255,
                        interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(mark)
            axes.spines[:].set(color=COLORS[1], linewidth=2)
            axes.set_title(caption, fontsize=8, fontweight="normal", loc="center", pad=2, color=COLORS[1] if mark else INK)
        return as_svg(figure)
