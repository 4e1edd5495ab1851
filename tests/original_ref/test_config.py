"""The settings of CIFAR and STL-10 become the authors' own configuration files; what their code cannot do is refused."""

from dataclasses import replace

import pytest
import yaml

from harness.augmentations import Nothing, Strong
from harness.errors import UserError
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
