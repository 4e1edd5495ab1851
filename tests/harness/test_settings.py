"""Settings: a typo, a wrong type or a value out of range is one clear line, never a silent default."""

import math
import re

import pytest

from harness.errors import UserError
from harness.files import read_yaml
from harness.settings import Dataset, KMeans, Neighbors, Network, Optimizer, Scan
from harness.tasks import settings_of
from harness.validation import build, check_name

OPTIMIZER = {"kind": "adam", "lr": 0.1, "weight_decay": 0}
SCAN = {"training": {"epochs": 1, "batch_size": 2, "optimizer": OPTIMIZER}, "clusters": 10, "augmentation": "strong",
        "num_neighbors": 20, "entropy_weight": 5, "heads": 1}


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def test_values_are_converted_to_the_annotated_types():
    scan = build(Scan, SCAN, "x")
    assert scan.entropy_weight == 5.0 and isinstance(scan.entropy_weight, float)
    assert scan.training.optimizer.lr == 0.1
    assert build(Network, {"width": 8, "blocks": [1, 2]}, "x").blocks == (1, 2)
    assert build(Optimizer, {**OPTIMIZER, "lr": "1e-4"}, "x").lr == 1e-4  # what YAML 1.1 reads 1e-4 as


@pytest.mark.parametrize("mapping, says", [
    ({**SCAN, "num_neighbours": 5}, "x: unknown setting 'num_neighbours'; did you mean 'num_neighbors'?"),
    (without(SCAN, "heads"), "x: the setting 'heads' is missing"),
    ({**SCAN, "heads": "two"}, "x.heads is 'two', and should be of type int"),
    ({**SCAN, "heads": True}, "x.heads is True, and should be of type int"),
    ({**SCAN, "heads": 0}, "x: heads is 0, and should be at least 1"),
    ({**SCAN, "training": {**SCAN["training"], "optimizer": {**OPTIMIZER, "lr": -1}}},
     "x.training.optimizer: lr is -1.0, and should be above 0"),
    ({**SCAN, "num_neighbors": 0, "draw_itself": False},
     "x: draw_itself is False, and should be true where num_neighbors is 0"),
    ({**SCAN, "entropy_over": "neighbors"}, "x: entropy_over is neighbors, and should be anchors or both"),
    ({**SCAN, "selection": "first"}, "x: selection is first, and should be validation or last"),
    ([], "x should be a mapping of settings, not []"),
])
def test_what_is_wrong_is_named(mapping, says):
    with pytest.raises(UserError) as error:
        build(Scan, mapping, "x")
    assert str(error.value) == says


@pytest.mark.parametrize("scored", [0, 21])
def test_accuracy_is_over_no_more_neighbors_than_are_kept(scored):
    assert build(Neighbors, {"train": 20, "test": 5, "scored": 20}, "x").scored == 20
    with pytest.raises(UserError, match=f"x: scored is {scored}, and should be from 1 to 20, as many as are kept"):
        build(Neighbors, {"train": 20, "test": 5, "scored": scored}, "x")


def test_centres_are_found_on_at_least_an_image_each():
    assert build(KMeans, {"clusters": 10, "restarts": 1, "train_images": 10}, "x").train_images == 10
    with pytest.raises(UserError, match="x: train_images is 9, and should be 0, or at least the number of clusters, 10"):
        build(KMeans, {"clusters": 10, "restarts": 1, "train_images": 9}, "x")


DATASET = {"source": "folder", "mean": [0.5], "std": [0.25]}
PRETEXT = {"training": SCAN["training"], "augmentation": {"simclr": {"hue": 0.1}}, "evaluate_every": 1, "temperature": 0.1,
           "dim": 8}


@pytest.mark.parametrize("wrong, says", [
    ({"stem": "vgg"}, "x: stem is vgg, and should be cifar or imagenet"),
    ({"block": "wide"}, "x: block is wide, and should be basic or bottleneck"),
    ({"stem": "imagenet", "pool": True}, "x: pool is True, and should be false where stem is imagenet, which has its own"),
])
def test_a_network_that_there_is_not_is_named(wrong, says):
    with pytest.raises(UserError, match=f"^{says}$"):
        build(Network, {"width": 8, "blocks": [1], **wrong}, "x")


@pytest.mark.parametrize("mean, std, says", [
    ("mesured", "measured", "x.mean is 'mesured', and should be a value or measured"),
    ("measured", [0.2], "x: mean is measured, and should be measured where std is, and only there"),
    ([0.2], "measured", "x: mean is (0.2,), and should be measured where std is, and only there"),
    (5, 5, "x.mean is 5, and should be a list"),
])
def test_mean_and_deviation_are_numbers_or_measured(mean, std, says):
    assert build(Dataset, {**DATASET, "mean": "measured", "std": "measured"}, "x").channels == 3
    with pytest.raises(UserError, match=f"^{re.escape(says)}$"):
        build(Dataset, {**DATASET, "mean": mean, "std": std}, "x")


NOT_FINITE = [math.nan, math.inf, -math.inf]
NO_FLOAT = [*NOT_FINITE, "nan", "inf", ".inf", 10**400, True, None]
NO_INT = [*NO_FLOAT, 2**40, 1.0, "1"]


@pytest.mark.parametrize("cls, mapping, keys, wrong", [
    (Dataset, DATASET, ["mean", 0], NO_FLOAT), (Dataset, DATASET, ["std", 0], NO_FLOAT),
    (Scan, SCAN, ["entropy_weight"], NO_FLOAT), (Scan, SCAN, ["clusters"], NO_INT),
    (Scan, SCAN, ["training", "epochs"], NO_INT), (Scan, SCAN, ["training", "optimizer", "lr"], NO_FLOAT),
    (Scan, SCAN, ["training", "optimizer", "weight_decay"], NO_FLOAT),
    (Network, {"width": 8, "blocks": [1]}, ["blocks", 0], NO_INT), (settings_of("simclr"), PRETEXT, ["temperature"], NO_FLOAT),
    (settings_of("simclr"), PRETEXT, ["augmentation", "simclr", "hue"], NOT_FINITE),
], ids=lambda value: ".".join(map(str, value)) if isinstance(value, list) and len(value) < 4 else "")
def test_what_is_no_finite_number_is_refused_at_every_level(cls, mapping, keys, wrong):
    assert build(cls, mapping, "x")
    for number in wrong:
        with pytest.raises(UserError) as error:
            build(cls, replaced(mapping, keys, number), "x")
        where = re.escape(".".join(["x", *map(str, keys)]))
        assert re.match(rf"{where} is .*, and should be (a finite number|of type|2147483647 at most)", str(error.value))


def replaced(value, keys, new):
    """Nested mappings and lists with `new` at the end of the keys."""
    if not keys:
        return new
    items = {**value} if isinstance(value, dict) else [*value]
    items[keys[0]] = replaced(value[keys[0]], keys[1:], new)
    return items


@pytest.mark.parametrize("value, says", [
    ({5: {}}, "x.augmentation has the key 5, and should have text for keys"),
    ({"simclr": {"hue": {None: 1}}}, "x.augmentation.simclr.hue has the key None, and should have text for keys"),
    ({"simclr": {"hue": [1, float("inf")]}}, "x.augmentation.simclr.hue.1 is inf, and should be a finite number"),
    ({"simclr": {"hue": {1, 2}}}, "x.augmentation.simclr.hue is '{1, 2}', and should be text, a number, true or false"),
    ({"simclr": 5}, "x.augmentation.simclr is 5, and should be of type dict"),
    ([], "x.augmentation is [], and should be of type dict"),
    ({}, "x: augmentation is {}, and should be one entry, the kind and its settings"),
])
def test_a_mapping_of_any_settings_is_looked_through(value, says):
    with pytest.raises(UserError) as error:
        build(settings_of("simclr"), {**PRETEXT, "augmentation": value}, "x")
    assert str(error.value) == says


@pytest.mark.parametrize("mapping, says", [
    ({**DATASET, "mean": [125]}, "x: mean is (125.0,), and should be numbers from 0 to 1"),
    ({**DATASET, "std": [60]}, "x: std is (60.0,), and should be numbers above 0, 1 at most"),
    ({**DATASET, "std": [0]}, "x: std is (0.0,), and should be numbers above 0, 1 at most"),
])
def test_mean_and_deviation_are_of_pixels_from_0_to_1(mapping, says):
    with pytest.raises(UserError) as error:
        build(Dataset, mapping, "x")
    assert str(error.value) == says


@pytest.mark.parametrize("name, right", [
    ("a", True), ("k5", True), ("none_strong", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("5", False),
    ("_a", False), ("K5", False), ("a b", False), ("a-b", False), ("a.b", False), ("a/b", False), ("a@b", False), ("a'b", False),
    ('a"b', False), ("$(touch x)", False), ("a;b", False), ("a\n", False), ("\xe9", False), (5, False), (None, False),
    (False, False)])
def test_a_name_is_small_letters_digits_and_underscores(name, right):
    if right:
        check_name(name, "it")
    else:
        with pytest.raises(UserError, match="^it is .*, and should be small letters, digits and underscores, beginning with a "):
            check_name(name, "it")


def test_a_name_that_is_taken_is_refused():
    check_name("rows", "it", ("raw", "code"))
    with pytest.raises(UserError, match="^it is 'raw', which is taken, as are raw, code; choose another name$"):
        check_name("raw", "it", ("raw", "code"))


def test_yaml_that_asks_for_python_objects_is_refused(tmp_path):
    (tmp_path / "evil.yaml").write_text("a: !!python/object/apply:os.system [true]")
    with pytest.raises(UserError, match="evil.yaml, line 1: could not determine a constructor"):
        read_yaml(tmp_path / "evil.yaml")
