"""Summaries of the records that there are: what is missing is a row of records.json with the reason, and none of cells.csv."""

import csv
import json

import pytest
import yaml

from harness.files import sha256
from harness.pipeline.cells import Result
from harness.results.summary import NO_RECORD, collect, summarise

STUDY = {"title": "t", "question": "q", "arms": {"reimpl": {"scan": {"a": {"scan": {}}, "b": {"scan": {}}}}}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with the study s of two arms on two seeds, in which nothing has run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/study.yaml").write_text(yaml.safe_dump(STUDY))
    (tmp_path / "params.yaml").write_text("{dataset: d, pretext_seeds: [0], clustering_seeds: [0, 1]}")
    return tmp_path


def ran(arm, seed, **record):
    """A record, and where it lies."""
    return (f"runs/d/studies/s/reimpl/{arm}/{seed}/scan/metrics.json",
            json.dumps({"not_run": None, "metrics": {}, "settings": {"scan": {}}, **record}))


def write(folder, *files):
    for file, text in files:
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(text)


def test_of_four_cells_one_ran_one_says_why_it_did_not_and_two_are_not_there(folder):
    write(folder, ran("a", "0-0", metrics={"acc": 0.5, "confusion": [[1]], "epoch": 3}),
          ran("b", "0-1", not_run="the disk was full", settings={}))
    summarise("s", "d", folder / "out")
    cells = json.loads((folder / "out/records.json").read_text())
    assert [(cell["step"], cell["seed"], cell["record"]["not_run"]) for cell in cells] == [
        ("reimpl/a/scan", "0-0", None), ("reimpl/a/scan", "0-1", NO_RECORD),
        ("reimpl/b/scan", "0-0", NO_RECORD), ("reimpl/b/scan", "0-1", "the disk was full")]
    with open(folder / "out/cells.csv", newline="") as file:
        rows = [(row["step"], row["seed"], row["metric"], row["value"]) for row in csv.DictReader(file)]
    assert rows == [("reimpl/a/scan", "0-0", "acc", "0.5"), ("reimpl/a/scan", "0-0", "epoch", "3")]


def test_without_any_record_there_is_a_summary_that_says_so(folder):
    summarise("s", "d", folder / "out")
    assert all(cell["record"]["not_run"] == NO_RECORD for cell in json.loads((folder / "out/records.json").read_text()))
    assert (folder / "out/cells.csv").read_text() == "step,seed,metric,value,record\n"


def test_a_record_that_cannot_be_read_is_the_reason(folder):
    write(folder, ("x/metrics.json", "{"), ("y/metrics.json", '{"not_run": null, "metrics": {}}'))
    broken, whole, missing = collect([Result("step", "0", folder / name) for name in "xyz"])
    assert "x/metrics.json is not valid JSON" in broken["record"]["not_run"] and broken["sha256"] is None
    assert whole["record"]["not_run"] is None and whole["sha256"] == sha256(folder / "y/metrics.json")
    assert missing["record"]["not_run"] == NO_RECORD and missing["sha256"] is None
