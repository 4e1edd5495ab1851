"""The baselines that reconstruct, generate or compare images: the loss of each by hand, or by torch.distributions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import distributions, nn

from reimpl.baselines import aevb, gan, sae, swwae, triplets
from reimpl.networks import ResNet
from reimpl.train.batch import Batch
from tests.reimpl.test_baselines import TRAINING, backbone, batch

SHAPE = (64, 1, 8, 8)


@pytest.fixture
def images(digits):
    """float32 [64, 1, 8, 8]."""
    return digits[:64].float() / 255


def settings(module, **own):
    return module.Settings(clusters=4, training=TRAINING, augmentation="none", restarts=1, **own)


def test_a_sparse_code_is_penalised_as_coins_that_should_fall_otherwise(images):
    """Against torch's own divergence of two coins, a sum over units; their means are those of the batch."""
    task = sae.Task(settings(sae, activity=0.05, sparsity=0.5), (), SHAPE)
    model = task.network(backbone())
    found = task.loss(model, batch([images]), None)
    codes = task.embed(model, images)
    assert codes.shape == (64, 16) and 0 < codes.min() < codes.max() < 1
    means = torch.stack([codes[:, unit].sum() / 64 for unit in range(16)])
    coins = distributions.kl_divergence(distributions.Bernoulli(torch.tensor(0.05)), distributions.Bernoulli(means))
    torch.testing.assert_close(found["penalty"], coins.sum())
    square = (model(images) - images).square().sum() / images.numel()
    torch.testing.assert_close(found["loss"], square + 0.5 * coins.sum())
    assert sae.divergence(0.05, torch.full((3,), 0.05)).item() == pytest.approx(0, abs=1e-7)


def test_the_bound_is_that_of_torchs_distributions(images, generator):
    """Minus the logarithm of the pixels' density, less its constant, and the divergence of the code's distribution."""
    task = aevb.Task(settings(aevb, dim=5, variance=0.3), (), SHAPE)
    model, drawn = task.network(backbone()), task.draw(torch.arange(64), generator)
    found = task.loss(model, batch([images], drawn), None)
    features = model.backbone(images)
    coded = distributions.Normal(model.mean(features), torch.sqrt(model.log_variance(features).exp()))
    codes = coded.mean + coded.stddev * drawn["normal"]
    pixels = distributions.Normal(model.decoder(codes), 0.3**0.5)
    constant = 64 * np.log(2 * np.pi * 0.3) / 2
    missed = -pixels.log_prob(images).sum((1, 2, 3)) - constant
    apart = distributions.kl_divergence(coded, distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(found["divergence"], apart.mean())
    torch.testing.assert_close(found["loss"], (missed + apart).mean(), rtol=1e-5, atol=1e-4)  # of sums of 64 pixels, near 100
    torch.testing.assert_close(task.embed(model, images), coded.mean)


def test_codes_are_drawn_from_a_standard_normal_distribution(generator):
    drawn = aevb.Task(settings(aevb, dim=50, variance=1.0), (), SHAPE).draw(torch.arange(200), generator)["normal"]
    assert drawn.shape == (200, 50)
    assert drawn.mean().item() == pytest.approx(0, abs=0.04) and drawn.std().item() == pytest.approx(1, abs=0.03)  # 4 deviations


def test_what_was_pooled_is_put_where_it_stood(photos):
    """Pixel by pixel: the largest of each window stays, and all else is 0."""
    pictures = photos[:2].float()
    what, where = F.max_pool2d(pictures, 2, return_indices=True)
    expected = torch.zeros_like(pictures)
    for n, c, row, column in np.ndindex(2, 3, 16, 16):
        window = pictures[n, c, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        down, right = divmod(window.flatten().argmax().item(), 2)
        expected[n, c, 2 * row + down, 2 * column + right] = window.max()
    assert torch.equal(swwae.unpool(what, where, pictures.shape), expected)


@pytest.mark.parametrize("side, pool", [(8, False), (13, False), (13, True)])
def test_a_what_where_autoencoder_learns_the_image_and_each_pooled_map(side, pool, generator):
    """Written out for three stages, by torch's own unpooling."""
    torch.manual_seed(0)
    body, images = ResNet(1, 8, (1, 1, 1), pool), torch.rand(16, 1, side, side, generator=generator)
    task = swwae.Task(settings(swwae, intermediate=0.3), (), (16, 1, side, side))
    model = task.network(body)
    found = task.loss(model, batch([images]), None)
    maps, kept = F.relu(body.bn1(body.conv1(images))), []
    for stage, layer in enumerate((body.layer1, body.layer2, body.layer3)):
        if stage or pool:
            size = maps.shape[2:]
            maps, where = F.max_pool2d(maps, 2, return_indices=True)
            kept.append((maps, where, size))
        maps = layer(maps)
    codes = maps.mean((2, 3))
    assert maps.shape[2:] == kept[-1][0].shape[2:] and len(kept) == 2 + pool
    made, between = model.spread(codes).relu().view(maps.shape), 0.0
    for layer, (what, where, size) in zip(model.layers, reversed(kept)):
        made = layer(made)
        between = between + (made - what).square().sum() / what.numel()
        made = F.max_unpool2d(made, where, 2, output_size=size)
    square = (model.out(made) - images).square().sum() / images.numel()
    torch.testing.assert_close(found["intermediate"], between)
    torch.testing.assert_close(found["loss"], square + 0.3 * between)
    torch.testing.assert_close(task.embed(model, images), codes)


def test_of_a_gan_each_network_learns_by_its_own_loss_alone(images, generator):
    """By torch's cross-entropy with labels, and the gradient of each loss for its own network."""
    task = gan.Task(settings(gan, dim=7), (), SHAPE)
    model, drawn = task.network(backbone()), task.draw(torch.arange(64), generator)
    assert drawn["normal"].shape == (64, 7)
    found = task.loss(model, batch([images], drawn), None)
    found["loss"].backward()
    made = model.generator(drawn["normal"])
    real, fake = model(images), model(made)
    yes, no = torch.ones(64), torch.zeros(64)
    discriminator = F.binary_cross_entropy_with_logits(real, yes) + F.binary_cross_entropy_with_logits(fake, no)
    fooled = F.binary_cross_entropy_with_logits(fake, yes)
    torch.testing.assert_close(found["discriminator"], discriminator)
    torch.testing.assert_close(found["generator"], fooled)
    judges = [*model.backbone.parameters(), *model.real.parameters()]
    makers = list(model.generator.parameters())
    for weights, loss in ((judges, discriminator), (makers, fooled)):
        expected = torch.autograd.grad(loss, weights, retain_graph=True)
        # Two orders of the same sums: gradients of biases before BatchNorm are 0 but for rounding.
        torch.testing.assert_close([weight.grad for weight in weights], list(expected), rtol=1e-3, atol=1e-6)


def test_the_features_of_a_gan_are_the_largest_of_each_stage_in_sixteen_places(images):
    """Of maps of 8 x 8 the largest in each 2 x 2, and those of 4 x 4 as they are, in the order of stages and channels."""
    task = gan.Task(settings(gan, dim=7), (), SHAPE)
    model, seen = task.network(backbone()).eval(), []
    for layer in (model.backbone.layer1, model.backbone.layer2):
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    found = task.embed(model, images[:3])
    first, second = seen
    expected = torch.stack([torch.cat([
        torch.stack([first[n, c, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max()
                     for c in range(8) for row in range(4) for column in range(4)]), second[n].flatten()]) for n in range(3)])
    assert torch.equal(found, expected) and found.shape == (3, 16 * (8 + 16))


def test_triplets_by_hand(generator):
    """One after another: the augmentation of each image against the next image."""
    images, positives = F.normalize(torch.randn(2, 6, 3, generator=generator, dtype=torch.float64), dim=2)
    lost = []
    for one in range(6):
        near = sum((a - b) ** 2 for a, b in zip(images[one].tolist(), positives[one].tolist()))
        far = sum((a - b) ** 2 for a, b in zip(images[one].tolist(), images[(one + 1) % 6].tolist()))
        lost.append(max(0.0, near - far + 0.4))
    assert 0 < sum(loss == 0 for loss in lost) < 6
    assert triplets.hinge(images, positives, 0.4).item() == pytest.approx(sum(lost) / 6)


def test_of_triplets_the_first_view_is_the_image(images):
    task = triplets.Task(settings(triplets, first_augmentation="none", dim=9, margin=0.4), (), SHAPE)
    model = task.network(backbone())
    found = task.loss(model, Batch((images[:32], images[32:]), {}, torch.arange(32)), None)["loss"]
    embedded = model(images)
    torch.testing.assert_close(found, triplets.hinge(embedded[:32], embedded[32:], 0.4))
    assert isinstance(model.backbone, nn.Module) and embedded.shape == (64, 9)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(64))
