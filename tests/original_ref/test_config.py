"""The settings of CIFAR and STL-10 become the authors' own configuration files; what their code cannot do is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.augmentations import Nothing, Strong
from harness.datasets import listed
from harness.errors import UserError
from harness.params import data_set_settings
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.settings import Dataset, Optimizer, Scan, SelfLabel, Training
from harness.tasks import settings_of
from original_ref import config
from original_ref.checkout import folder

TRAINING = Training(epochs=2, batch_size=4, optimizer=Optimizer("adam", lr=0.1, weight_decay=0.0))


def theirs(name):
    file = folder() / "configs" / name
    if not file.exists():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    return yaml.safe_load(file.read_text())


def known(ours, expected):
    """Those of our keys that their file has, nested ones too; and the keys of theirs that ours lacks."""
    missing = set(expected) - set(ours)
    return {key: value for key, value in ours.items() if key in expected}, missing


@pytest.mark.parametrize("name, size, clusters", [("cifar10", 32, 10), ("cifar20", 32, 20), ("stl10", 96, 10)])
@pytest.mark.parametrize("stage, file", [
    ("pretext", "pretext/simclr"), ("scan", "scan/scan"), ("selflabel", "selflabel/selflabel")])
def test_our_settings_are_their_configuration(stage, file, name, size, clusters):
    expected = {key: value for key, value in theirs(f"{file}_{name}.yml").items() if not key.endswith("_db_name")}
    arm = {} if stage == "pretext" else {"study": "main", "arm": "default"}
    settings = in_force(Cell("original_ref", stage, name, 0, **arm, variant="simclr"))
    dataset, mine = settings["dataset"], settings[stage]
    kind = "simclr" if stage == "pretext" else mine.augmentation
    own = {"pretext": config.simclr, "selflabel": config.selflabel, "scan": lambda mine, _: config.scan(mine)}[stage](
        mine, clusters)
    ours = {**config.common(dataset, size, mine.training, 8),
            **config.augmentation(kind, settings["augmentation"], dataset, size), **own}
    assert settings["network"] == config.DATABASES["stl-10" if name == "stl10" else "cifar-10"]
    same, missing = known(ours, expected)
    assert not missing
    assert same == {**expected, "optimizer_kwargs": same["optimizer_kwargs"]}
    assert {key: float(value) for key, value in expected["optimizer_kwargs"].items()} == same["optimizer_kwargs"]


@pytest.mark.parametrize("name", ["imagenet_50", "imagenet_100", "imagenet_200"])
def test_imagenets_settings_are_their_configuration_and_the_clusters_their_list(name):
    scan, selflabel, ours = theirs(f"scan/scan_{name}.yml"), theirs(f"selflabel/selflabel_{name}.yml"), data_set_settings(name)
    for stage, expected in (("scan", scan), ("selflabel", selflabel)):
        training, given = ours[stage]["training"], expected["optimizer_kwargs"]
        optimizer = training["optimizer"]
        assert [training["epochs"], training["batch_size"], optimizer["kind"], expected["scheduler"]] == [
            expected["epochs"], expected["batch_size"], expected["optimizer"], "constant"]
        assert {key: optimizer[key] for key in ("lr", "momentum", "weight_decay")} | {"nesterov": False} == given
    assert ours["scan"].items() >= {
        "augmentation": scan["augmentation_strategy"], "num_neighbors": scan["num_neighbors"], "heads": scan["num_heads"],
        "frozen_backbone": scan["update_cluster_head_only"], "clusters": scan["num_classes"],
        "entropy_weight": scan["criterion_kwargs"]["entropy_weight"]}.items()
    assert ours["selflabel"].items() >= {
        "threshold": selflabel["confidence_threshold"], "ema": selflabel["ema_alpha"],
        "class_balancing": selflabel["criterion_kwargs"]["apply_class_balancing"]}.items()
    strong, crop = selflabel["augmentation_kwargs"], scan["transformation_kwargs"]
    assert ours["augmentation"]["strong"].items() >= {"operations": strong["num_strong_augs"],
                                                      "cutout": strong["cutout_kwargs"]["length"]}.items()
    assert ours["dataset"].items() >= {"size": crop["crop_size"], **crop["normalize"]}.items()
    classes = folder() / f"data/imagenet_subsets/{name}.txt"
    assert Path(ours["dataset"]["class_list"]).name == classes.name and len(listed(classes)) == ours["scan"]["clusters"]


@pytest.mark.parametrize("refused", [
    lambda: config.augmentation("none", Nothing(), None, 32),
    lambda: config.augmentation("strong", Strong(flip=0.5, operations=4, cutout=0), Dataset("x", (0.5,), (0.5,)), 32),
    lambda: config.scan(Scan(TRAINING, 10, "strong", 20, 5.0, 1, selection_entropy_weight=5.0)),
    lambda: config.scan(Scan(TRAINING, 10, "strong", 20, 5.0, 1, draw_itself=False)),
    lambda: config.selflabel(SelfLabel(TRAINING, "strong", "standard", 0.9), 10),
])
def test_what_their_code_cannot_do_is_refused(refused):
    with pytest.raises(UserError, match="the authors' code"):
        refused()


DATASET = Dataset("x", (0.5,), (0.5,))
SCAN = Scan(TRAINING, 10, "strong", 20, 5.0, 1)
SELF_LABEL = SelfLabel(TRAINING, "strong", "none", 0.9)
SIMCLR = settings_of("simclr")(TRAINING, {"simclr": {}}, 1, 0.1, 128)


@pytest.mark.parametrize("configure, settings, changes", [
    (lambda training: config.common(DATASET, 32, training, 0), TRAINING, {"drop_last": False}),
    (lambda training: config.common(DATASET, 32, training, 0), TRAINING,
     {"optimizer": replace(TRAINING.optimizer, decay_norms=False)}),
    (lambda training: config.common(DATASET, 32, training, 0), TRAINING, {"optimizer": replace(TRAINING.optimizer, warm_up=1)}),
    (lambda training: config.common(DATASET, 32, training, 0), TRAINING, {"optimizer": replace(TRAINING.optimizer, kind="lars")}),
    (lambda pretext: config.simclr(pretext, 10), SIMCLR, {"symmetric": True}),
    (config.scan, SCAN, {"neighbor_augmentation": "standard"}),
    (config.scan, SCAN, {"entropy_over": "both"}),
    (config.scan, SCAN, {"joint_batch": True}),
    (config.scan, SCAN, {"selection": "last"}),
    (lambda selflabel: config.selflabel(selflabel, 10), SELF_LABEL, {"targets_in_training_mode": False}),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_a_switch_of_the_rewrite_alone_is_refused_and_named(configure, settings, changes):
    configure(settings)
    (name,) = changes
    with pytest.raises(UserError, match=rf"{name}\S* is .*, and the authors' code knows only"):
        configure(replace(settings, **changes))


def test_the_image_augmentation_may_be_named_again_for_the_neighbor():
    assert config.scan(replace(SCAN, neighbor_augmentation="strong")) == config.scan(SCAN)
