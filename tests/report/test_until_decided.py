"""Seeds added until claims are decided: looks, what stops them, and what params.yaml then says. Runs are made up."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.files import read_yaml, write_json
from harness.params import looks
from harness.pipeline.study import Claim
from report.claims import judge_all
from report.estimates import Estimate
from report.sequential import reached, spent
from report.summaries import data_set, read_summaries
from report.until_decided import hope, until_decided
from studies.__main__ import duration
from tests.report import made

PARAMS = "# seeds\ndataset: digits\npretext_seeds: [0, 1]  # two\nclustering_seeds: [0]\nlooks: []\nexecution: {threads: 1}\n"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A function that runs a made-up study on the seeds of params.yaml, with arm a above b by `gain` points."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "studies").mkdir()
    facts = {"name": "digits", "images": {"train": 1, "test": 10**8}, "classes": ["x", "y"]}
    write_json(tmp_path / "data/digits/dataset.json", facts)
    ran = []

    def at(gain, deviation=1.0):
        claim = Claim(text="is above", source="s", kind="above", of="reimpl/a/scan", than="reimpl/b/scan", margin=0.5)
        about = made.study({arm: {"scan": {}, "selflabel": {}} for arm in "ab"}, claims=(claim,))
        noise = np.random.default_rng(0).normal(0, deviation / 100, 100).tolist()

        def run():
            seeds = read_yaml("params.yaml")["pretext_seeds"]
            ran.append(len(seeds))
            found = made.cells({"reimpl/a/scan": {f"{seed}-0": 0.5 + gain / 100 + noise[seed] for seed in seeds},
                                "reimpl/b/scan": {f"{seed}-0": 0.5 for seed in seeds}})
            made.write(made.summary("s", about, found), tmp_path / "runs/digits/summary")

        return run

    at.ran = ran
    return at


def test_a_large_difference_is_decided_at_the_first_look(study, capsys):
    until_decided("s", "digits", study(20.0))
    assert study.ran == [5] and looks() == (5, 10, 20, 30)
    written = PARAMS.replace("[0, 1]", "[0, 1, 2, 3, 4]").replace("looks: []", "looks: [5, 10, 20, 30]")
    assert Path("params.yaml").read_text() == written
    assert "look at 5 seeds: 0 claims of s are still worth waiting for" in capsys.readouterr().out


def test_a_smaller_one_takes_more_and_the_page_has_p_over_all_looks(study):
    """Of the looks before, p is that of the seeds there were: by hand, from the differences."""
    until_decided("s", "digits", study(0.7), most=20)
    assert study.ran == [5, 10] and looks() == (5, 10, 20)
    (found,) = read_summaries(Path("runs/digits/summary"))
    (judged,) = judge_all([found], [], data_set("digits"), looks())
    differences = 0.7 + np.random.default_rng(0).normal(0, 1, 100)
    at5, at10 = (stats.ttest_1samp(differences[:n], 0).pvalue for n in (5, 10))
    assert 0.05 / 3 < at5 < 0.05 and at10 < 0.05 / 3  # the first look would have decided it, were it the only one
    assert judged.verdict.p == pytest.approx(3 * at10, rel=0.01) and judged.verdict.word == "supported"
    assert ", look 2 of 3; not 0: p = 0.034" in judged.verdict.reason


def test_a_claim_that_can_no_longer_be_decided_is_not_waited_for(study, capsys):
    """With a deviation of ten, neither a difference nor that it is below half a point can be shown with ten seeds."""
    until_decided("s", "digits", study(0.4, 10.0), most=10)
    assert study.ran == [5] and "0 claims of s are still worth" in capsys.readouterr().out


def test_time_and_the_least_number_of_seeds(study, capsys):
    until_decided("s", "digits", study(0.7), budget=0.0)
    assert study.ran == [5] and "10 seeds would take longer than the budget" in capsys.readouterr().out
    with pytest.raises(UserError, match="--at-most 4 is fewer than the first look, at 5 seeds"):
        until_decided("s", "digits", study(1.0), most=4)
    assert duration("2h") == 7200 and duration("1.5m") == 90


def test_looks_share_the_level_evenly():
    assert reached((5, 10, 20), 4) == () and reached((5, 10, 20), 12) == (5, 10)
    assert spent([0.5, 0.01], 4) == 0.04 and spent([0.5], 4) == 1.0
    sure = Estimate(5.0, 1.0, 5)
    assert hope("above", sure, 0.0, 1.0, 100, 30, 0.01) == pytest.approx(1) and hope("same", sure, 0.0, 5.0, 100, 30, 0.01) < 0.02


@pytest.mark.parametrize("value", ("[5, 5]", "[10, 5]", "[2]", "5", "[a]"))
def test_looks_that_are_none_are_refused(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(f"looks: {value}\n")
    with pytest.raises(UserError, match="looks is .*, and should be rising whole numbers of at least 3"):
        looks()
