"""The numbers of the report by hand: spreads, tables, differences by arm, confusion over seeds."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from report import figures
from report.drawings import summed_confusion
from report.page import differences
from report.statistics import spread
from report.summaries import Summary
from report.tables import Entry, clustering_table, latex, measured, neighbor_table, write_table
from studies.study import Study

ACC = {  # step -> accuracy of two seeds
    "kmeans/pixels": (0.2, 0.3), "kmeans/embeddings": (0.5, 0.7),
    "reimpl/a/scan": (0.8, 0.6), "reimpl/a/selflabel": (0.9, 0.8),
    "reimpl/b/scan": (0.5, 0.4), "reimpl/b/selflabel": (0.6, 0.3),
}


@pytest.fixture
def summary():
    """Two arms, two seeds."""
    study = Study(title="t", claim="c", source="s", shared=("kmeans/pixels", "kmeans/embeddings", "neighbors/simclr"),
                  arms={"reimpl": {"a": {}, "b": {}}},
                  published=({"source": "paper", "dataset": "X", "step": "scan", "acc": [81.8, 0.3]},))
    rows = [{"step": step, "seed": str(seed), "metric": metric, "value": str(value)}
            for step, values in ACC.items() for seed, value in enumerate(values) for metric in ("acc", "nmi", "ari")]
    rows += [{"step": "neighbors/simclr", "seed": "0", "metric": "train_accuracy", "value": "0.5"}]
    records = [{"step": step, "seed": seed, "path": f"{step}/{seed}", "record": {"not_run": None, "settings": {}}}
               for step in ACC for seed in (0, 1)]
    records.append({"step": "neighbors/simclr", "seed": 0, "path": "n",
                    "record": {"not_run": None, "settings": {"neighbors": {"train": 50, "test": 3, "scored": 10}}}})
    return Summary("main", study, rows, records, {})


def test_spread_by_hand():
    assert (spread([1.0, 3.0]).mean, spread([1.0, 3.0]).n) == (2.0, 2)
    assert spread([1.0, 3.0]).std == pytest.approx(2**0.5)  # of the sample: n - 1
    assert spread([1.0]).std is None
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_entries_are_in_percent_and_say_why_where_there_is_none():
    entry = measured(spread([0.5, 0.7]), ["x", "y"])
    assert entry.text() == "60.0 ± 14.1" and entry.n == 2 and entry.values == pytest.approx((50.0, 70.0))
    assert Entry(81.8).text() == "81.8" and Entry().text() == "–" and Entry(reason="because").text() == "not run"


def test_the_clustering_table_has_published_and_ours_step_by_step(summary):
    rows = [(row.step, row.source, row.entries["acc"].text()) for row in clustering_table(summary, "digits").rows]
    assert rows == [
        ("pixels + k-means", "here", "25.0 ± 7.1"),
        ("pretext + k-means", "here", "60.0 ± 14.1"),
        ("SCAN", "paper", "81.8 ± 0.3"), ("SCAN", "authors' code, here", "not run"),
        ("SCAN", "rewrite, here: a", "70.0 ± 14.1"), ("SCAN", "rewrite, here: b", "45.0 ± 7.1"),
        ("SCAN + self-label", "authors' code, here", "not run"),
        ("SCAN + self-label", "rewrite, here: a", "85.0 ± 7.1"), ("SCAN + self-label", "rewrite, here: b", "45.0 ± 21.2"),
    ]


def test_a_cell_that_did_not_run_is_shown_with_its_reason_and_counts_nowhere(summary):
    """Of the authors' two seeds one ran: n is 1; where none did, the reason stands in the row and in the CSV."""
    summary.study.arms["original_ref"] = {"a": {}}
    for stage, values in {"scan": (0.5, None), "selflabel": (None, None)}.items():
        for seed, value in enumerate(values):
            step, reason = f"original_ref/a/{stage}", None if value else "no network"
            summary.records.append({"step": step, "seed": seed, "path": f"{step}/{seed}",
                                    "record": {"not_run": reason, "settings": {}}})
            if value:
                summary.rows.append({"step": step, "seed": str(seed), "metric": "acc", "value": str(value)})
    rows = {row.step: row.entries["acc"] for row in clustering_table(summary, "digits").rows if row.source.startswith("authors")}
    assert rows["SCAN"].text() == "50.0" and rows["SCAN"].n == 1 and rows["SCAN"].evidence == ("original_ref/a/scan/0",)
    assert rows["SCAN + self-label"].text() == "not run" and rows["SCAN + self-label"].reason == "no network"
    assert len(summary.not_run()) == 3


def test_the_neighbor_table_says_how_many_neighbors(summary):
    (row,) = neighbor_table(summary, "digits").rows
    assert row.dataset == "digits, 10 and 3 neighbors" and row.entries["train_accuracy"].text() == "50.0"


def test_differences_are_within_an_arm_and_by_seed(summary):
    found = {(before, after): (round(change.mean, 6), higher) for before, after, change, higher in differences(summary)}
    assert found == {
        ("pixels + k-means", "pretext + k-means"): (35.0, 2),
        ("pretext + k-means", "SCAN: a"): (10.0, 1), ("pretext + k-means", "SCAN + self-label: a"): (25.0, 2),
        ("SCAN", "SCAN + self-label: a"): (15.0, 2),
        ("pretext + k-means", "SCAN: b"): (-15.0, 0), ("pretext + k-means", "SCAN + self-label: b"): (-15.0, 1),
        ("SCAN", "SCAN + self-label: b"): (0.0, 1),
    }


def test_each_arm_has_a_line_of_its_own_in_the_figure(summary):
    svg = figures.seeds_figure(clustering_table(summary, "digits"), "acc")
    ElementTree.fromstring(svg)
    assert "rewrite, here: a" in svg and "rewrite, here: b" in svg
    assert svg == figures.seeds_figure(clustering_table(summary, "digits"), "acc")  # the same bytes each time


def test_confusion_is_summed_class_by_class():
    """Of two clusters for three classes, seed 0 finds classes 0 and 2, seed 1 classes 0 and 1."""
    seeds = [{"confusion": [[5, 0], [1, 1], [0, 4]], "match": [2, 0]}, {"confusion": [[6, 0], [0, 3], [1, 2]], "match": [0, 1]}]
    assert summed_confusion(seeds, 3).tolist() == [[11, 0, 0], [1, 3, 1], [1, 2, 4]]
    over = [{"confusion": [[5, 0, 1], [0, 4, 2]], "match": [-1, 0, 1]}]
    assert summed_confusion(over, 2).tolist() == [[5, 0, 1], [0, 4, 2]]


@pytest.mark.parametrize("classes, columns", [(3, 3), (2, 5), (12, 12)])
def test_a_confusion_figure_is_drawn_for_any_shape(classes, columns):
    ElementTree.fromstring(figures.confusion_figure(np.ones((classes, columns), int), [f"c{i}" for i in range(classes)]))


def test_latex_escapes_and_csv_holds_every_seed(summary, tmp_path):
    table = clustering_table(summary, "a_b & 100%")
    text = latex(table)
    assert r"a\_b \& 100\%" in text and r"81.8 $\pm$ 0.3" in text and text.count(r"\midrule") == 4
    assert all(line.count(" & ") == 6 for line in text.splitlines() if line.endswith(r"\\"))
    write_table(table, tmp_path)
    assert "50.0 70.0,kmeans/embeddings/0 kmeans/embeddings/1," in (tmp_path / "table1.csv").read_text()
