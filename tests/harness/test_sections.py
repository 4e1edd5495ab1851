"""Settings by section: what is laid over what, what a stage reads of them, and what is wrong, in one line."""

import json

import pytest

from harness.augmentations import Nothing, Standard, Strong
from harness.errors import UserError
from harness.sections import Sections, read_file, read_settings
from harness.settings import Network
from harness.stages import STAGES

BASE = {"network": {"width": 8, "blocks": [1]}, "augmentation": {"strong": {"flip": 0.5, "cutout": 4}},
        "scan": {"clusters": 10, "heads": 2}}
ARM = "studies/s/study.yaml: arms.reimpl.scan.alone"


def test_an_arm_is_laid_over_the_data_set():
    alone = Sections(BASE, "params/d.yaml", {"scan": {"heads": 1}}, ARM)
    assert alone.read("network", Network).width == 8
    assert alone.mapping("scan") == {"clusters": 10, "heads": 1} and BASE["scan"]["heads"] == 2
    assert alone.mapping("augmentation.strong") == {"flip": 0.5, "cutout": 4}
    assert Sections(BASE, "params/d.yaml").mapping("scan") == {"clusters": 10, "heads": 2}


@pytest.mark.parametrize("key, says", [
    ("kmeans", f"params/d.yaml with {ARM} has no 'kmeans'; it has network, augmentation, scan"),
    ("scan.training", f"params/d.yaml: scan with {ARM}.scan has no 'training'; it has clusters, heads"),
])
def test_a_section_that_is_not_there_is_named_with_the_arm(key, says):
    with pytest.raises(UserError) as error:
        Sections(BASE, "params/d.yaml", {}, ARM).mapping(key)
    assert str(error.value) == says


@pytest.mark.parametrize("network, says", [
    ({"width": 0, "blocks": [1]}, "params/d.yaml: network: width is 0, and should be at least 8"),
    ({"width": 8, "blocs": [1]}, "params/d.yaml: network: unknown setting 'blocs'; did you mean 'blocks'?"),
])
def test_what_is_wrong_with_a_section_is_named(network, says):
    with pytest.raises(UserError) as error:
        Sections({"network": network}, "params/d.yaml").read("network", Network)
    assert str(error.value) == says


@pytest.mark.parametrize("base, key, says", [
    ({"scan": [1]}, "scan", "params/d.yaml: scan should be a mapping of settings, not [1]"),
    ({"scan": {"training": 5}}, "scan.training", "params/d.yaml: scan.training should be a mapping of settings, not 5"),
    ({"scan": 5}, "scan.training", "params/d.yaml: scan should be a mapping of settings, not 5"),
    ({"scan": None}, "scan.training", "params/d.yaml: scan has no 'training'; it has nothing"),
])
def test_a_section_that_is_no_mapping_is_named(base, key, says):
    with pytest.raises(UserError) as error:
        Sections(base, "params/d.yaml").mapping(key)
    assert str(error.value) == says


TRAINING = {"epochs": 1, "batch_size": 2, "optimizer": {"kind": "adam", "lr": 0.1, "weight_decay": 0}}
STANDARD, STRONG = {"crop_scale": [0.5, 1.0], "flip": 0.5}, {"flip": 0.5, "operations": 1, "cutout": 0}
WHOLE = {
    "dataset": {"source": "digits", "mean": [0.5], "std": [0.25]}, "network": {"width": 8, "blocks": [1]},
    "augmentation": {"none": {}, "standard": STANDARD, "strong": STRONG}, "neighbors": {"train": 20, "test": 5, "scored": 20},
    "pretext": {"rotation": {"training": TRAINING, "augmentation": {"standard": STANDARD}, "evaluate_every": 1}},
    "scan": {"training": TRAINING, "clusters": 10, "augmentation": "strong", "num_neighbors": 20, "entropy_weight": 5.0,
             "heads": 1},
    "selflabel": {"training": TRAINING, "augmentation": "strong", "target_augmentation": "none", "threshold": 0.9}}


def read(stage, variant="", changes=None, implementation="reimpl"):
    return read_settings(Sections(WHOLE, "params/d.yaml", changes), STAGES[stage], implementation, variant)


def test_a_stage_has_a_settings_dataclass_for_each_section_and_augmentation_that_it_names():
    assert list(read("scan")) == ["dataset", "network", "scan", "augmentation"]
    found = read("scan", changes={"scan": {"neighbor_augmentation": "standard"}})
    assert isinstance(found["augmentation"], Strong) and isinstance(found["neighbor_augmentation"], Standard)
    assert "neighbor_augmentation" not in read("scan", changes={"scan": {"neighbor_augmentation": "strong"}})
    assert isinstance(read("selflabel")["target_augmentation"], Nothing)
    assert list(read("neighbors", "rotation")) == ["dataset", "network", "pretext", "neighbors"]
    assert list(read("pretext", "rotation")) == ["dataset", "network", "pretext", "augmentation"]
    assert list(read("pretext", "rotation", implementation="original_ref")) == [
        "dataset", "network", "pretext", "neighbors", "augmentation"]  # which mines, too
    assert isinstance(read("augmentation", "standard")["augmentation"], Standard)
    with pytest.raises(UserError, match="^the augmentation is 's', and should be one of none, standard, simclr, strong$"):
        read("scan", changes={"scan": {"augmentation": "s"}})


def test_a_rotation_is_refused_where_photographs_are_cropped_as_they_are_read():
    """At the place where it is set: the pretext task's own, before hours are spent on it."""
    simclr = {**STANDARD, **dict.fromkeys(("jitter", "brightness", "contrast", "saturation", "hue", "gray"), 0)}
    base = {**WHOLE, "dataset": {"source": "folder", "size": 8, "mean": [0.5], "std": [0.25], "whole": True}, "pretext": {
        "simclr": {"training": TRAINING, "augmentation": {"simclr": {**simclr, "rotation": 20}}, "evaluate_every": 1,
                   "temperature": 0.1, "dim": 8}}}
    with pytest.raises(UserError, match="^d.yaml: pretext.simclr.augmentation.simclr: rotation is 20.*, and should be 0 with"):
        read_settings(Sections(base, "d.yaml"), STAGES["pretext"], "reimpl", "simclr")
    base["pretext"]["simclr"]["augmentation"]["simclr"]["rotation"] = 0
    assert read_settings(Sections(base, "d.yaml"), STAGES["pretext"], "reimpl", "simclr")["dataset"].whole


def test_a_settings_file_is_read_alike(tmp_path):
    file = tmp_path / "scan.json"
    file.write_text(json.dumps({key: WHOLE[key] for key in ("dataset", "network", "scan", "augmentation")}))
    assert read_file(file, STAGES["scan"], "reimpl") == read("scan")
    file.write_text(json.dumps({"dataset": WHOLE["dataset"]}))
    with pytest.raises(UserError, match=f"^{file} has no 'network'; it has dataset$"):
        read_file(file, STAGES["scan"], "reimpl")
