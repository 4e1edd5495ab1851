"""The prepared form of a data set, the stage that makes it, and the sources that it can come from.

Prepared, a data set is a folder `data/<name>/` with

    {train,test}_images.npy   uint8 [n, height, width, channels], memory-mapped when read; channels 1 or 3 (RGB)
    {train,test}_labels.npy   int64 [n]; read by the evaluation alone, never by anything that trains
    dataset.json              class names, sizes, source

Both implementations read the same images in the same order.

A new source is a function here, named in SOURCES, from `settings.Dataset` to `Raw`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from sklearn.datasets import load_digits

from harness.errors import UserError
from harness.files import existing, read_json, read_npy, write_json, write_npy
from harness.settings import Dataset

SPLITS = ("train", "test")
INPUTS = ()


@dataclass(frozen=True)
class Raw:
    """images: per split, uint8 [n, h, w, c]; labels: per split, int64 [n]; classes: their names."""

    images: dict
    labels: dict
    classes: list


def digits(settings):
    """scikit-learn's 1,797 handwritten digits, 8x8 with 17 gray levels; every fifth of a fixed shuffle is tested on.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    bunch = load_digits()
    images = np.rint(bunch.images[..., None] * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    held_out = np.zeros(len(images), bool)
    held_out[order[::5]] = True
    parts = {"train": np.flatnonzero(~held_out), "test": np.flatnonzero(held_out)}
    return Raw(
        images={split: images[rows] for split, rows in parts.items()},
        labels={split: bunch.target[rows].astype(np.int64) for split, rows in parts.items()},
        classes=[str(name) for name in bunch.target_names],
    )


def cifar10(settings):
    """CIFAR-10 as torchvision downloads and verifies it, in the official order."""
    from torchvision.datasets import CIFAR10

    try:
        parts = {split: CIFAR10(settings.root, train=split == "train", download=True) for split in SPLITS}
    except (OSError, RuntimeError) as error:
        raise UserError(f"CIFAR-10 could not be had for {settings.root} ({error}): "
                        "put cifar-10-python.tar.gz there, or use the source 'folder'") from None
    return Raw(
        images={split: part.data for split, part in parts.items()},
        labels={split: np.asarray(part.targets, np.int64) for split, part in parts.items()},
        classes=parts["train"].classes,
    )


def folder(settings):
    """Any images in `<root>/{train,test}/<class>/<file>`, in the order of class and file name; gray stays gray."""
    images, labels, classes = {}, {}, None
    for split in SPLITS:
        root = existing(Path(settings.root) / split, "you: <root>/{train,test}/<class>/<file>")
        names = sorted(path.name for path in root.iterdir() if path.is_dir())
        if not names or (classes is not None and names != classes):
            raise UserError(f"{root} should hold one folder per class, the same ones in train and test, not {names}")
        classes = names
        files = [(file, label) for label, name in enumerate(names) for file in sorted((root / name).iterdir())]
        images[split] = _stack([(_read_image(file, settings), file) for file, _ in files], root)
        labels[split] = np.array([label for _, label in files], np.int64)
    return Raw(images, labels, classes)


SOURCES = {"digits": digits, "cifar10": cifar10, "folder": folder}


def _read_image(file, settings):
    try:
        with Image.open(file) as image:
            return np.atleast_3d(np.asarray(image.convert("L" if len(settings.mean) == 1 else "RGB")))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else f"not a whole image: {error}"
        raise UserError(f"{file} is {reason}; remove it or put an image there") from None


def _stack(images_and_files, root):
    if not images_and_files:
        raise UserError(f"{root} holds no image")
    shape = images_and_files[0][0].shape
    for image, file in images_and_files:
        if image.shape != shape:
            raise UserError(f"{file} is {image.shape[1]}x{image.shape[0]} pixels where the first image of {root} has "
                            f"{shape[1]}x{shape[0]}: give them one size")
    return np.stack([image for image, _ in images_and_files])


def resize(images, size):
    """Images uint8 [n, h, w, c] at size x size pixels, bilinear (Pillow's, so with antialiasing); 0 keeps them."""
    if size == 0 or images.shape[1:3] == (size, size):
        return images
    channels = [
        np.stack([np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR))
                  for plane in images[..., channel]])
        for channel in range(images.shape[3])
    ]
    return np.stack(channels, axis=-1)


def prepare(settings):
    """The data set that `settings` describe, as `Raw` at its final size. Raises UserError where they do not fit."""
    if settings.source not in SOURCES:
        raise UserError(f"the dataset source is '{settings.source}', and should be one of {', '.join(SOURCES)}")
    raw = SOURCES[settings.source](settings)
    images = {split: np.ascontiguousarray(resize(raw.images[split], settings.size)) for split in SPLITS}
    for split in SPLITS:
        height, width = images[split].shape[1:3]
        if height != width or images[split].shape != (len(images[split]), *images["train"].shape[1:]):
            raise UserError(f"the {split} images are {width}x{height} pixels, and should be square and of one size in train "
                            "and test: set dataset.size")
    channels = images["train"].shape[3]
    if channels != len(settings.mean):
        raise UserError(f"the images have {channels} channel(s), but dataset.mean has {len(settings.mean)} number(s)")
    return Raw(images, raw.labels, raw.classes)


def run(cell, inputs, out):
    """The stage `python -m harness dataset`."""
    settings = cell.settings("dataset", Dataset)
    prepared = prepare(settings)
    for split in SPLITS:
        write_npy(out / f"{split}_images.npy", prepared.images[split])
        write_npy(out / f"{split}_labels.npy", prepared.labels[split])
    write_json(out / "dataset.json", {
        "name": cell.dataset,
        "source": settings.source,
        "classes": list(prepared.classes),
        "images": {split: len(prepared.images[split]) for split in SPLITS},
        "shape": list(prepared.images["train"].shape[1:]),
    })


class PreparedDataset:
    """A prepared data set, read lazily."""

    def __init__(self, root):
        self.root = Path(root)
        existing(self.root / "dataset.json", "dvc repro dataset")
        self.facts = read_json(self.root / "dataset.json")
        self.classes = self.facts["classes"]

    def images(self, split):
        """uint8 [n, h, w, c], memory-mapped."""
        return read_npy(self.root / f"{split}_images.npy", memory_map=True)

    def labels(self, split):
        """int64 [n]. For evaluation only."""
        return read_npy(self.root / f"{split}_labels.npy")
