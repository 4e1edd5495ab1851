"""The settings that stages depend on, by hand: a data set of few numbers, and a study whose arms change some."""

import json
import sys

import pytest
import yaml

from harness.pipeline import resolve

DATASET, NETWORK = {"source": "digits"}, {"width": 8}
AUGMENTATION = {"none": {}, "strong": {"flip": 0.5}}
PARAMS = {
    "dataset": DATASET, "network": NETWORK, "augmentation": AUGMENTATION, "kmeans": {"restarts": 3}, "neighbors": {"train": 20},
    "pretext": {"simclr": {"dim": 16, "training": {"epochs": 9, "lr": 0.1}}, "rotation": {"evaluate_every": 2}},
    "scan": {"entropy_weight": 5.0, "training": {"epochs": 7, "lr": 0.3}}, "selflabel": {"threshold": 0.99},
}
STUDY = {"title": "t", "question": "q", "arms": {
    "reimpl": {
        "whole": {"short": {"pretext": {"simclr": {"training": {"epochs": 1}}}, "scan": {}, "selflabel": {"threshold": 0.5}}},
        "scan": {"weightless": {"scan": {"entropy_weight": 0.0, "training": {"epochs": 2}}}},
        "selflabel": None},
    "original_ref": {"clustering": {"default": {"scan": {}, "selflabel": {}}}}}}
COMMON = {"dataset": DATASET, "network": NETWORK}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """`written(arguments)`: what `python -m harness.pipeline.resolve <arguments>` returns and writes, by file."""
    (tmp_path / "params").mkdir()
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "params/d.yaml").write_text(yaml.safe_dump(PARAMS))
    (tmp_path / "studies/s/study.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.chdir(tmp_path)

    def run(arguments):
        monkeypatch.setattr(sys, "argv", ["resolve", *arguments.split(), "--out", "out"])
        code, out = resolve.main(), tmp_path / "out"
        return code, {str(file.relative_to(out)): json.loads(file.read_text()) for file in out.rglob("*.json")}
    return run


def test_shared_stages_have_the_settings_that_they_read(written):
    simclr, rotation = ({**COMMON, f"pretext.{task}": PARAMS["pretext"][task]} for task in ("simclr", "rotation"))
    assert written("--dataset d") == (0, {
        "dataset.json": {"dataset": DATASET}, "kmeans.json": {"kmeans": {"restarts": 3}},
        "pretext.simclr.json": simclr, "neighbors.simclr.json": {**simclr, "neighbors": {"train": 20}},
        "pretext.rotation.json": rotation, "neighbors.rotation.json": {**rotation, "neighbors": {"train": 20}}})


def test_each_stage_of_an_arm_has_what_the_arm_changes_laid_over_the_data_sets_own(written):
    code, found = written("--dataset d --study s")
    short = {**COMMON, "pretext.simclr": {"dim": 16, "training": {"epochs": 1, "lr": 0.1}}}
    scan, common = PARAMS["scan"], {**COMMON, "augmentation": AUGMENTATION}
    assert code == 0 and found == {
        "reimpl/short/pretext.json": short, "reimpl/short/neighbors.json": {**short, "neighbors": {"train": 20}},
        "reimpl/short/scan.json": {**common, "scan": scan},
        "reimpl/short/selflabel.json": {**common, "selflabel": {"threshold": 0.5}},
        "reimpl/weightless/scan.json": {**common, "scan": {"entropy_weight": 0.0, "training": {"epochs": 2, "lr": 0.3}}},
        "original_ref/default/scan.json": {**common, "scan": scan},
        "original_ref/default/selflabel.json": {**common, "selflabel": {"threshold": 0.99}}}


def test_what_is_not_there_is_named_and_nothing_is_written(written, capsys):
    assert written("--dataset e") == (2, {})
    assert capsys.readouterr().err == "error: params/ has no 'e.yaml'; it has d.yaml\n"
    assert written("--dataset d --study t") == (2, {})
    assert capsys.readouterr().err == "error: studies/t/study.yaml is missing\n"
