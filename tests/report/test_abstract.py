"""The abstract by hand: what is counted, in whose words, and what it says where there is nothing to count."""

from pathlib import Path

import pytest

from harness.files import read_yaml
from harness.params import about, data_sets, settings_file
from report.abstract import abstract, compute, duration, machine, search, stage_of
from report.claims import Results
from tests.report import made
from tests.report.test_forest import judged

XEON = {"processor": "Xeon", "cores": 2, "threads": 1}
DIVERGENCES = {"one": {"concerns": "results", "paper": "as in the authors' issue 133"}, "two": {"concerns": "speed", "paper": ""}}


def cell(step, seed, hardware=XEON, seconds=60.0, **record):
    metrics = made.scores(record.pop("acc")) if "acc" in record else {}
    return made.cell(step, seed, metrics, evidence=made.EVIDENCE | {"hardware": hardware, "seconds": seconds}, **record)


def results(*cells, claims=(), name="toy"):
    return Results({"name": name}, [made.summary("main", made.study(), list(cells))], [], list(claims))


def test_every_figure_is_counted():
    """Three runs of the rewrite on two seeds, one degenerate; one of the authors' code, and one that could not be made."""
    found = results(
        cell("kmeans/pixels", "0", acc=0.5), cell("reimpl/default/selflabel", "0-0", acc=0.6),
        cell("reimpl/default/selflabel", "1-0", acc=0.8, degenerate=["a loss is odd"]), cell("original_ref/pretext/simclr", "0"),
        cell("original_ref/default/scan", "1-0", not_run="no network"),
        claims=[judged(None), judged(None, "undecided", source="The authors' issue 56"), judged(None, "not tested")])
    said = dict(abstract(found, DIVERGENCES, {"shim": {}}))
    assert "3 claims in 1 study" in said["Scope"] and "2 could be tested on toy, in 1 of these studies" in said["Scope"]
    assert "The paper's text was not at hand: figures called the paper's are those of its authors' slides" in said["Scope"]
    assert said["Methodology"].startswith("4 runs: 3 of a rewrite, and 1 of the authors' own code")
    assert ", its files unmodified, which reads the same images. 2 pretext seeds, " in said["Methodology"]
    assert said["Results"].endswith(
        "k-means on the pixels 50.0 (n = 1), SCAN with self-labeling 70.0 ± 14.1 (n = 2). 1 of 4 runs left a cluster empty or "
        "had a loss that was not finite; all are counted.")
    assert said["What was easy"].startswith("The reproduction study found")
    difficult = said["What was difficult"]
    assert "in 2 points, of which 1 concern results. It meets 1 obstacle on" in difficult
    assert "data sets. 1 run could not be made: no network." in difficult
    assert said["Communication with the authors"] == "None. Cited from their public tracker: issue 56, issue 133."
    assert said["Conclusion"].startswith("On toy, of 2 tested claims: 1 supported; 1 undecided. No published figure is of toy")
    assert dict(abstract(results(name="cifar10", claims=[judged(None)]), {}, {}))["Conclusion"].endswith("0 undecided.")


def test_without_labels_it_says_so_and_counts_the_runs():
    unscored = dict(abstract(results(cell("reimpl/default/scan", "0-0"), claims=[judged(None, "not tested")]), {}, {}))
    assert unscored["Results"].startswith("No accuracy of the main study: the test images have no labels. 0 of 1 run left")
    assert unscored["Methodology"].startswith("1 run of a rewrite, and none of the authors' own code. 1 pretext seed. No run")
    assert unscored["Conclusion"] == "No claim is decided on toy."


def test_seconds_are_summed_by_machine_and_stage():
    cells = [cell("pretext/simclr", "0", seconds=3600.0), cell("original_ref/pretext/simclr", "0", seconds=3600.0),
             cell("reimpl/scan/selflabel", "0-0", seconds=30.0),
             cell("reimpl/default/scan", "0-0", {**XEON, "accelerator": "H200"}, 600.0)]
    assert compute(cells) == ("Xeon, 2 cores, 1 thread a stage: pretext tasks 2.0 h, self-labeling 30 s; 2.0 h in all. "
                              "H200: SCAN 10 min; 10 min in all.")
    assert compute([]) == "None."


@pytest.mark.parametrize("step, stage", [("kmeans/pixels", "kmeans"), ("original_ref/pretext/simclr", "pretext"),
                                         ("reimpl/scan/selflabel", "selflabel"), ("neighbors/simclr", "neighbors")])
def test_the_stage_of_a_step(step, stage):
    assert stage_of(step) == stage


def test_units_of_time():
    assert [duration(s) for s in (0.4, 89, 90, 5399, 5400)] == ["0 s", "89 s", "2 min", "90 min", "1.5 h"]
    assert machine({"cores": 1, "threads": 1}) == "unknown processor, 1 core, 1 thread a stage"


def test_what_is_said_of_the_search_is_the_head_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params").mkdir()
    Path("params/toy.yaml").write_text("# Chosen by\n#   hand.\nscan: {}  # not this\n# nor this\n")
    Path("params/bare.yaml").write_text("scan: {}\n# too late\n")
    assert about("toy") == "Chosen by hand." and search("toy") == "params/toy.yaml says: “Chosen by hand.”"
    assert search("bare") == "params/bare.yaml says nothing of one." and about("nowhere") == ""


def test_each_data_set_of_the_project_has_something_to_say():
    assert data_sets() and all(about(name) for name in data_sets() if "source" in read_yaml(settings_file(name))["dataset"])
