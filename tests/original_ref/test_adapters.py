"""What is put into the authors' code: images, flips and seeds. Their modules are stood in for; theirs are not needed."""

import random
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from original_ref import adapters


@pytest.fixture
def theirs(monkeypatch):
    """Modules of the authors' names: data.cifar and data.stl with an empty class, utils.common_config with a flip of their
    probability."""
    modules = {name: types.ModuleType(name) for name in ("data", "data.cifar", "data.stl", "utils", "utils.common_config")}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.partition(".")
        if child:
            setattr(modules[parent], child, module)
    modules["data.cifar"].CIFAR10, modules["data.stl"].STL10 = type("CIFAR10", (), {}), type("STL10", (), {})
    modules["utils.common_config"].get_train_transformations = lambda p: transforms.Compose(
        [transforms.RandomHorizontalFlip(adapters.AUTHORS_FLIP), transforms.ToTensor()])
    return SimpleNamespace(cifar=modules["data.cifar"], stl=modules["data.stl"], common_config=modules["utils.common_config"])


def test_each_split_has_its_own_images_and_labels(theirs, digits):
    rows = {"train": np.arange(5), "test": np.arange(5, 8)}
    images = digits.permute(0, 2, 3, 1).numpy()
    dataset = SimpleNamespace(classes=["a", "b"], images=lambda split: images[rows[split]],
                              labels=lambda split: rows[split] % 2, facts={})
    adapters.put_in_images(dataset, "cifar-10")
    for train, split in ((True, "train"), (False, "test")):
        put_in = theirs.cifar.CIFAR10(train=train)
        assert (put_in.data == images[rows[split], ..., 0]).all() and put_in.targets == (rows[split] % 2).tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_that_are_kept_whole_are_put_in_for_training(theirs, photos, channels):
    """Their transforms crop them; those of the test split look at the middle alone."""
    whole = [photo[:channels, : 20 + row, :30].permute(1, 2, 0).numpy() for row, photo in enumerate(photos[:5])]
    images = np.stack([photo[:16, :16] for photo in whole])
    dataset = SimpleNamespace(classes=["a"], images=lambda split: images, labels=lambda split: np.zeros(5, int),
                              facts={"whole": True}, photographs=lambda split, whole: whole_of[split, whole])
    whole_of = {("train", True): whole}
    adapters.put_in_images(dataset, "cifar-10")
    put_in = theirs.cifar.CIFAR10(train=True)
    assert len(put_in.data) == 5 and put_in.targets == [0] * 5
    assert [Image.fromarray(put_in.data[row]).size for row in range(5)] == [(30, 20 + row) for row in range(5)]
    assert theirs.cifar.CIFAR10(train=False).data.shape == (5, 16, 16, 3)[: 3 + (channels == 3)]


def test_images_without_labels_follow_the_training_images(theirs, photos):
    rows = {"train": np.arange(5), "test": np.arange(5, 8), "unlabeled": np.arange(8, 12)}
    images = photos.permute(0, 2, 3, 1).numpy()
    dataset = SimpleNamespace(classes=["a", "b"], images=lambda split: images[rows[split]],
                              labels=lambda split: None if split == "unlabeled" else rows[split] % 2)
    adapters.put_in_images(dataset, "stl-10")
    for split, expected in (("train", rows["train"]), ("test", rows["test"]), ("train+unlabeled", [*range(5), *range(8, 12)])):
        put_in = theirs.stl.STL10(split=split)
        assert (put_in.data == photos.numpy()[expected]).all() and len(put_in.labels) == len(expected)
    assert theirs.stl.STL10(split="train").targets == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("flip, rotation", [(0.0, 0), (0.5, 0), (0.25, 15)])
def test_flip_and_rotation_are_those_of_the_settings(theirs, flip, rotation):
    adapters.put_in_augmentations(SimpleNamespace(flip=flip, rotation=rotation))
    composition = theirs.common_config.get_train_transformations({}).transforms
    assert [step.p for step in composition if isinstance(step, transforms.RandomHorizontalFlip)] == [flip]
    assert [step.degrees for step in composition if isinstance(step, transforms.RandomRotation)] == [[-15, 15]] * bool(rotation)


class Draws:
    """A data set whose items are a draw from each generator that the authors' code draws from."""

    def __getitem__(self, index):
        return torch.rand(()).item(), random.random(), np.random.rand()


def test_draws_are_of_their_seed_epoch_and_image_and_come_again():
    def drawn(seed, epoch):
        seeds = adapters.Seeds("scan", seed)
        seeds.begin_epoch(epoch)
        items = adapters.SeededDraws(Draws(), seeds)
        return [items[index] for index in (0, 1, 7)], list(adapters.SeededOrder(20, seeds))

    settings = [("0-0", 0), ("0-0", 1), ("0-1", 0), ("1-0", 0)]
    found = [drawn(*one) for one in settings]
    for generator in range(3):
        values = [item[generator] for items, _ in found for item in items]
        assert len(set(values)) == len(values) == 12
    orders = [tuple(order) for _, order in found]
    assert len(set(orders)) == 4 and all(sorted(order) == list(range(20)) for order in orders)
    assert found == [drawn(*one) for one in settings]
