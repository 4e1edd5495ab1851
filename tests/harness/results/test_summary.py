"""Summaries of the records that there are: what is missing is a row of records.json with the reason, and none of cells.csv."""

import csv
import json

import pytest
import yaml

from harness.errors import UserError
from harness.files import sha256
from harness.pipeline.cells import Result
from harness.results import archive, verify
from harness.results.summary import NO_RECORD, collect, gathered, summarise

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
            json.dumps({"not_run": None, "metrics": {}, "curves": [], "settings": {"scan": {}}, **record}))


def write(folder, *files):
    for file, text in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


def test_of_four_cells_one_ran_one_says_why_it_did_not_and_two_are_not_there(folder):
    write(folder, ran("a", "0-0", metrics={"acc": 0.5, "confusion": [[1]], "epoch": 3}, curves=[{"epoch": 1, "loss": 2.5}]),
          ran("b", "0-1", not_run="the disk was full", settings={}))
    summarise("s", "d", folder / "out")
    cells = json.loads((folder / "out/records.json").read_text())
    assert [(cell["step"], cell["seed"], cell["record"]["not_run"]) for cell in cells] == [
        ("reimpl/a/scan", "0-0", None), ("reimpl/a/scan", "0-1", NO_RECORD),
        ("reimpl/b/scan", "0-0", NO_RECORD), ("reimpl/b/scan", "0-1", "the disk was full")]
    with open(folder / "out/cells.csv", newline="") as file:
        rows = [(row["step"], row["seed"], row["metric"], row["value"]) for row in csv.DictReader(file)]
    assert rows == [("reimpl/a/scan", "0-0", "acc", "0.5"), ("reimpl/a/scan", "0-0", "epoch", "3")]
    assert (folder / "out/curves.csv").read_text() == "step,seed,epoch,loss\nreimpl/a/scan,0-0,1,2.5\n"


def test_what_dvc_shows_is_the_mean_accuracy_over_the_seeds_of_each_step(folder):
    write(folder, ran("a", "0-0", metrics={"acc": 0.5, "nmi": 0.1}), ran("a", "0-1", metrics={"acc": 0.75}),
          ran("b", "0-1", metrics={"loss": 1.0}))
    summarise("s", "d", folder / "out")
    assert json.loads((folder / "out/means.json").read_text()) == {"reimpl/a/scan": 0.625}
    assert (folder / "out/curves.csv").read_text() == "step,seed,epoch,loss\n"


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


def kept(study, arm, seed):
    return f"records/d/{study}/reimpl/{arm}/{seed}/scan/metrics.json", json.dumps({"not_run": None, "metrics": {}, "curves": []})


def whose(name):
    """{(arm, seed): whether its record is a kept one} of a study's cells that have one, every kept record being right."""
    found = gathered(name, "d", lambda folder: [])
    return {(one.step.split("/")[1], one.seed): one.kept for one in found if (one.folder / "metrics.json").exists()}


def test_the_seeds_are_those_asked_for_and_those_that_are_kept(folder):
    """What ran here goes first, but on a seed that is not asked for does not count, and so hides no kept record."""
    write(folder, ran("a", "0-0"), ran("a", "9-0"), kept("s", "a", "0-0"), kept("s", "b", "0-0"), kept("s", "a", "3-0"),
          ran("b", "3-0"), kept("s", "b", "3-0"))
    assert whose("s") == {("a", "0-0"): False, ("b", "0-0"): True, ("a", "3-0"): True, ("b", "3-0"): True}
    order = [f"{one.step} {one.seed}" for one in gathered("s", "d", lambda folder: [])]
    assert order == [f"reimpl/{arm}/scan {seed}" for arm in "ab" for seed in ("0-0", "0-1", "3-0")]
    (folder / "params.yaml").write_text("{dataset: d, pretext_seeds: [0], clustering_seeds: [0, 1], looks: [3, 5]}")
    assert whose("s") == {("a", "0-0"): False, ("b", "0-0"): True}  # the level is spent by the seeds asked for


def test_a_summary_goes_with_the_records_that_it_was_made_of(folder, monkeypatch):
    wrong = []
    monkeypatch.setattr(archive, "problems", lambda kept: wrong)
    monkeypatch.setattr(verify, "problems", lambda kept: wrong)
    write(folder, kept("s", "a", "0-0"), ("records/d/SHA256SUMS", ""))
    archive.records(["d"])
    assert (folder / "runs/d/summary/s/records.json").exists()
    wrong.append("it is of other settings")
    with pytest.raises(UserError, match="left out"):
        archive.records(["d"])
    assert not (folder / "runs/d/summary/s").exists()


def test_kept_arms_are_compared_with_kept_ones(folder):
    (folder / "studies/t").mkdir()
    (folder / "studies/t/study.yaml").write_text(yaml.safe_dump({
        "title": "t", "question": "q", "reads": {"r": "s/reimpl/a"}, "arms": {"reimpl": {"scan": {"c": {"scan": {}}}}}}))
    write(folder, ran("a", "0-0"), kept("s", "a", "0-0"), kept("t", "c", "0-0"))
    assert whose("t") == {("r", "0-0"): True, ("c", "0-0"): True} and whose("s") == {("a", "0-0"): False}
    file, text = ran("c", "0-1")
    write(folder, (file.replace("studies/s", "studies/t"), text))
    assert whose("t") == {("r", "0-0"): False, ("c", "0-0"): True, ("c", "0-1"): False}
