"""The networks against torchvision's ResNet with the same weights, on real photographs."""

import pytest
import torch
import torchvision
from torch import nn

from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet, in_batches


def torchvision_state(state):
    """Our parameter names to torchvision's."""
    return {name.replace("shortcut", "downsample"): value for name, value in state.items()}


def test_resnet18_is_torchvisions_with_the_cifar_stem(photos):
    ours = ResNet(3, 64, (2, 2, 2, 2))
    theirs = torchvision.models.resnet18()
    theirs.conv1, theirs.maxpool, theirs.fc = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity(), nn.Identity()
    theirs.load_state_dict(torchvision_state(ours.state_dict()))
    x = photos[:4].to(torch.float32) / 255
    for mode in (True, False):
        assert torch.allclose(ours.train(mode)(x), theirs.train(mode)(x), atol=1e-5)
    assert sum(p.numel() for p in ours.parameters()) == 11_168_832
    assert ours.dim == 512


@pytest.mark.parametrize("name, blocks, block, parameters, dim", [
    ("resnet18", (2, 2, 2, 2), "basic", 11_176_512, 512), ("resnet50", (3, 4, 6, 3), "bottleneck", 23_508_032, 2048)])
def test_the_networks_of_imagenet_are_torchvisions(photos, name, blocks, block, parameters, dim):
    """With the same weights; the numbers of parameters are those of torchvision's documentation without the classifier. float32:
    the sums of 50 layers in another order differ in the sixth digit."""
    ours, theirs = ResNet(3, 64, blocks, stem="imagenet", block=block), getattr(torchvision.models, name)()
    theirs.fc = nn.Identity()
    theirs.load_state_dict(torchvision_state(ours.state_dict()), strict=True)
    assert [*torchvision_state(ours.state_dict())] == [*theirs.state_dict()]
    x = nn.functional.interpolate(photos[::64].to(torch.float32) / 255, size=96)
    with torch.no_grad():
        for mode in (True, False):
            torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in ours.parameters()) == parameters and ours.dim == dim


def test_initial_weights_have_the_spread_of_he_initialisation():
    torch.manual_seed(0)
    weight = ResNet(3, 64, (1, 1)).layer2[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("size, channels", [(8, 1), (12, 1), (33, 3)])
def test_any_size_and_depth(size, channels):
    model = ResNet(channels, 4, (1, 2, 1))
    assert model.dim == 16 and model(torch.zeros(2, channels, size, size)).shape == (2, 16)


def test_contrastive_embeddings_are_unit_vectors(photos):
    model = ContrastiveModel(ResNet(3, 4, (1,)), 16)
    embedded = model(photos[:5].to(torch.float32))
    assert embedded.shape == (5, 16) and torch.allclose(embedded.norm(dim=1), torch.ones(5))


def test_keeping_a_head_keeps_that_head(photos):
    model = ClusteringModel(ResNet(3, 4, (1,)), 10, heads=3).eval()
    x = photos[:4].to(torch.float32)
    expected = model(x)[1]
    model.keep_head(1)
    assert len(model(x)) == 1 and torch.equal(model(x)[0], expected)


def test_in_batches_is_the_whole(photos):
    sizes = []

    def mean(batch):
        sizes.append(len(batch))
        return batch.float().mean((1, 2, 3))

    assert torch.equal(in_batches(mean, photos, 100 * 32 * 32), photos.float().mean((1, 2, 3)))
    assert set(sizes[:-1]) == {100} and sum(sizes) == len(photos)
    sizes.clear()
    in_batches(mean, photos[:3], 1)  # one at least
    assert sizes == [1, 1, 1]
    for side, expected in {12: [1024, 76], 32: [1024, 76], 64: [256, 256, 256, 256, 76]}.items():
        sizes.clear()
        in_batches(mean, torch.zeros(1100, 1, side, side, dtype=torch.uint8))
        assert sizes == expected
