"""Which claims compare arms that differ in more than they are about: by hand on arms of every group."""

import shutil
from dataclasses import replace

import pytest

from harness import ROOT
from harness.pipeline import check
from harness.pipeline.confounded import confounds, notes
from harness.pipeline.study import Claim, Study, load_study, names

MAIN = Study(title="Main", question="?", arms={
    "reimpl": {"clustering": {"default": {"scan": {}, "selflabel": {}}}},
    "original_ref": {"clustering": {"default": {"scan": {}, "selflabel": {}}}}})
START = {"pretext": "simclr", "scan": "other/reimpl/both"}
OTHER = Study(title="Other", question="?", reads={"default": "main/reimpl/default"}, start=START, arms={
    "reimpl": {"clustering": {"both": {"scan": {"heads": 2}, "selflabel": {"threshold": 0.5}}},
               "scan": {"few": {"scan": {"training": {"epochs": 2}, "num_neighbors": 5}}},
               "selflabel": {"low": {"selflabel": {"threshold": 0.5}}, "high": {"selflabel": {"threshold": 0.9}}},
               "whole": {"wide": {"pretext": {"simclr": {"dim": 64}}, "scan": {}, "selflabel": {}},
                         "joint": {"dataset": {"joint": True}, "pretext": {}, "scan": {}, "selflabel": {}}}}})
STUDIES = {"main": MAIN, "other": OTHER}


@pytest.mark.parametrize("study, of, than, about, expected", [
    ("other", "reimpl/both/scan", "reimpl/default/scan", (), ()),  # heads alone: what self-labeling changes comes later
    ("other", "reimpl/both/selflabel", "reimpl/default/selflabel", (), ("scan.heads", "selflabel.threshold")),
    ("other", "reimpl/both/selflabel", "reimpl/default/selflabel", ("scan.heads",), ("selflabel.threshold",)),
    ("other", "reimpl/few/scan", "reimpl/default/scan", (), ("scan.num_neighbors", "scan.training.epochs")),
    ("other", "reimpl/few/scan", "reimpl/default/scan", ("scan.num_neighbors", "scan.training.epochs"), ()),
    ("other", "reimpl/low/selflabel", "reimpl/high/selflabel", (), ()),  # from one SCAN
    ("other", "reimpl/low/selflabel", "reimpl/default/selflabel", (), ("scan.heads", "selflabel.threshold")),
    ("other", "reimpl/low/selflabel", "reimpl/both/selflabel", (), ()),
    ("other", "reimpl/wide/scan", "reimpl/default/scan", (), ()),
    ("other", "reimpl/wide/scan", "reimpl/default/scan", ("scan.heads",), ("pretext.simclr.dim",)),
    ("other", "reimpl/joint/scan", "reimpl/default/scan", (), ()),
    ("other", "reimpl/joint/scan", "reimpl/default/scan", ("scan.heads",), ("dataset.joint",)),
    ("other", "reimpl/joint/selflabel", "reimpl/wide/scan", (), ("dataset.joint", "pretext.simclr.dim")),
    ("other", "reimpl/wide/selflabel", "reimpl/wide/kmeans", (), ()),  # of what only one of them runs nothing counts
    ("other", "reimpl/wide/kmeans", "reimpl/both/kmeans", (), ()),
    ("other", "reimpl/wide/kmeans", "reimpl/both/kmeans", ("scan.heads",), ("pretext.simclr.dim",)),
    ("main", "reimpl/default/selflabel", "original_ref/default/selflabel", (), ()),
    ("main", "reimpl/default/selflabel", "reimpl/default/scan", (), ()),
    ("main", "reimpl/default/selflabel", "kmeans/embeddings", (), ()),
    ("main", "reimpl/nobody/scan", "reimpl/default/scan", (), ()),
])
def test_what_two_arms_differ_in_besides_what_the_claim_is_about(study, of, than, about, expected):
    claim = Claim(text="t", source="s", kind="above", of=of, than=than, about=about)
    assert confounds(STUDIES[study], claim, STUDIES) == expected


def test_another_pretext_task_is_a_difference():
    """Whether the study starts from it or the arm names it."""
    rotated = replace(OTHER, start={**START, "pretext": "rotation"})
    claim = Claim(text="t", source="s", kind="above", of="reimpl/default/scan", than="reimpl/both/scan")
    assert confounds(rotated, claim, STUDIES) == ("scan.heads", "start.pretext")
    whole = {"followed": {"pretext": {"moco": {"momentum": 0.9}}, "scan": {}, "selflabel": {}}}
    claim = replace(claim, than="reimpl/followed/scan")
    assert confounds(replace(OTHER, arms={"reimpl": {"whole": whole}}), claim, STUDIES) == (
        "pretext.moco.momentum", "start.pretext")


def test_no_claim_of_the_studies_is_confounded_and_check_would_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert list(notes({name: load_study(name) for name in names()})) == []
    for folder in ("params", "studies"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "studies/num_neighbors/study.yaml"
    file.write_text(file.read_text().replace("k0: {scan: {num_neighbors: 0}}", "k0: {scan: {num_neighbors: 0, heads: 2}}"))
    check.check()
    note, right = capsys.readouterr().out.splitlines()
    assert "num_neighbors/study.yaml, line" in note
    assert "claims.0 is confounded: its arms differ in scan.heads, scan.num_neighbors; an arm that differs in one alone" in note
