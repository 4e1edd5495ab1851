"""The settings files that stages read, by hand: a data set of few numbers, and a study whose arms change some."""

import json
import sys

import pytest
import yaml

from harness.errors import UserError
from harness.pipeline import resolve
from harness.pipeline.resolve import in_force, sections_of
from harness.pipeline.study import check_arm
from harness.record import Cell

DATASET, NETWORK = {"source": "digits", "mean": [0.5], "std": [0.25]}, {"width": 8, "blocks": [1]}
NONE, STANDARD, STRONG = {}, {"crop_scale": [0.5, 1.0], "flip": 0.5}, {"flip": 0.5, "operations": 1, "cutout": 0}


def training(epochs, lr):
    return {"epochs": epochs, "batch_size": 2, "optimizer": {"kind": "adam", "lr": lr, "weight_decay": 0}}


SIMCLR = {"simclr": {"crop_scale": [0.5, 1.0], "flip": 0.5, "jitter": 0.5, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5,
                     "hue": 0.1, "gray": 0.1}}
PARAMS = {
    "dataset": DATASET, "network": NETWORK, "augmentation": {"none": NONE, "standard": STANDARD, "strong": STRONG},
    "kmeans": {"clusters": 10, "restarts": 3}, "neighbors": {"train": 20, "test": 5, "scored": 20},
    "pretext": {"simclr": {"dim": 16, "temperature": 0.5, "training": training(9, 0.1), "augmentation": SIMCLR,
                           "evaluate_every": 2},
                "rotation": {"training": training(9, 0.1), "augmentation": {"standard": STANDARD}, "evaluate_every": 2}},
    "scan": {"clusters": 10, "entropy_weight": 5.0, "training": training(7, 0.3), "augmentation": "strong", "num_neighbors": 20,
             "heads": 1},
    "selflabel": {"threshold": 0.99, "training": training(7, 0.3), "augmentation": "strong", "target_augmentation": "none"},
}
STUDY = {"title": "t", "question": "q", "arms": {
    "reimpl": {
        "whole": {"short": {"pretext": {"simclr": {"training": {"epochs": 1}}}, "kmeans": {"restarts": 1}, "scan": {},
                            "selflabel": {"threshold": 0.5}}},
        "scan": {"weightless": {"scan": {"entropy_weight": 0.0, "training": {"epochs": 2}, "neighbor_augmentation": "standard"}}},
        "selflabel": None},
    "original_ref": {"clustering": {"default": {"scan": {}, "selflabel": {}}}}}}
COMMON = {"dataset": DATASET, "network": NETWORK}


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "params").mkdir()
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "params/d.yaml").write_text(yaml.safe_dump(PARAMS))
    (tmp_path / "studies/s/study.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def written(project, monkeypatch):
    """`written(arguments)`: what `python -m harness.pipeline.resolve <arguments>` returns and writes, by file."""
    def run(arguments):
        monkeypatch.setattr(sys, "argv", ["resolve", *arguments.split(), "--out", "out"])
        code, out = resolve.main(), project / "out"
        return code, {str(file.relative_to(out)): json.loads(file.read_text()) for file in out.rglob("*.json")}
    return run


def test_shared_stages_have_the_settings_that_they_read(written):
    simclr, rotation = ({**COMMON, "pretext": {task: PARAMS["pretext"][task]}} for task in ("simclr", "rotation"))
    mined = {"neighbors": PARAMS["neighbors"]}
    assert written("--dataset d") == (0, {
        "report.json": {"matters": 1.0, "about": ""},
        "listing.json": {"dataset": DATASET}, "dataset.json": {"dataset": DATASET}, "kmeans.json": {"kmeans": PARAMS["kmeans"]},
        "pretext.simclr.json": simclr, "neighbors.simclr.json": {**simclr, **mined},
        "pretext.rotation.json": rotation, "neighbors.rotation.json": {**rotation, **mined}})


def test_each_stage_of_an_arm_has_what_the_arm_changes_and_the_augmentations_that_it_names(written):
    code, found = written("--dataset d --study s")
    short = {**COMMON, "pretext": {"simclr": {**PARAMS["pretext"]["simclr"], "training": training(1, 0.1)}}}
    scan = {**COMMON, "scan": PARAMS["scan"], "augmentation": {"strong": STRONG}}
    both = {"none": NONE, "strong": STRONG}
    assert code == 0 and found == {
        "reimpl/short/pretext.json": short, "reimpl/short/neighbors.json": {**short, "neighbors": PARAMS["neighbors"]},
        "reimpl/short/kmeans.json": {"kmeans": {"clusters": 10, "restarts": 1}}, "reimpl/short/scan.json": scan,
        "reimpl/short/selflabel.json": {**COMMON, "selflabel": {**PARAMS["selflabel"], "threshold": 0.5}, "augmentation": both},
        "reimpl/weightless/scan.json": {
            **COMMON, "scan": {**PARAMS["scan"], "entropy_weight": 0.0, "training": training(2, 0.3),
                               "neighbor_augmentation": "standard"},
            "augmentation": {"strong": STRONG, "standard": STANDARD}},
        "original_ref/default/scan.json": scan,
        "original_ref/default/selflabel.json": {**COMMON, "selflabel": PARAMS["selflabel"], "augmentation": both}}


def test_what_is_wrong_is_named_and_nothing_is_written(written, project, capsys):
    for arguments, says in {"--dataset e": "params/ has no 'e.yaml'; it has d.yaml",
                            "--dataset d --study t": "studies/t/study.yaml is missing"}.items():
        assert written(arguments) == (2, {}) and capsys.readouterr().err == f"error: {says}\n"
    (project / "params/d.yaml").write_text(yaml.safe_dump({**PARAMS, "kmeans": {"clusters": 1, "restarts": 1}}))
    assert written("--dataset d") == (2, {})
    assert capsys.readouterr().err == "error: params/d.yaml: kmeans: clusters is 1, and should be at least 2\n"


def test_the_settings_in_force_of_a_cell_are_those_of_its_file(written):
    _, found = written("--dataset d --study s")
    now = in_force(Cell("reimpl", "scan", "d", "0-0", "s", "weightless"))
    assert now["scan"].entropy_weight == found["reimpl/weightless/scan.json"]["scan"]["entropy_weight"] == 0
    assert now["neighbor_augmentation"].flip == 0.5
    assert in_force(Cell("reimpl", "kmeans", "d", "0", "s", "short", "embeddings"))["kmeans"].restarts == 1
    assert in_force(Cell("reimpl", "kmeans", "d", "0", variant="pixels"))["kmeans"].restarts == 3


@pytest.mark.parametrize("arguments, says", [
    (("e",), "params/ has no 'e.yaml'; it has d.yaml"),
    (("d", "s", "reimpl", "many"), "the study “t” has no arm 'many' of reimpl"),
    (("d", "s", "torch", "few"), "'torch/few' is no arm of the study “t”: name it with its implementation, reimpl/ARM or "),
    (("d", "t", "reimpl", "few"), "studies/t/study.yaml is missing"),
    (("../d",), "the data set is '../d', and should be small letters, "),
    (("d", "$(x)", "reimpl", "few"), "studies/$(x)/study.yaml: the name of the study is '$(x)', and should be small letters, "),
])
def test_what_is_not_there_is_named(project, arguments, says):
    with pytest.raises(UserError) as error:
        sections_of(*arguments)
    assert str(error.value).startswith(says)


@pytest.mark.parametrize("group, arm, says", [
    ("clustering", {"scan": {}}, "w has no 'selflabel'; it has scan"),
    ("scan", {"scan": {}, "selflabel": {}}, "w has 'selflabel'; an arm of the group scan changes settings of scan only"),
    ("clustering", {"scan": {}, "selflabel": {}, "network": {}},
     "w has 'network'; an arm of the group clustering changes settings of scan, selflabel only"),
    ("selflabel", {"selflabel": 0.5}, "w.selflabel should be a mapping of settings, {} to change none"),
    ("selflabel", None, "w has no 'selflabel'; it has nothing"),
    ("all", {}, "arms has groups of which one is 'all', and the list of groups has no 'all'; it has whole, clustering, scan, "
                "selflabel, baseline"),
])
def test_an_arm_has_a_mapping_for_each_stage_of_its_group_and_nothing_else(group, arm, says):
    with pytest.raises(UserError) as error:
        check_arm(group, arm, "w")
    assert str(error.value) == says
