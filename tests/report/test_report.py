"""The numbers of the report by hand: arms, spreads, tables, differences by arm and by seed, confusion over seeds."""

import csv
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy import stats

from harness.pipeline.study import load_study, names
from report import figures, panels
from report.details import most_confused, study_drawings, summed_confusion
from report.drawings import differences
from report.latex import latex
from report.page import apart, degenerate, effects, evidence, step_by_step, variances
from report.statistics import spread
from report.summaries import Arm
from report.tables import IMPLEMENTATIONS, SCORES, Entry, Row, Table, clustering_table, measured, neighbor_table, write_table
from tests.report import made

ACC = {  # step -> accuracy by seed
    "kmeans/pixels": {"0": 0.2, "1": 0.3}, "kmeans/embeddings": {"0": 0.5, "1": 0.7},
    "reimpl/a/scan": {"0-0": 0.8, "1-0": 0.6}, "reimpl/a/selflabel": {"0-0": 0.9, "1-0": 0.8},
    "reimpl/b/scan": {"0-0": 0.5, "1-0": 0.4}, "reimpl/b/selflabel": {"0-0": 0.6, "1-0": 0.3},
}
BASELINES = ("kmeans/pixels", "kmeans/embeddings")


@pytest.fixture
def summary():
    """Two arms of the rewrite, two pretext seeds with a clustering seed each, and a published figure."""
    arms = {"reimpl": {"clustering": {"a": {"scan": {}, "selflabel": {}}, "b": {"scan": {"heads": 2}, "selflabel": {}}}}}
    study = made.study(arms, shared=(*BASELINES, "neighbors/simclr"),
                       published=({"source": "paper", "dataset": "X", "step": "scan", "acc": [81.8, 0.3]},))
    mined = made.cell("neighbors/simclr", "0", {"train_accuracy": 0.5, "test_accuracy": 0.25},
                      settings={"neighbors": {"train": 50, "test": 3, "scored": 10}})
    return made.summary("main", study, [*made.cells(ACC), mined])


@pytest.fixture
def authors(summary):
    """The same with an arm of the authors' code, of whose two seeds one ran SCAN and none self-labeling."""
    summary.study.arms["original_ref"] = {"clustering": {"a": {"scan": {}, "selflabel": {}}}}
    more = [made.cell("original_ref/a/scan", "0-0", made.scores(0.5)),
            *(made.cell(f"original_ref/a/{stage}", seed, None, not_run="no network")
              for stage, seed in (("scan", "1-0"), ("selflabel", "0-0"), ("selflabel", "1-0")))]
    return made.summary("main", summary.study, summary.records + more)


def reading(**fields):
    """A study of SCAN alone with an arm `own`, beside `default` and `other`, which two other studies have run."""
    arms = {"reimpl": {"scan": {"own": {"scan": {"num_neighbors": 5, "training": {"epochs": 3}}}}}}
    study = made.study(arms, reads={"default": "main/reimpl/default", "other": "second/reimpl/x"}, **fields)
    return made.summary("reading", study, made.cells({
        "reimpl/default/scan": {"0-0": 0.5, "1-0": 0.6, "2-0": 0.7}, "reimpl/other/scan": {"0-0": 0.5, "1-0": 0.9},
        "reimpl/own/scan": {"0-0": 0.6, "1-0": 0.6, "2-0": 0.9}}))


def test_spread_by_hand():
    assert (spread([1.0, 3.0]).mean, spread([1.0, 3.0]).n) == (2.0, 2)
    assert spread([1.0, 3.0]).std == pytest.approx(2**0.5)  # of the sample: n - 1
    assert spread([1.0]).std is None
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_arms_are_those_read_and_then_those_of_each_group():
    arms = {"reimpl": {"whole": {"w": {"pretext": {"simclr": {"dim": 8}}, "scan": {}, "selflabel": {}}}, "clustering": {},
                       "selflabel": {"s": {"selflabel": {"threshold": 0.5}}}},
            "original_ref": {"clustering": {"r": {"scan": {}, "selflabel": {}}}}}
    summary = made.summary("x", made.study(arms, reads={"r": "main/reimpl/default"}), [])
    assert summary.arms() == [Arm("reimpl", "r", ()), Arm("reimpl", "w", (("pretext.simclr.dim", 8),)),
                              Arm("reimpl", "s", (("selflabel.threshold", 0.5),)), Arm("original_ref", "r", ())]
    assert summary.arms()[1].step("scan") == "reimpl/w/scan"
    assert summary.arms_run("scan") == []


def test_an_arm_that_is_read_and_run_with_further_seeds_is_one_arm():
    study = made.study({"default": {"scan": {}, "selflabel": {}}}, reads={"default": "main/reimpl/default"})
    assert made.summary("seeds", study, []).arms() == [Arm("reimpl", "default", ())]


def test_the_baseline_is_the_first_arm_that_is_read(summary):
    assert reading().baseline() == Arm("reimpl", "default", ())
    assert summary.baseline() is None


def test_entries_are_in_percent_and_say_why_where_there_is_none():
    entry = measured({"0-0": 0.5, "1-0": 0.7}, ["x", "y"])
    assert entry.text() == "60.0 ± 14.1" and entry.n == 2 and entry.values == pytest.approx({"0-0": 50.0, "1-0": 70.0})
    assert entry.t_interval() == pytest.approx(stats.t.interval(0.95, 1, 60, 10))
    assert Entry(81.8).text() == "81.8" and Entry().text() == "–" and Entry(reason="because").text() == "not run"
    assert measured({}, []).reason == "no record" and Entry(81.8, 0.3).t_interval() is None


def test_the_clustering_table_has_published_and_ours_step_by_step(authors):
    rows = [(row.step, row.source, row.entries["acc"].text()) for row in clustering_table(authors, "digits").rows]
    assert rows == [
        ("pixels + k-means", "here", "25.0 ± 7.1"),
        ("pretext + k-means", "here", "60.0 ± 14.1"),
        ("SCAN", "paper", "81.8 ± 0.3"), ("SCAN", "authors' code, here", "50.0"),
        ("SCAN", "rewrite, here: a", "70.0 ± 14.1"), ("SCAN", "rewrite, here: b", "45.0 ± 7.1"),
        ("SCAN + self-label", "authors' code, here", "not run"),
        ("SCAN + self-label", "rewrite, here: a", "85.0 ± 7.1"), ("SCAN + self-label", "rewrite, here: b", "45.0 ± 21.2"),
    ]


def test_a_cell_that_did_not_run_is_shown_with_its_reason_and_counts_nowhere(authors):
    """Of the authors' two seeds one ran: n is 1; where none did, the reason stands in the row and in the CSV."""
    table = clustering_table(authors, "digits")
    rows = {row.step: row.entries["acc"] for row in table.rows if row.source.startswith("authors")}
    assert rows["SCAN"].text() == "50.0" and rows["SCAN"].n == 1
    assert rows["SCAN"].evidence == ("runs/made/original_ref/a/scan/0-0/metrics.json",)
    assert rows["SCAN + self-label"].text() == "not run" and rows["SCAN + self-label"].reason == "no network"
    assert len(authors.not_run()) == 3 and len(authors.not_run("original_ref/a/scan")) == 1


def test_a_study_of_one_implementation_names_its_arms_and_what_each_changes_up_to_the_step():
    """The arm that runs SCAN alone has no row of self-labeling; a change of self-labeling does not stand beside SCAN."""
    arms = {"reimpl": {"clustering": {"c": {"scan": {"heads": 2}, "selflabel": {"threshold": 0.5}}},
                       "scan": {"s": {"scan": {"clusters": 3}}}}}
    study = made.study(arms, reads={"default": "main/reimpl/default"}, scores=("acc", "nmi"))
    run = ("default/scan", "default/selflabel", "c/scan", "c/selflabel", "s/scan")
    table = clustering_table(made.summary("x", study, made.cells({f"reimpl/{step}": {"0-0": 0.5} for step in run})), "d")
    assert [(row.step, row.source, row.changes) for row in table.rows] == [
        ("SCAN", "default", ()), ("SCAN", "c", (("scan.heads", 2),)), ("SCAN", "s", (("scan.clusters", 3),)),
        ("SCAN + self-label", "default", ()), ("SCAN + self-label", "c", (("scan.heads", 2), ("selflabel.threshold", 0.5)))]
    assert table.metrics == {"acc": "ACC", "nmi": "NMI"}
    assert [row.entries["nmi"].text() for row in table.rows] == ["25.0"] * 5


def test_with_more_clusters_than_classes_accuracy_is_read_many_to_one():
    """In the table's first column, in the figures, and in the differences, which one to one are -20 points by hand, and so +5.
    The curves have one to one alone, and are left out."""
    study = made.study({"twice": {"scan": {}}}, reads={"once": "main/reimpl/once"})
    cells = made.cells({"reimpl/once/scan": {"0-0": 0.7, "1-0": 0.7}})
    for cell in [*cells]:
        more = made.scores(0.5) | {"acc_many_to_one": 0.75, "confusion": [[5, 5, 0], [1, 0, 9]], "match": [0, 2, -1]}
        cells.append(made.cell("reimpl/twice/scan", cell["seed"], more))
    for cell in cells:
        cell["record"]["curves"] = [{"epoch": 1, "acc": 0.5}]
    one = made.summary("x", study, cells)
    table = clustering_table(one, "d")
    assert list(table.metrics) == ["acc_many_to_one", "acc", "nmi", "ari"] == [*table.rows[0].entries]
    found = drawn(one)
    assert found["seeds"].finding == "Means: SCAN, once 70.0; SCAN, twice 75.0."
    assert "ACC, many to one in percent" in found["seeds"].svgs[0] and found["forest-scan"].finding == "Means: twice +5.0."
    assert "points of ACC, many to one against once" in found["forest-scan"].svgs[0]
    assert len(found["arms-scan"].svgs) == 1 and "Cluster sizes" in found["arms-scan"].svgs[0]


def test_published_figures_of_an_arm_stand_before_it_and_name_it():
    study = made.study({"a": {"scan": {}, "selflabel": {}}},
                       published=({"source": "paper", "dataset": "X", "step": "reimpl/a/selflabel", "acc": [74.3, 3.9]},))
    rows = clustering_table(made.summary("x", study, made.cells({"reimpl/a/selflabel": {"0-0": 0.5}})), "d").rows
    assert [(row.source, row.ours, row.entries["acc"].text(), row.entries["nmi"].text()) for row in rows] == [
        ("paper: a", False, "74.3 ± 3.9", "–"), ("a", True, "50.0", "25.0")]


def test_published_figures_are_those_of_the_data_set_and_of_cifar10_where_it_has_none():
    """With how many runs each is the mean of, where that is known."""
    figures_of = {"CIFAR-10": {"n": 2, "acc": [87.6, 0.4]}, "CIFAR100-20": {"acc": [45.9]}, "STL-10": {"acc": [76.7]}}
    study = made.study({"a": {"scan": {}, "selflabel": {}}}, published=tuple(
        {"source": "paper", "dataset": name, "step": "scan", **figure} for name, figure in figures_of.items()))
    one = made.summary("x", study, [])
    shown = {dataset: [(row.dataset, row.entries["acc"].text(), row.entries["acc"].n)
                       for row in clustering_table(one, dataset).rows] for dataset in ("digits", "cifar10", "cifar20", "stl10")}
    assert shown == {"digits": [("CIFAR-10", "87.6 ± 0.4", 2)], "cifar10": [("CIFAR-10", "87.6 ± 0.4", 2)],
                     "cifar20": [("CIFAR100-20", "45.9", None)], "stl10": [("STL-10", "76.7", None)]}


def test_the_neighbor_table_says_how_many_neighbors(summary):
    (row,) = neighbor_table(summary, "digits").rows
    assert row.dataset == "digits, 10 and 3 neighbors"
    assert [row.entries[key].text() for key in ("train_accuracy", "test_accuracy")] == ["50.0", "25.0"]
    assert neighbor_table(reading(), "digits") is None


def count(higher):
    """Of "higher in 2 of 10" the 2."""
    return int(higher.split()[2])


def test_any_step_may_be_degenerate_also_one_that_all_studies_share():
    """Those of a pretext task, by either implementation, and an arm's own."""
    names = {"pretext/rotation": "pretext task, rotation (rewrite)", "neighbors/simclr": "neighbors, SimCLR (rewrite)",
             "original_ref/pretext/simclr": "pretext task, SimCLR (authors' code)", "kmeans/pixels": "pixels + k-means",
             "reimpl/w/pretext": "pretext task (rewrite: MoCo)", "reimpl/w/neighbors": "neighbors (rewrite: MoCo)",
             "reimpl/x/scan": "SCAN (rewrite: x)"}
    study = made.study({"reimpl": {"whole": {arm: {"pretext": {}, "scan": {}, "selflabel": {}} for arm in "wx"}}},
                       labels={"w": "MoCo"})
    broken = [made.cell(step, "0", {}, degenerate=["loss is not finite"]) for step in names]
    found = degenerate(made.summary("s", study, broken))
    assert {cells[0]["step"]: name for (name, _), cells in found.items()} == names
    said = ["1 of 4 clusters are empty", "11 of 14 clusters are empty"]
    found = degenerate(made.summary("s", study, [made.cell("kmeans/pixels", "0", {}, degenerate=said)]))
    assert [sentence for _, sentence in found] == ["1 of 4 clusters is empty", "11 of 14 clusters are empty"]


def test_steps_are_compared_within_an_arm_and_by_pretext_seed(authors):
    steps = step_by_step(authors)
    assert {(before, after): (round(change.mean, 6), change.n, count(higher)) for before, after, change, higher in steps} == {
        ("pixels + k-means", "pretext + k-means"): (35.0, 2, 2),
        ("pretext + k-means", "SCAN (rewrite: a)"): (10.0, 2, 1),
        ("pretext + k-means", "SCAN + self-label (rewrite: a)"): (25.0, 2, 2),
        ("SCAN (rewrite: a)", "SCAN + self-label (rewrite: a)"): (15.0, 2, 2),
        ("pretext + k-means", "SCAN (rewrite: b)"): (-15.0, 2, 0),
        ("pretext + k-means", "SCAN + self-label (rewrite: b)"): (-15.0, 2, 1),
        ("SCAN (rewrite: b)", "SCAN + self-label (rewrite: b)"): (0.0, 2, 1),
    }
    assert step_by_step(reading()) == []  # without k-means


def test_an_arm_with_k_means_on_its_own_features_is_compared_with_that():
    """By hand, in points; and it has a row of the table, and drawings without curves."""
    about = made.study({"reimpl": {"whole": {arm: {"pretext": {}, "kmeans": {}, "scan": {}, "selflabel": {}} for arm in "ab"}}})
    found = made.cells({"reimpl/a/kmeans": {"0": 0.5, "1": 0.7}, "reimpl/b/kmeans": {"0": 0.4, "1": 0.4}}) + made.cells({
        "reimpl/a/scan": {"0-0": 0.6, "1-0": 0.6}, "reimpl/b/scan": {"0-0": 0.9, "1-0": 0.9}})
    one = made.summary("s", about, found)
    steps = [(before, after, round(change.mean, 6), count(higher)) for before, after, change, higher in step_by_step(one)]
    assert steps == [("pretext + k-means (rewrite: a)", "SCAN (rewrite: a)", 0.0, 1),
                     ("pretext + k-means (rewrite: b)", "SCAN (rewrite: b)", 50.0, 2)]
    table = clustering_table(one, "digits")
    assert [(row.step, row.source) for row in table.rows] == [
        ("pretext + k-means", "a"), ("pretext + k-means", "b"), ("SCAN", "a"), ("SCAN", "b")]
    texts = {drawing.name: drawing.text for drawing in study_drawings(one, ["x", "y"], table)}
    assert texts["arms-kmeans"] == (
        "A line an arm, the mean over its seeds: the share of test images in each cluster, the largest cluster first.")


def test_each_arm_is_compared_with_the_first_one_read_seed_by_seed(summary):
    """own - default: +10, 0, +20. other has no seed 2-0: 0, +30. The baseline itself is not among them."""
    found = {arm.name: (list(values.values()), interval) for arm, values, interval in differences(reading(), "scan")}
    assert list(found) == ["other", "own"]
    assert found["own"][0] == pytest.approx([10, 0, 20]) and found["other"][0] == pytest.approx([0, 30])
    for values, interval in found.values():
        n = len(values)
        assert interval == pytest.approx(stats.t.interval(0.95, n - 1, np.mean(values), np.std(values, ddof=1) / n**0.5))
    assert list(differences(summary, "scan")) == []  # it reads none


def test_the_effects_are_those_of_the_study_divergences_alone():
    one = reading()
    assert effects([one]) == {}
    found = effects([one, made.summary("divergences", one.study, one.records)])
    assert set(found) == {"own", "other"}
    ((step, change, interval),) = found["own"]
    assert step == "SCAN" and change.mean == pytest.approx(10) and change.n == 3 and interval[0] < 0 < interval[1]


def test_runs_that_read_other_files_than_the_default_under_the_same_names_are_counted():
    """Of three of the arm `own`, one started from other weights; `other` has its own, and one seed that the default has not."""
    def runs(step, read):
        return [made.cell(step, seed, made.scores(0.5), evidence={**made.EVIDENCE, "inputs": one}) for seed, one in read.items()]

    default = {seed: {"runs/d/main/model.pt": seed, "images.npy": "i"} for seed in ("0-0", "1-0", "2-0")}
    own = {**default, "1-0": {"runs/d/studies/main/model.pt": "elsewhere", "images.npy": "i"}}
    other = {"0-0": {"own/model.pt": "x", "images.npy": "i"}, "9-0": {"runs/d/main/model.pt": "y"}}
    study = reading().study
    found = [*runs("reimpl/default/scan", default), *runs("reimpl/own/scan", own), *runs("reimpl/other/scan", other)]
    assert apart(made.summary("reading", study, found)) == (1, 4)
    assert apart(reading()) == (0, 5) and apart(made.summary("s", made.study({"a": {"scan": {}}}), [])) == (0, 0)


def test_variance_is_divided_where_pretext_seeds_have_several_clustering_seeds():
    """Means 20 and 40, deviations of 10 within: mean squares 400 and 100 by hand, so (400 - 100) / 2 lies between."""
    acc = {"0-0": 0.2 - 0.5**0.5 / 10, "0-1": 0.2 + 0.5**0.5 / 10, "1-0": 0.4 - 0.5**0.5 / 10, "1-1": 0.4 + 0.5**0.5 / 10}
    study = made.study({"default": {"scan": {}, "selflabel": {}}})
    both = made.summary("seeds", study, made.cells({"reimpl/default/scan": acc, "reimpl/default/selflabel": {"0-0": 0.1}}))
    ((step, found, everything),) = variances(both)
    assert step == "SCAN" and (found.groups, found.per_group) == (2, 2)
    assert (found.within, found.between, found.share) == pytest.approx((100, 150, 0.6))
    assert everything.n == 4 and everything.mean == pytest.approx(30)
    other = {**made.EVIDENCE, "inputs": {"runs/d/pretext/simclr/1/model.pt": "2"}}
    apart = made.cells({"reimpl/default/scan": {"1-2": 0.9}}, evidence=other)
    ((_, again, _),) = variances(made.summary("seeds", study, [*made.cells({"reimpl/default/scan": acc}), *apart]))
    assert again == found  # without the run that started from other weights than the others of its pretext seed
    alone = made.cells({"reimpl/default/scan": {**acc, "2-0": 0.9}})
    assert variances(made.summary("seeds", study, alone))[0][1] == found  # and without a pretext seed of one run
    for seeds in (("0-0", "1-0"), ("0-0", "0-1"), ("0-0", "0-1", "1-0")):  # one each; one pretext seed; a single one among them
        few = {"reimpl/default/scan": {seed: acc[seed] for seed in seeds}}
        assert variances(made.summary("seeds", study, made.cells(few))) == []


def test_each_record_stands_once_under_the_first_study_that_has_it(authors):
    """main ran it, the next study reads it. What did not run is no evidence."""
    path = "runs/made/reimpl/a/scan/0-0/metrics.json"
    study = made.study({"scan": {"own": {"scan": {}}}}, reads={"read": "main/reimpl/a"})
    read = made.summary("reader", study, [made.cell("reimpl/read/scan", "0-0", made.scores(0.8), path),
                                          made.cell("reimpl/own/scan", "10-0", made.scores(0.7)),
                                          made.cell("reimpl/own/scan", "2-0", made.scores(0.7))])
    (first, cells, machines, seconds), (second, others, _, _) = evidence([authors, read])
    assert (first, second) == ("main", "reader")
    assert len(cells) == len(ACC) * 2 + 2 and sum(cell["path"] == path for cell in cells + others) == 1
    assert [(cell["step"], cell["seed"]) for cell in others] == [("reimpl/own/scan", "2-0"), ("reimpl/own/scan", "10-0")]
    assert seconds == 90 * len(cells) and [machine["records"] for machine in machines] == [len(cells)]
    assert [cell["step"] for cell in cells][:2] == ["neighbors/simclr", "kmeans/embeddings"]  # as data flows


def test_each_arm_has_a_line_of_its_own_in_the_figure(summary):
    (svg,) = figures.seeds_figures(clustering_table(summary, "digits"), "acc")
    ElementTree.fromstring(svg)
    assert ">a<" in svg and ">b<" in svg
    assert (svg,) == figures.seeds_figures(clustering_table(summary, "digits"), "acc")  # the same bytes each time


def test_many_lines_are_shared_out_to_figures_of_one_scale():
    """Thirty arms in three figures, each arm once."""
    names = [f"arm{number}" for number in range(29)]
    study = made.study({arm: {"scan": {}} for arm in names})
    cells = made.cells({f"reimpl/{arm}/scan": {"0-0": 0.3 + 0.02 * number} for number, arm in enumerate(names)})
    found = made.summary("x", study, cells)
    svgs = figures.seeds_figures(clustering_table(found, "d"), "acc")
    assert [svg.count("<title>arm") for svg in svgs] == [9, 10, 10]  # and the line of the step, which has no figure of its own
    ticks = [re.findall(r">(\d+)</text>", svg) for svg in svgs]
    assert ticks[0] == ticks[1] == ticks[2] != []


def test_published_figures_of_an_arm_stand_on_its_line_of_the_figure_and_those_of_the_step_on_the_steps():
    published = [{"source": "paper", "dataset": "X", "step": step, "acc": [percent]}
                 for step, percent in {"scan": 10.0, "reimpl/a/scan": 20.0, "reimpl/b/scan": 30.0}.items()]
    study = made.study({arm: {"scan": {}, "selflabel": {}} for arm in "ab"}, published=published)
    found = made.summary("x", study, made.cells({f"reimpl/{arm}/scan": {"0-0": 0.5} for arm in "ab"}))
    lines = figures.seeds_lines(clustering_table(found, "d").rows)
    assert [(label, [row.entries["acc"].mean for row in rows]) for label, rows in lines] == [
        ("SCAN", [10.0]), ("a", [20.0, 50.0]), ("b", [30.0, 50.0])]


def drawn(summary):
    found = {drawing.name: drawing for drawing in study_drawings(summary, ["x", "y"], clustering_table(summary, "d"))}
    for svg in (svg for drawing in found.values() for svg in drawing.svgs):
        ElementTree.fromstring(svg)
    return found


def test_a_study_that_compares_arms_has_a_forest_and_its_arms_over_the_epochs():
    curves = [{"epoch": epoch, "acc": 0.1 * epoch, "nmi": None, "ari": 0.1, "loss": 1.0} for epoch in (1, 2)]
    one = reading()
    for cell in one.records:
        cell["record"]["curves"] = curves
    found = drawn(one)
    assert set(found) == {"seeds", "forest-scan", "arms-scan", *(f"confusion-reimpl-{arm}-scan" for arm in (
        "default", "other", "own"))}
    assert "against default" in found["forest-scan"].svgs[0] and ">own<" in found["forest-scan"].svgs[0]
    assert ["Test accuracy" in svg for svg in found["arms-scan"].svgs] == [True, False]


def test_arms_whose_curves_hold_losses_alone_have_no_panel_of_scores():
    one = reading()
    for cell in one.records:
        cell["record"]["curves"] = [{"epoch": 1, "loss": 1.0}]
    (sizes,) = drawn(one)["arms-scan"].svgs
    assert "Cluster sizes" in sizes


def test_a_study_over_a_setting_has_a_curve_over_its_values():
    one = reading(axis="scan.num_neighbors", title="The number of neighbors")
    for cell, neighbors in zip(one.records, [20] * 3 + [50] * 2 + [5] * 3):
        cell["record"]["settings"] = {"scan": {"num_neighbors": neighbors}}
    (svg,) = drawn(one)["axis"].svgs
    assert svg.index(">5<") < svg.index(">20<") < svg.index(">50<") and "scan." not in svg
    assert drawn(one)["axis"].title == "Accuracy by the number of neighbors" and ">the number of neighbors<" in svg


def test_gains_over_k_means_stand_over_the_neighbors_they_were_made_from(monkeypatch):
    """Clustering seeds are averaged; the arm that is read stands on the shared features; seed 7 has no k-means."""
    whole = {"pretext": {}, "kmeans": {}, "scan": {}, "selflabel": {}}
    study = made.study({"reimpl": {"whole": {"short": whole}}}, reads={"default": "main/reimpl/default"})
    found = made.cells({"kmeans/embeddings": {"3": 0.7}, "reimpl/short/kmeans": {"0": 0.4}, "reimpl/default/scan": {"3-0": 0.9},
                        "reimpl/short/scan": {"0-0": 0.5, "0-1": 0.6, "7-0": 0.9}, "reimpl/short/selflabel": {"0-0": 0.3}})
    found += [made.cell(step, seed, {"train_accuracy": share}) for step, seed, share in
              (("neighbors/simclr", "3", 0.95), ("reimpl/short/neighbors", "0", 0.45), ("reimpl/short/neighbors", "7", 0.55))]
    seen = []
    monkeypatch.setattr(figures, "gain_figures", lambda shown, draw=figures.gain_figures: (seen.append(shown), draw(shown))[1])
    svg = "".join(drawn(made.summary("x", study, found))["gain"].svgs)
    (shown,) = seen
    rounded = {title: [(arm, [(round(share), round(gain)) for share, gain in points.values()]) for arm, points in arms]
               for title, arms in shown}
    assert rounded == {"SCAN": [("default", [(95, 20)]), ("short", [(45, 15)])], "SCAN + self-label": [("short", [(45, -10)])]}
    assert ">default<" in svg and ">short<" in svg


def test_confusion_is_summed_class_by_class():
    """Of two clusters for three classes, seed 0 finds classes 0 and 2, seed 1 classes 0 and 1."""
    seeds = [{"confusion": [[5, 0], [1, 1], [0, 4]], "match": [2, 0]}, {"confusion": [[6, 0], [0, 3], [1, 2]], "match": [0, 1]}]
    assert summed_confusion(seeds, 3).tolist() == [[11, 0, 0], [1, 3, 1], [1, 2, 4]]
    over = [{"confusion": [[5, 0, 1], [0, 4, 2]], "match": [-1, 0, 1]}]
    assert summed_confusion(over, 2).tolist() == [[5, 0, 1], [0, 4, 2]]


def test_the_most_confused_class_is_named():
    """Of four images of y, three lie in the cluster of x; of x, one of ten in a cluster beyond."""
    assert most_confused(np.array([[9, 0, 1], [3, 1, 0]]), ["x", "y"]) == "Most confused: 75 % of y in the cluster of x."
    assert most_confused(np.array([[6, 0, 4], [0, 4, 0]]), ["x", "y"]) == "Most confused: 40 % of x in a cluster of no class."


def test_each_seed_says_its_value_and_can_be_reached_by_the_keyboard():
    """Differences from default by hand: own +10, 0, +20 on seeds 0, 1 and 2."""
    found = drawn(reading(labels={"own": "An arm & more"}))
    root = ElementTree.fromstring(found["forest-scan"].svgs[0])
    seeds = [one for one in root.iter() if one.get("data-seed")]
    assert [one.get("data-seed") for one in seeds][-3:] == [
        f"An arm & more, seed {seed}: {value}" for seed, value in enumerate(("+10.00", "+0.00", "+20.00"))]
    for one in seeds:
        assert one.get("tabindex") == "0" and one[0].tag.endswith("title")
        assert one[0].text == one.get("aria-label") == one.get("data-seed")
    assert found["seeds"].svgs[0].count("data-seed") == 8  # three, two and three


def test_what_is_seen_is_said():
    """Means of own and default by hand."""
    found = drawn(reading())
    assert found["forest-scan"].finding == "Means: other +15.0; own +10.0."
    assert found["seeds"].finding == "Means: SCAN, default 60.0; SCAN, other 70.0; SCAN, own 70.0."
    assert found["forest-scan"].finding in found["forest-scan"].spoken


def test_a_study_that_trains_a_pretext_task_shows_its_curves():
    whole = {"pretext": {"moco": {}}, "scan": {}, "selflabel": {}}
    study = made.study({"reimpl": {"whole": {arm: whole for arm in "abcd"}}}, labels={"a": "MoCo"})
    curves = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "neighbor_accuracy": 0.5}]
    found = drawn(made.summary("x", study, [made.cell("reimpl/a/pretext", "0", {"loss": 1.0}, curves=curves)]))
    assert found["curves-reimpl-a-pretext"].title == "Pretext task: MoCo"
    assert found["curves-reimpl-a-pretext"].finding == (
        "Means over seeds in the last epoch: Training loss 1; Nearest neighbors, test 50.")


def test_an_arm_that_is_called_as_its_step_is_named_once():
    stages = {"scan": {}, "selflabel": {}}
    study = made.study({"a": stages, "b": stages}, labels={"a": "SCAN", "b": "SCAN, joint"})
    cells = made.cells({f"reimpl/{arm}/{stage}": {"0-0": 0.5} for arm in "ab" for stage in ("scan", "selflabel")})
    titles = [drawing.title for name, drawing in drawn(made.summary("x", study, cells)).items() if name.startswith("confusion")]
    assert titles == ["SCAN", "SCAN: SCAN, joint", "SCAN + self-label", "SCAN + self-label: SCAN, joint"]


def test_a_line_of_one_point_is_seen():
    """As a marker, which SVG has as a use of a symbol, within what belongs to the seed."""
    svg = panels.curves_figure("t", "u", [("a", {"0": ((5,), (2.0,)), "1": ((1, 5), (1.0, 2.0))})])
    marked = [bool(list(one.iter("{http://www.w3.org/2000/svg}use"))) for one in ElementTree.fromstring(svg).iter()
              if one.get("data-seed")]
    assert marked == [True, False]
    filled = f"fill: {figures.COLORS[1].lower()}"
    one, two = (panels.arms_figures("t", "x", "y", [("a", [5], [2.0]), ("b", *of_b)], 1)[0].count(filled)
                for of_b in (([5], [3.0]), ([1, 5], [1.0, 3.0])))
    assert one and not two


def test_a_colour_has_one_meaning():
    """That of the paper's figures is in no figure of our differences, and frames no picture of another class."""
    svgs = [figures.forest_figure([("a", {"0": 1.0, "1": 2.0}, (0.0, 3.0))], "points"),
            panels.picture_wall(np.zeros((2, 4, 4, 3), np.uint8), ["x", "y"], [True, False], 2)]
    assert not [svg for svg in svgs if figures.PAPER.lower() in svg.lower()] and figures.WRONG in svgs[1]


def test_labels_that_would_meet_are_moved_apart():
    moved = figures.apart([0.5, 0.5, 0.9, 0.52], 0.1)
    assert min(np.diff(np.sort(moved))) >= 0.1 - 1e-9 and list(np.argsort(moved, kind="stable")) == [0, 1, 3, 2]
    assert np.mean(moved) == pytest.approx(np.mean([0.5, 0.5, 0.9, 0.52]))


@pytest.mark.parametrize("arms, axes", [(2, 1), (6, 1), (7, 7)])
def test_many_arms_have_a_small_panel_each(arms, axes, monkeypatch):
    """Each is named, and colours are told apart with any kind of sight: no two arms of a panel share one."""
    lines = [(f"arm {index}", [1, 2], [0.1 * index, 0.2 * index]) for index in range(arms)]
    (svg,) = panels.arms_figures("t", "x", "y", lines, 1)
    assert all(f">arm {index}<" in svg for index in range(arms)) and svg.count('id="patch_2"') == 1
    assert svg.count('<g id="axes_') >= axes
    assert len(set(figures.COLORS)) == len(figures.COLORS) == 6


def test_small_panels_are_shared_among_figures_that_stand_side_by_side():
    lines = [(f"arm {index}", [1, 2], [0.1 * index, 0.2 * index]) for index in range(17)]
    found = panels.arms_figures("t", "x", "y", lines, 3)
    named = [[index for index in range(17) if f">arm {index}<" in svg] for svg in found]
    assert named == [[*range(6)], [*range(6, 12)], [*range(12, 17)]]
    assert [f"t, {number} of 3" in svg for number, svg in enumerate(found, 1)] == [True] * 3


@pytest.mark.parametrize("classes, columns", [(3, 3), (2, 5), (12, 12)])
def test_a_confusion_figure_is_drawn_for_any_shape(classes, columns):
    ElementTree.fromstring(panels.confusion_figure(np.ones((classes, columns), int), [f"c{i}" for i in range(classes)]))


WRITTEN = {  # as D. Knuth, The TeXbook, chapter 7, and The LaTeX Companion, table 7.33, have them
    "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}


def test_no_name_is_a_command_of_latex():
    """Alone, all at once, and as one who writes LaTeX into a name would have it; in each place that has a name."""
    entries = {"acc": Entry(81.8, 0.3, 2)}
    for name, written in {**WRITTEN, "".join(WRITTEN): "".join(WRITTEN.values()), "[2pt]": "{[}2pt]", "*": "{*}",
                          r"\input{/etc/passwd}": r"\textbackslash{}input\{/etc/passwd\}", "a\n\nb\tc": "a b c"}.items():
        text = latex(Table("t", f"c{name}", {"acc": name}, [Row(f"x{name}", f"y{name}", name, entries)]), "t")
        assert rf"\multicolumn{{3}}{{@{{}}l}}{{\textit{{{written}}}}} \\" in text.splitlines()
        assert f"\\raggedright x{written}, y{written} & 81.8 $\\pm$ 0.3 & 2 \\\\" in text.splitlines()
        assert f" & {written} & $n$ \\\\" in text.splitlines() and rf"\caption{{c{written}: mean" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex (the package texlive-latex-recommended) is not here")
@pytest.mark.parametrize("columns", ("onecolumn", "twocolumn"))
@pytest.mark.parametrize("metrics", (["acc", "nmi", "ari"], list(SCORES)))
def test_latex_compiles_and_fits(columns, metrics, tmp_path):
    """With the longest names of arms, and figures as wide as they come. Only what juts out of its column is counted."""
    labels = [label for name in names() for label in load_study(name).labels.values()]
    arms = [f"{whose}, here: {label}" for label in sorted(labels, key=len)[-3:] for whose in IMPLEMENTATIONS.values()]
    entry = Entry(88.8, 18.8, 10, {"0": 60.0, "1": 80.0, "2": 100.0})  # [30.3, 129.7]
    rows = [Row(name, "cifar10_small", "SCAN", dict.fromkeys(metrics, entry)) for name in arms]
    (tmp_path / "t.tex").write_text("\n".join([
        rf"\documentclass[{columns}]{{article}}", r"\usepackage{booktabs}", r"\begin{document}",
        latex(Table("t", "Clustering of the test images, in percent", {key: SCORES[key] for key in metrics}, rows), "t"),
        r"\end{document}"]))
    done = subprocess.run(["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True,
                          text=True)
    assert done.returncode == 0 and (tmp_path / "t.pdf").exists(), done.stdout
    assert not re.findall("Overfull.*|LaTeX Warning: .*too large.*", done.stdout)


def test_latex_escapes_and_csv_holds_every_seed(summary, tmp_path):
    table = clustering_table(summary, "a_b & 100%")
    write_table(table, tmp_path / "main/tables")
    text = (tmp_path / "main/tables/table1.tex").read_text()
    assert r"a\_b \& 100\%" in text and r"81.8 $\pm$ 0.3" in text and text.count(r"\midrule") == 4
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.count(" & ") for line in rows} == {4} and r"\label{tab:main-table1}" in text
    low, high = stats.t.interval(0.95, 1, 60, 10)
    assert rf" & \scriptsize [{low:.1f}, {high:.1f}] & " in text
    assert [text.count(rf"\{end}{{{name}}}") for name in ("table", "tabular") for end in ("begin", "end")] == [1] * 4
    with open(tmp_path / "main/tables/table1.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["step"] == "pretext + k-means" and row["metric"] == "ACC")
    assert (row["seeds"], row["values"], row["n"]) == ("0 1", "50.0 70.0", "2")
    assert row["records"] == " ".join(f"runs/made/kmeans/embeddings/{seed}/metrics.json" for seed in "01")
    assert float(row["t_low"]) == pytest.approx(60 - stats.t.ppf(0.975, 1) * 10)
    assert (float(row["bootstrap_low"]), float(row["bootstrap_high"])) == (50, 70)  # of two values, 4 resamples
