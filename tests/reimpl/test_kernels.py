"""How many kernels an augmentation takes on a GPU, which a step takes the longer for the more there are."""

from types import SimpleNamespace

import pytest
import torch

from harness import ROOT
from harness.files import read_yaml
from harness.sections import Sections, read_augmentation
from reimpl.augment import make_augmentation
from reimpl.augmentation import kernels
from reimpl.operations import Kernels


def test_kernels_by_hand():
    """A sum, a product in place, and a copy; views and memory cost none."""
    numbers = torch.ones(4, 3)
    with Kernels() as counter:
        torch.empty(4).view(2, 2)
        (numbers.T[:2] + 1).mul_(2).clone()
    assert counter.count == 3


@pytest.mark.parametrize("kind, most", [("none", 5), ("standard", 35), ("simclr", 150), ("strong", 200)])
def test_an_augmentation_takes_few_kernels(photos, generator, kind, most):
    """At CIFAR-10's settings. By operations one after another they were 5, 55, 598 and 815."""
    file = ROOT / "params/cifar10.yaml"
    settings = read_augmentation(kind, Sections(read_yaml(file), file), f"augmentation.{kind}")
    augment = make_augmentation(settings, SimpleNamespace(mean=(0.5,) * 3, std=(0.2,) * 3, whole=False))
    assert kernels(augment, photos, generator) <= most
