"""Where the images of a data set can come from.

A new source is a function here, named in SOURCES, from `settings.Dataset` to `Raw`.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.image_files import middle, read_photograph, scaled

SPLITS = ("train", "test")
"""Those that every data set has: clusters are found on the first, and scored on the second."""
UNLABELED = "unlabeled"
"""A third one, which a data set may have: more images for the pretext task to learn from, and for nothing else."""
PIECE = 1000  # images in memory at a time


@dataclass(frozen=True)
class Images:
    """The images of a split, read when asked for: `read` takes int64 [m] rows to uint8 [m, h, w, c]; shape is of them all; names
    are those of their files, where there are such. Of photographs, `read_whole` takes rows to a list of uint8 [h, w, c], and the
    images are their middles."""

    shape: tuple
    read: Callable
    names: tuple = ()
    read_whole: Callable | None = None

    def __len__(self):
        return self.shape[0]

    def pieces(self):
        """All images in order, uint8 [m, h, w, c] at a time."""
        return map(self.read, self._rows())

    def photographs(self):
        """All photographs in order, a list of uint8 [h, w, c] at a time."""
        return map(self.read_whole, self._rows())

    def _rows(self):
        return (np.arange(start, min(start + PIECE, len(self))) for start in range(0, len(self), PIECE))

    def of(self, rows):
        """Those at int64 [m] rows."""
        names = tuple(self.names[row] for row in rows) if self.names else ()
        return Images((len(rows), *self.shape[1:]), lambda picked: self.read(rows[picked]), names,
                      self.read_whole and (lambda picked: self.read_whole(rows[picked])))

    def resized(self, size):
        """Those at size x size pixels."""
        if self.shape[1:3] == (size, size):
            return self
        return Images((len(self), size, size, self.shape[3]),
                      lambda picked: np.stack([middle(scaled(image, size), size) for image in self.read(picked)]), self.names)


@dataclass(frozen=True)
class Raw:
    """images: Images by split, SPLITS and perhaps UNLABELED; labels: int64 [n] alike, None where there are none; classes: their
    names."""

    images: dict
    labels: dict
    classes: list


def in_memory(array):
    """The Images that uint8 [n, h, w, c] holds."""
    return Images(array.shape, array.__getitem__)


def digits(settings):
    """scikit-learn's 1,797 handwritten digits, 8x8 with 17 gray levels; every fifth of a fixed shuffle is tested on.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images[..., None] * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    held_out = np.zeros(len(images), bool)
    held_out[order[::5]] = True
    parts = {"train": np.flatnonzero(~held_out), "test": np.flatnonzero(held_out)}
    return Raw(
        images={split: in_memory(images[rows]) for split, rows in parts.items()},
        labels={split: bunch.target[rows].astype(np.int64) for split, rows in parts.items()},
        classes=[str(name) for name in bunch.target_names],
    )


def cifar10(settings):
    """CIFAR-10 as torchvision downloads and verifies it, in the official order."""
    from torchvision.datasets import CIFAR10

    return _cifar(CIFAR10, "CIFAR-10", settings)


def cifar100(settings):
    """CIFAR-100 as torchvision downloads and verifies it, in the official order.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    from torchvision.datasets import CIFAR100

    return _cifar(CIFAR100, "CIFAR-100", settings)


def _cifar(kind, name, settings):
    parts = _downloaded(kind, name, settings.root, {split: {"train": split == "train"} for split in SPLITS})
    return Raw(
        images={split: in_memory(part.data) for split, part in parts.items()},
        labels={split: np.asarray(part.targets, np.int64) for split, part in parts.items()},
        classes=list(parts["train"].classes),
    )


def cifar20(settings):
    """The same with the 20 superclasses of CIFAR-100 for classes, which torchvision does not read."""
    from torchvision.datasets import CIFAR100

    raw = cifar100(settings)

    def coarse(name, key):
        with open(Path(settings.root) / CIFAR100.base_folder / name, "rb") as file:
            return pickle.load(file, encoding="latin1")[key]  # whose checksum torchvision has just verified

    files = {"train": CIFAR100.train_list[0][0], "test": CIFAR100.test_list[0][0]}
    return Raw(raw.images, {split: np.asarray(coarse(name, "coarse_labels"), np.int64) for split, name in files.items()},
               list(coarse(CIFAR100.meta["filename"], "coarse_label_names")))


def stl10(settings):
    """STL-10 as torchvision downloads and verifies it, in the official order.

    Source: A. Coates, H. Lee and A. Y. Ng, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, 2011.
    """
    from torchvision.datasets import STL10

    parts = _downloaded(STL10, "STL-10", settings.root, {split: {"split": split} for split in (*SPLITS, UNLABELED)})
    names = Path(settings.root) / STL10.base_folder / STL10.class_names_file
    if not names.is_file():  # which torchvision does not verify
        raise UserError(f"{names} is missing: unpack {STL10.filename} there once more")
    return Raw(
        images={split: in_memory(part.data.transpose(0, 2, 3, 1)) for split, part in parts.items()},  # a view: no second copy
        labels={split: parts[split].labels.astype(np.int64) for split in SPLITS} | {UNLABELED: None},
        classes=list(parts["train"].classes),
    )


def _downloaded(kind, name, root, splits):
    """torchvision's class `kind`, read for each of `splits`, its arguments by their names."""
    try:
        return {split: kind(root, download=True, **arguments) for split, arguments in splits.items()}
    except (OSError, RuntimeError) as error:
        raise UserError(f"{name} could not be downloaded to {root} ({error}): put {kind.filename} there, or use the source "
                        "'folder'") from None


def folder(settings):
    """Images in `<root>/{train,test}/<class>/<file>`, in the order of class and file name; `val` will do for `test`.

    Where a split holds images and no folders, it has no labels. Where no training image has one and there is no `test`, the
    training images are looked at again as the test images.
    """
    root = Path(settings.root)
    folders = {"train": root / "train", "test": root / "test" if (root / "test").exists() else root / "val"}
    images, labels, classes = {}, {}, []
    for split, place in folders.items():
        if split == "test" and not classes and not place.exists():
            images[split], labels[split] = images["train"], None
            continue
        if not place.is_dir():
            raise UserError(f"dataset.root: {root / split} is {'no folder' if place.exists() else 'missing'}; images lie in "
                            "<root>/{train,test}/<class>/<file>, or in <root>/{train,test}/<file> without labels")
        entries = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        names = [path.name for path in entries if path.is_dir()]
        if names and len(names) < len(entries):
            raise UserError(f"{place} holds both folders and files: it should hold a folder for each class, or images alone")
        if names and classes and names != classes:
            raise UserError(f"{place} should hold one folder per class, the same ones in train and test, not {names}")
        classes = names or classes
        files = [(file, label) for label, name in enumerate(names) for file in sorted((place / name).iterdir())
                 if not file.name.startswith(".")]
        labels[split] = np.array([label for _, label in files], np.int64) if names else None
        images[split] = _files([file for file, _ in files] if names else entries, place, settings)
    return Raw(images, labels, classes)


SOURCES = {"digits": digits, "cifar10": cifar10, "cifar20": cifar20, "cifar100": cifar100, "stl10": stl10, "folder": folder}
DOWNLOADED = {"cifar10": SPLITS, "cifar20": SPLITS, "cifar100": SPLITS, "stl10": (*SPLITS, UNLABELED)}
"""The splits of those that are downloaded, which are so known beforehand."""


def find_source(name):
    """The function that reads the images of a source."""
    if name not in SOURCES:
        raise UserError(f"the dataset source is '{name}', and should be one of {', '.join(SOURCES)}")
    return SOURCES[name]


def _files(files, place, settings):
    """The Images in a list of files, all of the first one's size, or of dataset.size where that is set."""
    if not files:
        raise UserError(f"{place} holds no image")
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is no regular file; remove it or put an image there")

    photograph = partial(read_photograph, channels=settings.channels, cmyk=settings.cmyk,
                         shorter=settings.shorter or settings.size)

    def read(file):
        image = photograph(file)
        return middle(image, settings.size) if settings.size else image

    def whole(rows):
        return [photograph(files[row]) for row in rows]

    shape = read(files[0]).shape

    def read_all(rows):
        images = np.empty((len(rows), *shape), np.uint8)
        for index, row in enumerate(rows):
            image = read(files[row])
            if image.shape != shape:
                raise UserError(f"{files[row]} is {image.shape[1]}x{image.shape[0]} pixels where the first image of {place} has "
                                f"{shape[1]}x{shape[0]}: give them one size, or set dataset.size")
            images[index] = image
        return images

    return Images((len(files), *shape), read_all, tuple(file.relative_to(settings.root).as_posix() for file in files),
                  whole if settings.whole or not settings.cached else None)
