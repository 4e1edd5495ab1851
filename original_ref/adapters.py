"""What is put into the authors' code from outside: this project's images, a small network, seeds. Each replaces one name.

Their imports stand inside functions, so a name can be replaced before the script starts. Where the settings are the authors'
own (the networks of CIFAR-10 and STL-10, their flips), network and augmentations stay theirs.
"""

import random

import numpy as np
import torch
from torch import nn
from torchvision import transforms

from harness.session import derive_seed
from original_ref.config import DATABASES, STL10_SIZE, check_network

AUTHORS_FLIP = 0.5


def put_in_images(dataset, database):
    """Replace the class of `database`, one of config.DATABASES, by one that reads a PreparedDataset, in its order; the rest of
    the class stays theirs."""
    {"cifar-10": put_in_cifar10, "stl-10": put_in_stl10}[database](dataset)


def put_in_cifar10(dataset):
    from data import cifar

    class Prepared(cifar.CIFAR10):
        def __init__(self, root=None, train=True, transform=None, download=False):
            split = "train" if train else "test"
            whole = train and dataset.facts.get("whole", False)
            images = dataset.photographs(split, whole=True) if whole else dataset.images(split)
            if isinstance(images, np.ndarray):
                self.data = np.array(images[..., 0] if images.shape[3] == 1 else images)
            else:
                self.data = ReadOneByOne(images)
            self.targets = targets(dataset, split)
            self.classes, self.train, self.transform = list(dataset.classes) or ["none"], train, transform

    cifar.CIFAR10 = Prepared


class ReadOneByOne:
    """Photographs, or images that are decoded whenever they are asked for, in their form: gray ones without channels."""

    def __init__(self, photographs):
        self.photographs = photographs

    def __len__(self):
        return len(self.photographs)

    def __getitem__(self, row):
        photograph = self.photographs[row]
        return photograph[..., 0] if photograph.shape[2] == 1 else photograph


def put_in_stl10(dataset):
    from data import stl

    class Prepared(stl.STL10):
        def __init__(self, split="train", transform=None, download=False):
            splits = split.split("+")
            self.data = np.concatenate([dataset.images(part) for part in splits]).transpose(0, 3, 1, 2)
            self.labels = self.targets = sum((targets(dataset, part) for part in splits), [])
            self.classes, self.split, self.transform = list(dataset.classes) or ["none"], split, transform

    stl.STL10 = Prepared


def targets(dataset, split):
    """The labels of a split as whole numbers, which their code cannot do without: zeros where there are none."""
    labels = dataset.labels(split)
    return [0] * len(dataset.images(split)) if labels is None else labels.tolist()


def put_in_network(network, shape, database):
    """Replace their ResNet-18 where it is not the one that is asked for, by one that is built of their blocks.

    Args: shape: height, width and channels of the images; database: one of config.DATABASES.
    """
    height, _, channels = shape
    check_network(network)
    if channels == 3 and network == DATABASES[database] and (database != "stl-10" or height == STL10_SIZE):
        return
    from models import resnet_cifar, resnet_stl
    from utils import common_config, evaluate_utils

    dim = network.width * 2 ** (len(network.blocks) - 1)
    resnet_cifar.resnet18 = resnet_stl.resnet18 = lambda: {
        "backbone": backbone(network.width, network.blocks, channels, network.pool), "dim": dim}
    common_config.get_feature_dimensions_backbone = evaluate_utils.get_feature_dimensions_backbone = lambda p: dim


def backbone(width, blocks, channels, pool=False):
    """A ResNet of the authors' basic blocks with their names and initial weights, of any width and depth."""
    from models.resnet_cifar import BasicBlock

    layers = {"conv1": nn.Conv2d(channels, width, 3, padding=1, bias=False), "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU()}
    if pool:
        layers["pool"] = nn.MaxPool2d(2, padding=1)
    before = width
    for stage, count in enumerate(blocks):
        after = width * 2**stage
        strides = [1 if stage == 0 else 2] + [1] * (count - 1)
        planes = [before] + [after] * (count - 1)
        layers[f"layer{stage + 1}"] = nn.Sequential(*(BasicBlock(p, after, s) for p, s in zip(planes, strides)))
        before = after
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    module.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    module.add_module("flatten", nn.Flatten())
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return module


def put_in_augmentations(settings):
    """Give their composition another flip probability, and a rotation before it, where the settings ask for that."""
    from utils import common_config

    flip, rotation = settings.flip, getattr(settings, "rotation", 0)
    if flip == AUTHORS_FLIP and not rotation:
        return
    theirs = common_config.get_train_transformations

    def get_train_transformations(p):
        composition = theirs(p)
        for transform in composition.transforms:
            if isinstance(transform, transforms.RandomHorizontalFlip):
                transform.p = flip
        if rotation:
            composition.transforms.insert(0, transforms.RandomRotation(rotation))
        return composition

    common_config.get_train_transformations = get_train_transformations


class Seeds:
    """Seeds per epoch and image, so that neither a restart nor the number of loading processes changes a draw."""

    def __init__(self, stage, seed):
        self.stage, self.seed, self.base = stage, seed, 0

    def begin_epoch(self, epoch):
        self.base = derive_seed(f"{self.stage} epoch {epoch}", self.seed)

    def put_in(self):
        """Replace their get_train_dataloader by one with a seeded order and seeded draws."""
        from utils import common_config

        theirs = common_config.get_train_dataloader

        def get_train_dataloader(p, dataset):
            loader = theirs(p, SeededDraws(dataset, self))
            return torch.utils.data.DataLoader(
                loader.dataset, batch_size=loader.batch_size, num_workers=loader.num_workers, collate_fn=loader.collate_fn,
                pin_memory=torch.cuda.is_available(), drop_last=loader.drop_last, sampler=SeededOrder(len(dataset), self))

        common_config.get_train_dataloader = get_train_dataloader


class SeededOrder(torch.utils.data.Sampler):
    def __init__(self, count, seeds):
        self.count, self.seeds = count, seeds

    def __iter__(self):
        yield from torch.randperm(self.count, generator=torch.Generator().manual_seed(self.seeds.base)).tolist()

    def __len__(self):
        return self.count


class SeededDraws(torch.utils.data.Dataset):
    """Draws come from torch (crop, flip, colours), random (operations, Cutout's length) and NumPy (neighbor, Cutout's place)."""

    def __init__(self, dataset, seeds):
        self.dataset, self.seeds = dataset, seeds

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        seed = (self.seeds.base + 1 + index) % 2**63
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        return self.dataset[index]
