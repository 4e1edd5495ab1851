"""Figures, as SVG text for the page and files beside it. Drawn from summaries alone; every seed is shown.

A figure is as wide as a phone's screen, so that its text can be read there; a wider page puts several side by side. What belongs
to a seed says so (`mark_seed`): the page reads it out where it is pointed at or has the keyboard's focus.
"""

import io
import re
from functools import wraps
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np

LOOK = Path(__file__).parent / "figures.mplstyle"
WIDTH, ROW, MOST_ROWS = 4.3, 0.46, 14
"""Inches: of a figure, and the height of a row with its name above it; of which a figure has so many at most."""
INK, MUTED, FAINT = "#1c2430", "#657184", "#c5ccd6"
with plt.style.context(LOOK):
    COLORS = plt.rcParams["axes.prop_cycle"].by_key()["color"]
OURS, PAPER, STUDY, WRONG = COLORS[0], COLORS[1], COLORS[3], "#9c2b12"


def drawn(function):
    """A function that draws a figure, in the project's look: it returns the figure as an SVG element."""
    @wraps(function)
    def draw(*args, **options):
        with plt.style.context(LOOK):
            return as_svg(function(*args, **options))
    return draw


def as_svg(figure):
    """The figure as an SVG element, the same bytes for the same figure, with coordinates to a hundredth of a point: more would be
    a tenth of a page that nobody sees."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = re.sub(r" <metadata>.*?</metadata>\n", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), text)
    said = r'<g class="seed" tabindex="0" role="img" aria-label="\1" data-seed="\1"><title>\1</title>'
    return re.sub(r'<g id="seed:([^"]*)">', said, text[text.index("<svg"):])


def mark_seed(artist, text):
    """Have an artist say what it is of."""
    artist.set_gid(f"seed:{text}")


def line(axes, xs, ys, **look):
    """A line, which of one point alone is drawn as a point, since a line would not show it."""
    return axes.plot(xs, ys, marker="o" if len(xs) == 1 else "", markersize=5, **look)[0]


def _points(axes, values, position, color, name, unit):
    """Values by seed as points on one row, spread a little so that equal ones are seen."""
    offsets = np.linspace(-0.1, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    for offset, (seed, value) in zip(offsets, values.items()):
        (point,) = axes.plot([value], [position + offset], "o", markersize=5, color=color, alpha=0.7, markeredgewidth=0)
        mark_seed(point, f"{name}, seed {seed}: {value:{unit}}")


def _rows(axes, names, headings=()):
    """A row for each name, which stands above it; the first on top. Args: headings: the positions of those above other rows."""
    axes.set_ylim(len(names) - 0.5, -0.62)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for position, name in enumerate(names):
        axes.text(0, position - 0.26, name, transform=axes.get_yaxis_transform(), va="bottom", fontsize=9,
                  fontweight="bold" if position in headings else "normal")


def seeds_figures(table, metric):
    """A row for each step run here: every seed as a point, the mean as a bar; published means as diamonds. Many rows are shared
    out to several figures, which stand side by side."""
    rows = [row for row in table.rows if row.entries[metric].mean is not None]
    entries = [row.entries[metric] for row in rows]
    seen = [value for entry in entries for value in (entry.mean, *entry.values.values())]
    seen += [entry.mean + sign * entry.std for entry in entries if entry.std is not None for sign in (-1, 1)]
    lines, margin = seeds_lines(rows), 0.05 * (max(seen) - min(seen)) or 1.0
    limits = min(seen) - margin, max(seen) + margin
    each = -(-len(lines) // -(-len(lines) // MOST_ROWS))
    return tuple(_seeds(table.metrics[metric], metric, lines[start : start + each], limits)
                 for start in range(0, len(lines), each))


@drawn
def _seeds(heading, metric, lines, limits):
    figure, axes = plt.subplots(figsize=(WIDTH, ROW * len(lines) + 0.9))
    marks = {}
    for position, (name, rows) in enumerate(lines):
        for row in rows:
            entry = row.entries[metric]
            if row.ours:
                _points(axes, entry.values, position, OURS, name, ".2f")
                marks["here, mean of the seeds"] = axes.plot([entry.mean] * 2, [position - 0.2, position + 0.26], color=OURS,
                                                             linewidth=2.2)[0]
            else:
                whose = "paper" if row.source.startswith("paper") else "reproduction study"
                marks[f"{whose}, {row.dataset}"] = axes.errorbar(
                    entry.mean, position, xerr=entry.std, fmt="D", markersize=5, color=PAPER if whose == "paper" else STUDY,
                    capsize=3, markerfacecolor="white", zorder=4 if whose == "paper" else 3)
    _rows(axes, [name for name, _ in lines], [position for position, (_, rows) in enumerate(lines) if not any(
        row.ours for row in rows)])
    axes.set_xlim(limits)
    axes.set_xlabel(f"{heading} in percent")
    axes.legend(marks.values(), marks, loc="lower left", bbox_to_anchor=(-0.02, 1.0), handletextpad=0.4)
    return figure


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


@drawn
def forest_figure(lines, unit):
    """Paired differences: every seed as a point, the mean and its 95 % interval as a bar, 0 as a line.

    Args: lines: (label, {seed: difference}, (low, high) or None) each.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, ROW * len(lines) + 0.6))
    axes.axvline(0, color=INK, linewidth=1)
    for position, (name, values, interval) in enumerate(lines):
        _points(axes, values, position, OURS, name, "+.2f")
        if interval:
            axes.plot(interval, [position + 0.03] * 2, color=INK, linewidth=2)
        axes.plot([np.mean(list(values.values()))], [position + 0.03], marker="D", markersize=5.5, color=INK)
    seen = max(abs(value) for _, values, _ in lines for value in values.values())
    reach = 1.6 * seen + 0.5  # an interval of two or three seeds may go far beyond what was seen
    axes.set_xlim(-reach, reach)
    _rows(axes, [name for name, _, _ in lines])
    axes.set_xlabel(unit)
    return figure


@drawn
def axis_figure(series, label, unit):
    """A curve over the setting that the arms vary: every seed as a point, means as a line, 95 % intervals as a band.

    Args: series: (label, [(setting, {seed: value}, (low, high) or None), ...]) each, in the order of the settings, which stand at
    equal distances.
    """
    figure, axes = plt.subplots(figsize=(WIDTH - 0.9, 2.9))
    places = sorted({setting for _, points in series for setting, _, _ in points})
    shown = [value for _, points in series for _, values, _ in points for value in values.values()]
    low, high = min(shown), max(shown)
    room = 0.15 * (high - low) + 1
    for color, (name, points) in zip(COLORS, series):
        means = [np.mean(list(values.values())) for _, values, _ in points]
        axes.plot([places.index(setting) for setting, _, _ in points], means, color=color)
        for setting, values, interval in points:
            place = places.index(setting)
            for seed, value in values.items():
                (point,) = axes.plot([place], [value], "o", markersize=5, color=color, alpha=0.7, markeredgewidth=0)
                mark_seed(point, f"{name} at {setting:g}, seed {seed}: {value:.2f}")
            if interval:
                axes.plot([place] * 2, np.clip(interval, low - room, high + room), color=color, linewidth=12, alpha=0.2,
                          solid_capstyle="butt")
    axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
    axes.set_ylim(low - room, min(high + room, 101))
    axes.set_xlabel(label)
    axes.set_ylabel(unit)
    if len(series) > 1:
        end_labels(axes, [(name, places.index(points[-1][0]), np.mean(list(points[-1][1].values())), color)
                          for color, (name, points) in zip(COLORS, series)])
    return figure


def gain_figures(panels):
    """A figure each, on one scale: a cloud of points an arm, its name at the cloud.

    Args: panels: (title, [(arm, {seed: (share of neighbors, gain)}), ...]) each, shares in percent and gains in points.
    """
    gains = [gain for _, arms in panels for _, points in arms for _, gain in points.values()]
    room = 0.2 * (max(gains + [0]) - min(gains + [0])) + 1
    return tuple(_gain_figure(*panel, (min(gains + [0]) - room, max(gains + [0]) + room)) for panel in panels)


@drawn
def _gain_figure(name, arms, limits):
    figure, axes = plt.subplots(figsize=(WIDTH - 0.3, 2.9))
    axes.axhline(0, color=MUTED, linewidth=1)
    by_share = np.argsort(np.argsort([np.mean([share for share, _ in points.values()]) for _, points in arms]))
    for index, (arm, points) in enumerate(arms):
        color = COLORS[index % len(COLORS)]
        for seed, (share, gain) in points.items():
            (point,) = axes.plot([share], [gain], "o", markersize=5, color=color, alpha=0.7, markeredgewidth=0)
            mark_seed(point, f"{arm}, seed {seed}: {gain:+.2f} points at {share:.1f} % of the neighbors")
        across, up = zip(*points.values())
        end, shift = (max(up), 6) if by_share[index] % 2 else (min(up), -15)  # names of arms side by side would meet
        axes.annotate(arm, (np.mean(across), end), (0, shift), textcoords="offset points", ha="center", fontsize=8.5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.set_ylim(limits)
    axes.set_title(name)
    axes.set_xlabel("neighbors of the same class, %")
    axes.set_ylabel("ACC above k-means, points")
    return figure


@drawn
def growth_figure(series):
    """A line for each stage, on logarithmic axes. Args: series: stage to [(images, seconds), ...]."""
    figure, axes = plt.subplots(figsize=(WIDTH - 0.9, 2.9))
    for color, points in zip(COLORS, series.values()):
        axes.plot(*zip(*points), color=color, marker="o", markersize=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    places = sorted({images for points in series.values() for images, _ in points})
    axes.set_xticks(places, [f"{place:,}" for place in places], rotation=30)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("training images")
    axes.set_ylabel("seconds")
    end_labels(axes, [(name, *points[-1], color) for color, (name, points) in zip(COLORS, series.items())])
    return figure


def end_labels(axes, ends):
    """Name lines at their right ends, apart from each other. Args: ends: (name, x, y, color) of each line's last point."""
    axes.autoscale_view()  # else the limits are not yet those that will be drawn
    points = np.reshape([(x, y) for _, x, y, _ in ends], (-1, 2))
    places = axes.transAxes.inverted().transform(axes.transData.transform(points))[:, 1]
    inches = axes.get_window_extent().height / axes.figure.dpi
    for (name, x, y, color), place in zip(ends, apart(places, 0.15 / inches)):
        axes.annotate(name, (x, y), (1.07, place), textcoords="axes fraction", va="center", fontsize=8.5, annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": color, "linewidth": 1.0, "shrinkA": 1, "shrinkB": 0,
                                  "relpos": (0, 0.5),  # from the name's left end: from its middle it would cross others
                                  "linestyle": ":"})  # not to be read as more of a line that ends before the others


def apart(places, least):
    """Places moved from below until none is nearer to another than `least`, in their order and about the mean that they had."""
    order, moved = np.argsort(places, kind="stable"), np.array(places, float)
    for before, after in zip(order, order[1:]):
        moved[after] = max(moved[after], moved[before] + least)
    return moved + (np.mean(places) - np.mean(moved) if len(moved) else 0)
