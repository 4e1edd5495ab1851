"""Weights in the form that MoCo publishes them, out of torchvision, come into our backbone and give torchvision's features."""

import pytest
import torch
import torchvision
from torch import nn

from harness import weights
from harness.errors import UserError
from harness.import_weights import import_weights
from harness.settings import Network
from reimpl.networks import make_backbone
from reimpl.tasks.imported import Settings, Task

RESNET18 = Network(64, (2, 2, 2, 2), stem="imagenet")


@pytest.fixture
def published():
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    for name, value in model.named_buffers():
        if "running" in name:
            value.uniform_(0.5, 1.5)
    return model.eval()


def as_moco(model):
    """A checkpoint of facebookresearch/moco, main_moco.py: the classifier is a head of two layers by the name of fc."""
    state = {f"module.encoder_q.{name}": value for name, value in model.state_dict().items() if not name.startswith("fc.")}
    state |= {f"module.encoder_q.fc.{layer}.{kind}": torch.zeros(1) for layer in (0, 2) for kind in ("weight", "bias")}
    state |= {f"module.{name}": torch.zeros(1) for name in ("encoder_k.conv1.weight", "queue", "queue_ptr")}
    return {"epoch": 800, "arch": "resnet18", "state_dict": state, "optimizer": {"param_groups": [{"lr": 0.03}]}}


@pytest.mark.parametrize("form", [as_moco, lambda model: model.state_dict(), lambda model: {"state_dict": model.state_dict()}])
def test_published_weights_give_their_own_features(published, form, tmp_path, photos, capsys):
    torch.save(form(published), tmp_path / "theirs.pth.tar")
    import_weights(tmp_path / "theirs.pth.tar", tmp_path / "ours.pt")
    assert "network: {width: 64, blocks: [2, 2, 2, 2], stem: imagenet}" in capsys.readouterr().out
    task = Task(Settings(str(tmp_path / "ours.pt")))
    model = task.network(make_backbone(RESNET18, 3)).eval()
    assert list(task.fill(model)) == [str(tmp_path / "ours.pt")]
    published.fc = nn.Identity()
    images = photos[:4].to(torch.float32) / 255
    with torch.no_grad():  # float32: sums of 18 layers in another order
        expected = nn.functional.normalize(published(images), dim=1)
        torch.testing.assert_close(task.embed(model, images), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spoil, says", [
    (lambda state: state.pop("module.encoder_q.bn1.bias"), "from the nearest, resnet18, it differs in 1 weights, bn1.bias say"),
    (lambda state: state.update({"module.encoder_q.conv1.weight": torch.zeros(64, 3, 3, 3)}), "in 1 weights, conv1.weight say"),
    (lambda state: state.clear(), "has no backbone that is known here"),
])
def test_weights_of_something_else_are_refused_in_one_line(published, spoil, says, tmp_path):
    found = as_moco(published)
    spoil(found["state_dict"])
    torch.save(found, tmp_path / "theirs.pth.tar")
    with pytest.raises(UserError, match=says):
        import_weights(tmp_path / "theirs.pth.tar", tmp_path / "ours.pt")
    assert not (tmp_path / "ours.pt").exists()


def test_nothing_is_unpickled_and_another_network_is_named(published, tmp_path):
    torch.save({"state_dict": published}, tmp_path / "pickled.pt")
    with pytest.raises(UserError, match="pickled.pt is truncated or no file of weights"):
        import_weights(tmp_path / "pickled.pt", tmp_path / "ours.pt")
    with pytest.raises(UserError, match="nowhere.pt is missing"):
        import_weights(tmp_path / "nowhere.pt", tmp_path / "ours.pt")
    weights.save(tmp_path / "ours.pt", {"conv1.weight": torch.zeros(1)})
    task = Task(Settings(str(tmp_path / "ours.pt")))
    with pytest.raises(UserError, match="ours.pt holds the weights of another network .*: set `network` to what its import said"):
        task.fill(task.network(make_backbone(RESNET18, 3)))
