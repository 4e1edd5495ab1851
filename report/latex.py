"""A table for a paper: LaTeX with booktabs, that fits a page of `article` or, with up to three scores, a column of two."""

import textwrap

FEW = 3
"""So many scores fit a column; with more, a table is as wide as the page, and smaller."""
HEADING = 14
"""Characters that a line of a heading has at most, about the width of the figures below it."""


def latex(table, label):
    """A report.tables.Table as text: a mean and its deviation, and below it its interval where it is ours."""
    columns, few = len(table.metrics) + 2, len(table.metrics) <= FEW
    environment, names, size, smaller = (("table", 0.3, r"\footnotesize", r"\scriptsize") if few else
                                         ("table*", 0.22, r"\scriptsize", r"\tiny"))
    body = []
    for before, row in zip([None, *table.rows], table.rows):
        if before is None or before.step != row.step:
            body += [r"\midrule", rf"\multicolumn{{{columns}}}{{@{{}}l}}{{\textit{{{_tex(row.step)}}}}} \\"]
        entries = row.entries.values()
        name, n = _tex(f"{row.source}, {row.dataset}"), next((str(entry.n) for entry in entries if entry.n), "--")
        body.append(_line(rf"\raggedright {name}", [_tex(entry.text()) for entry in entries], n))
        intervals = [entry.t_interval() for entry in entries]
        if any(intervals):
            body.append(_line("", [rf"{smaller} [{found[0]:.1f}, {found[1]:.1f}]" if found else "" for found in intervals], ""))
    return "\n".join([
        "% needs the package booktabs",
        rf"\begin{{{environment}}}[t]", r"\centering",
        rf"\caption{{{_tex(table.caption)}: mean $\pm$ standard deviation over $n$ seeds; in brackets the 95\,\% interval of the "
        r"mean over pretext seeds.}", rf"\label{{tab:{label}}}", size, r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{@{{}}p{{{names}\linewidth}}{'r' * len(table.metrics)}r@{{}}}}", r"\toprule",
        _line("", map(_heading, table.metrics.values()), "$n$"), *body, r"\bottomrule", r"\end{tabular}",
        rf"\end{{{environment}}}", ""])


def _line(name, cells, n):
    return " & ".join([name, *cells, n]) + r" \\"


def _heading(text):
    """In lines, one above the other."""
    lines = [_tex(line) for line in textwrap.wrap(text, HEADING, break_long_words=False)]
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{_BREAK.join(lines)}}}"


_BREAK = r" \\ "
TEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "*": "{*}", "±": r"$\pm$", "–": "--"}
"""How a character is written that means something else to LaTeX: `[` and `*`, an argument of the line break before the cell."""


def _tex(text):
    """Text as a cell of a LaTeX table, in one line."""
    return " ".join(text.split()).translate(str.maketrans(TEX))
