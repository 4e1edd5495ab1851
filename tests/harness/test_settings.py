"""Settings: a typo, a wrong type or a value out of range is one clear line, never a silent default."""

import pytest

from harness.errors import UserError
from harness.files import read_yaml
from harness.settings import Neighbors, Network, Optimizer, Scan, build

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


def test_yaml_that_asks_for_python_objects_is_refused(tmp_path):
    (tmp_path / "evil.yaml").write_text("a: !!python/object/apply:os.system [true]")
    with pytest.raises(UserError, match="evil.yaml, line 1: could not determine a constructor"):
        read_yaml(tmp_path / "evil.yaml")
