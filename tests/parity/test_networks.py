"""The networks: the same names and shapes, so that weights are carried over either way, and the same outputs."""

import pytest
import torch

from original_ref.adapters import backbone
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet


def pairs(reference):
    """(theirs, ours) of the CIFAR network with each head, of STL-10's, and of small ones."""
    theirs, ours = reference.models, lambda: ResNet(3, 64, (2, 2, 2, 2))
    resnet18 = reference.resnet_cifar.resnet18
    return {
        "backbone": (resnet18()["backbone"], ours()),
        "contrastive": (theirs.ContrastiveModel(resnet18()), ContrastiveModel(ours(), 128)),
        "clustering": (theirs.ClusteringModel(resnet18(), 10, 3), ClusteringModel(ours(), 10, 3)),
        "stl10": (reference.resnet_stl.resnet18()["backbone"], ResNet(3, 64, (2, 2, 2, 2), pool=True)),
        "small": (backbone(8, (1, 2, 1), 1), ResNet(1, 8, (1, 2, 1))),
    }


def outputs(model, images):
    found = model(images)
    return torch.stack(found) if isinstance(found, list) else found


@pytest.mark.parametrize("name", ["backbone", "contrastive", "clustering", "stl10", "small"])
@pytest.mark.parametrize("training", [False, True])
def test_weights_are_carried_over_either_way_and_outputs_are_equal(reference, photos, name, training):
    theirs, ours = pairs(reference)[name]
    images = photos[:8].to(torch.float32) / 255
    images = images[:, :1] if name == "small" else images
    images = images[:2].repeat_interleave(3, 2).repeat_interleave(3, 3) if name == "stl10" else images  # its own size alone
    for source, target in ((theirs, ours), (ours, theirs)):
        target.load_state_dict(source.state_dict(), strict=True)
        source.train(training)
        target.train(training)
        with torch.no_grad():
            torch.testing.assert_close(outputs(target, images), outputs(source, images), rtol=1e-5, atol=1e-5)


def test_the_initial_weights_are_drawn_alike(reference):
    """The same seed gives the same network, in both: as many draws, of the same distributions, in the same order."""
    torch.manual_seed(0)
    theirs = reference.models.ClusteringModel(reference.resnet_cifar.resnet18(), 10, 1).state_dict()
    torch.manual_seed(0)
    ours = ClusteringModel(ResNet(3, 64, (2, 2, 2, 2)), 10, 1).state_dict()
    assert theirs.keys() == ours.keys()
    differ = [name for name in ours if not torch.equal(theirs[name], ours[name])]
    assert not differ
