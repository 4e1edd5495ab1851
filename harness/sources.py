"""Where the images of a data set can come from.

A new source is a function here, named in SOURCES, from `settings.Dataset` to `Raw`.
"""

import pickle
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.errors import UserError

SPLITS = ("train", "test")
"""Those that every data set has: clusters are found on the first, and scored on the second."""
UNLABELED = "unlabeled"
"""A third one, which a data set may have: more images for the pretext task to learn from, and for nothing else."""
PIECE = 1000  # images in memory at a time
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # of the others Pillow tells not how many bits a channel has
MODES = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")  # which are gray or RGB of 8 bits at most, some with transparency
BITS_PER_SAMPLE = 258  # a tag of TIFF


@dataclass(frozen=True)
class Images:
    """The images of a split, read when asked for: `read` takes int64 [m] rows to uint8 [m, h, w, c]; shape is of them all."""

    shape: tuple
    read: Callable

    def __len__(self):
        return self.shape[0]

    def pieces(self):
        """All images in order, uint8 [m, h, w, c] at a time."""
        for start in range(0, len(self), PIECE):
            yield self.read(np.arange(start, min(start + PIECE, len(self))))

    def of(self, rows):
        """Those at int64 [m] rows."""
        return Images((len(rows), *self.shape[1:]), lambda picked: self.read(rows[picked]))

    def resized(self, size):
        """Those at size x size pixels."""
        return Images((len(self), size, size, self.shape[3]), lambda picked: resize(self.read(picked), size))


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
        raise UserError(f"{name} could not be had for {root} ({error}): put {kind.filename} there, or use the source 'folder'"
                        ) from None


def folder(settings):
    """Images in `<root>/{train,test}/<class>/<file>`, in the order of class and file name; gray stays gray.

    Where a split holds images and no folders, it has no labels.
    """
    images, labels, classes = {}, {}, []
    for split in SPLITS:
        root = Path(settings.root) / split
        if not root.is_dir():
            raise UserError(f"dataset.root: {root} is {'no folder' if root.exists() else 'missing'}; images lie in "
                            "<root>/{train,test}/<class>/<file>, or in <root>/{train,test}/<file> without labels")
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        names = [path.name for path in entries if path.is_dir()]
        if names and len(names) < len(entries):
            raise UserError(f"{root} holds both folders and files: it should hold a folder for each class, or images alone")
        if names and classes and names != classes:
            raise UserError(f"{root} should hold one folder per class, the same ones in train and test, not {names}")
        classes = names or classes
        files = [(file, label) for label, name in enumerate(names) for file in sorted((root / name).iterdir())
                 if not file.name.startswith(".")]
        labels[split] = np.array([label for _, label in files], np.int64) if names else None
        images[split] = _files([file for file, _ in files] if names else entries, root, settings)
    return Raw(images, labels, classes)


SOURCES = {"digits": digits, "cifar10": cifar10, "cifar20": cifar20, "cifar100": cifar100, "stl10": stl10, "folder": folder}
DOWNLOADED = {"cifar10": SPLITS, "cifar20": SPLITS, "cifar100": SPLITS, "stl10": (*SPLITS, UNLABELED)}
"""The splits of those that are downloaded, which are so known beforehand."""


def find_source(name):
    """The function that reads the images of a source."""
    if name not in SOURCES:
        raise UserError(f"the dataset source is '{name}', and should be one of {', '.join(SOURCES)}")
    return SOURCES[name]


def _files(files, root, settings):
    """The Images in a list of files, all of the first one's size, or of dataset.size where that is set."""
    if not files:
        raise UserError(f"{root} holds no image")
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is no regular file; remove it or put an image there")

    def read(file):
        image = _read_image(file, settings)
        return resize(image[None], settings.size)[0] if settings.size else image

    shape = read(files[0]).shape

    def of_one_size(file):
        image = read(file)
        if image.shape != shape:
            raise UserError(f"{file} is {image.shape[1]}x{image.shape[0]} pixels where the first image of {root} has "
                            f"{shape[1]}x{shape[0]}: give them one size, or set dataset.size")
        return image

    return Images((len(files), *shape), lambda rows: np.stack([of_one_size(files[row]) for row in rows]))


def _read_image(file, settings):
    """The pixels of an image file, uint8 [h, w, c], c being 1 or 3, as many as dataset.mean has numbers.

    They are those of the file: what 8 bits of gray or RGB cannot hold is refused. Where dataset.mean has one number, colour is
    asked to become gray (ITU-R 601's luma).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if loss := _loss(image):
                    raise UserError(f"{file} {loss}")
                return np.atleast_3d(np.asarray(_opaque(ImageOps.exif_transpose(image), file).convert(
                    "L" if len(settings.mean) == 1 else "RGB")))
    except UserError:
        raise
    except UnidentifiedImageError:
        reason = f"not an image of the formats {', '.join(FORMATS)}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"an image of more than {Image.MAX_IMAGE_PIXELS} pixels"
    except Exception as error:  # damaged files make Pillow raise whatever its decoders come upon
        reason = f"not a whole image: {(str(error) or type(error).__name__).splitlines()[0]}"
    raise UserError(f"{file} is {reason}; remove it or put an image there")


def _loss(image):
    """What of an opened image file 8 bits of gray or RGB cannot hold, as the rest of a sentence; None where there is nothing."""
    if getattr(image, "is_animated", False):
        return f"holds {image.n_frames} images; remove it or put a single one there"
    if image.mode not in MODES:
        return f"is of Pillow's mode {image.mode}; save it as gray or RGB with 8 bits a channel, by a conversion that you choose"
    if _bits(image) > 8:
        return "has 16 bits a channel; save it with 8, scaled as you choose"
    return None


def _bits(image):
    """Bits a channel of an opened image file. Of colour Pillow takes 8 and drops the others, and its mode is RGB either way."""
    if image.format == "TIFF":
        return max(np.atleast_1d(image.tag_v2.get(BITS_PER_SAMPLE, 1)))
    coding = str([(tile.codec_name, tile.args) for tile in image.tile])
    greatest = re.search(r"ppm.*?(\d+)", coding) if image.format == "PPM" else None
    return 16 if ";16B" in coding or greatest and int(greatest[1]) > 255 else 8


def _opaque(image, file):
    """The image without its transparency, which is to be none. Raises UserError where a pixel is transparent."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[0] < 255:
        raise UserError(f"{file} has transparent pixels; save it on the background that you choose")
    return image


def resize(images, size):
    """Images uint8 [n, h, w, c] at size x size pixels, bilinear (Pillow's, so with antialiasing)."""
    if images.shape[1:3] == (size, size):
        return images
    channels = [
        np.stack([np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR))
                  for plane in images[..., channel]])
        for channel in range(images.shape[3])
    ]
    return np.stack(channels, axis=-1)
