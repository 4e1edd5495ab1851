"""The prepared form of a data set, and the stage that makes it.

Prepared, a data set is a folder `data/<name>/` with

    {train,test}_images.npy   uint8 [n, height, width, channels], memory-mapped when read; channels 1 or 3 (RGB)
    {train,test}_labels.npy   int64 [n], read by the evaluation, and of what trains by `supervised` alone; or missing: no labels
    unlabeled_images.npy      uint8 alike, where the data set has such images: the pretext task learns from them, too
    {train,test}_whole.bin    of photographs that are kept whole (Dataset.whole), of which the images are the middles: uint8
                              [h, w, channels], one after another
    {train,test}_sizes.npy    int64 [n, 2], their heights and widths; those of test images that are the training images, looked at
                              again, are theirs
    {train,test}_files.json   where each image was read from, below dataset.root; or missing: not from files of its own
    dataset.json              class names, sizes, source; mean and deviation of each channel of the training images

Both implementations read the same images in the same order.
"""

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.files import (
    checked,
    existing,
    read_json,
    read_npy,
    read_npz,
    read_text,
    write_json,
    write_npy,
    write_npy_in_pieces,
    writing,
)
from harness.image_files import middle
from harness.settings import MEASURED
from harness.sources import SPLITS, UNLABELED, Raw, find_source
from harness.validation import build

WHOLE, SIZES = "whole.bin", "sizes.npy"


def prepare(settings):
    """The data set that `settings` describe, as `Raw` at its final size. Raises UserError where they do not fit."""
    raw = find_source(settings.source)(settings)
    if settings.classes or settings.class_list:
        raw = of_classes(raw, settings.classes or listed(settings.class_list))
    if settings.size:
        raw = Raw({split: found.resized(settings.size) for split, found in raw.images.items()}, raw.labels, raw.classes)
    if settings.unlabeled_images and UNLABELED not in raw.images:
        raise UserError(f"dataset.unlabeled_images is {settings.unlabeled_images}, and the data set has only "
                        f"{' and '.join(raw.images)} images; leave it out")
    for split in raw.images:
        raw = of_images(raw, split, getattr(settings, f"{split}_images"))
    images = raw.images
    for split in images:
        height, width = images[split].shape[1:3]
        if height != width or images[split].shape[1:] != images["train"].shape[1:]:
            raise UserError(f"the {split} images are {width}x{height} pixels, and should be square and of one size in "
                            f"{' and '.join(images)}: set dataset.size")
        if len(images[split]) < 2:
            raise UserError(f"{split} images: {len(images[split])}, and should be 2 at least, since neighbors are others")
    channels = images["train"].shape[3]
    if settings.mean != MEASURED and channels != len(settings.mean):
        raise UserError(f"the images have {channels} channel(s), but dataset.mean has {len(settings.mean)} number(s)")
    return raw


def listed(file):
    """The first word of each line of a text file, as a list, each once."""
    found = [line.split()[0] for line in read_text(Path(file)).splitlines() if line.strip()]
    if len(found) < 2 or len({*found}) < len(found):
        raise UserError(f"{file} should name two or more classes, one a line, each once")
    return found


def of_classes(raw, classes):
    """The images of some classes, which are numbered in the order of their names in `classes`; the unlabeled ones stay."""
    for name in classes:
        if name not in raw.classes:
            raise UserError(f"dataset.classes has '{name}'; the data set has {', '.join(raw.classes) or 'no labels'}")
    for split in SPLITS:
        if raw.labels[split] is None:
            raise UserError(f"dataset.classes keeps some classes, and the {split} images have no labels to tell them by")
    renumbered = np.full(len(raw.classes), -1)
    renumbered[[raw.classes.index(name) for name in classes]] = np.arange(len(classes))
    rows = {split: np.flatnonzero(renumbered[raw.labels[split]] >= 0) for split in SPLITS}
    return Raw(images=raw.images | {split: raw.images[split].of(kept) for split, kept in rows.items()},
               labels=raw.labels | {split: renumbered[raw.labels[split][kept]] for split, kept in rows.items()},
               classes=list(classes))


def of_images(raw, split, count):
    """`count` images of a split, those of some_of; 0 keeps all."""
    if count > len(raw.images[split]):
        raise UserError(f"dataset.{split}_images is {count}, and there are only {len(raw.images[split])}")
    if count == 0:
        return raw
    labels = raw.labels[split]
    rows = some_of(np.zeros(len(raw.images[split]), np.int64) if labels is None else labels, pixel_keys(raw.images[split]), count)
    return Raw(raw.images | {split: raw.images[split].of(rows)},
               raw.labels | {split: None if labels is None else labels[rows]}, raw.classes)


def pixel_keys(images):
    """A number for each of the Images, uint64 [n], from its pixels alone: a random order that is the same from any source."""
    return np.array([int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big")
                     for piece in images.pieces() for image in piece], np.uint64)


def some_of(labels, keys, count):
    """`count` rows of int64 [n] labels, int64 [count]: of each class its share, those of the lowest uint64 [n] keys, by key.

    Each image has a place in its class, from 0 to 1, and those of the lowest places are taken, the key deciding between equal
    ones. So fewer rows are among those of more; and with keys from pixels, the same images in the same order are taken from a
    download and from a folder.
    """
    order = np.lexsort((labels, keys))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    taken = np.zeros(len(labels), bool)
    taken[order[np.argsort(place[order], kind="stable")[:count]]] = True
    return order[taken[order]]


def counted(pieces, levels):
    """The pieces, uint8 [m, h, w, c] each, as they pass: how many pixels have each level is added to `levels`, int64 [c, 256]."""
    for piece in pieces:
        for image in piece:
            for channel, found in enumerate(levels):
                found += np.bincount(image[..., channel].ravel(), minlength=256)
        yield piece


def write_images(out, split, images, levels):
    """The files of a split's Images, and `levels` as `counted` has them."""
    file = out / f"{split}_images.npy"
    if not images.read_whole:
        write_npy_in_pieces(file, images.shape, counted(images.pieces(), levels))
        return
    sizes = []
    with writing(out / f"{split}_{WHOLE}") as temporary, open(temporary, "wb") as whole:
        middles = passed(images.photographs(), images.shape[1], whole, sizes)
        write_npy_in_pieces(file, images.shape, counted(middles, levels))
    write_npy(out / f"{split}_{SIZES}", np.array(sizes))


def passed(photographs, size, file, sizes):
    """The middle of each of the photographs, uint8 [m, size, size, c] for a list of m. Each is written to an open file as it
    passes, and its height and width go into the list `sizes`."""
    for piece in photographs:
        for photograph in piece:
            file.write(photograph.tobytes())
            sizes.append(photograph.shape[:2])
        yield np.stack([middle(photograph, size) for photograph in piece])


def channel_statistics(levels):
    """Mean and standard deviation of each channel, of pixels scaled to 0..1, from `counted`'s int64 [c, 256]: two lists of
    floats."""
    values = np.arange(256) / 255
    mean = levels @ values / levels.sum(1)
    variance = (levels * (values - mean[:, None]) ** 2).sum(1) / levels.sum(1)
    return mean.tolist(), np.sqrt(variance).tolist()


def run(cell, settings, inputs, out):
    """The stage `python -m harness dataset`. Each image is decoded once, and a piece of them is in memory at a time."""
    prepared = prepare(settings["dataset"])
    images, labelled = prepared.images, [split for split, labels in prepared.labels.items() if labels is not None]
    named = [split for split in images if images[split].names]
    again = bool(images["test"].names) and images["test"].names == images["train"].names
    files = [f"{split}_images.npy" for split in images] + [f"{split}_labels.npy" for split in labelled]
    files += [f"{split}_files.json" for split in named]
    if settings["dataset"].whole:
        files += [f"{split}_{kind}" for split in images if split != "test" or not again for kind in (WHOLE, SIZES)]
    for stale in {*out.glob("*.npy"), *out.glob(f"*_{WHOLE}"), *out.glob("*_files.json")} - {out / file for file in files}:
        stale.unlink()  # of what was prepared before
    levels = np.zeros((images["train"].shape[3], 256), np.int64)
    for split, found in images.items():
        if split == "test" and again:
            with writing(out / "test_images.npy") as temporary:
                shutil.copyfile(out / "train_images.npy", temporary)
        else:
            write_images(out, split, found, levels if split == "train" else np.zeros_like(levels))
    for split in labelled:
        write_npy(out / f"{split}_labels.npy", prepared.labels[split])
    for split in named:
        write_json(out / f"{split}_files.json", images[split].names)
    mean, std = channel_statistics(levels)
    if settings["dataset"].std == MEASURED and min(std) == 0:
        raise UserError(f"the {len(images['train'])} training images have a channel of one level, so of deviation 0, by which "
                        "nothing can be divided: set dataset.mean and dataset.std")
    write_json(out / "dataset.json", {
        "name": cell.dataset,
        "source": settings["dataset"].source,
        "classes": prepared.classes,
        "images": {split: len(found) for split, found in images.items()},
        "labelled": labelled,
        "named": named,
        "again": again,
        "whole": settings["dataset"].whole,
        "shape": list(images["train"].shape[1:]),
        "mean": mean,
        "std": std,
    })


def in_numbers(settings, root):
    """A settings.Dataset with numbers for what is `measured`: those of the data set that is prepared in `root`."""
    if settings.mean != MEASURED:
        return settings
    facts = PreparedDataset(root).facts
    return replace(settings, mean=tuple(facts["mean"]), std=tuple(facts["std"]))


@dataclass(frozen=True, slots=True)
class Facts:
    """The fields of a dataset.json."""

    classes: tuple[str, ...]
    images: dict[str, int]
    """How many, by split."""
    shape: tuple[int, ...]
    """Height, width, channels."""
    labelled: tuple[str, ...] = SPLITS
    named: tuple[str, ...] = ()
    """The splits whose images were read from a file each."""
    again: bool = False
    """Whether the test images are the training images, looked at again."""
    whole: bool = False
    """Whether the images are the middles of photographs that are stored as well."""
    name: str = ""
    source: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class PreparedDataset:
    """A prepared data set, read lazily. Args: joint: whether its training images are those of both splits (Dataset.joint)."""

    def __init__(self, root, joint=False):
        self.root, self.joint = Path(root), joint
        self.facts = read_json(existing(self.root / "dataset.json", "dvc repro dataset"))
        build(Facts, self.facts, str(self.root / "dataset.json"))
        self.classes, counts = self.facts["classes"], self.facts["images"]
        self.counts = {split: sum(counts[part] for part in self.parts(split)) for split in counts}

    @property
    def pretext_splits(self):
        """What a pretext task learns from: the training images, and those without labels where there are such."""
        return [split for split in ("train", UNLABELED) if split in self.counts]

    def parts(self, split):
        """The splits as prepared that a split is made of."""
        return SPLITS if self.joint and split == "train" else (split,)

    def images(self, split):
        """uint8 [n, h, w, c], memory-mapped where it is of one part."""
        stored = self.stored(split)
        return stored[0] if len(stored) == 1 else np.concatenate(stored)

    def stored(self, split):
        """The same, memory-mapped, as a list of the parts."""
        if split not in self.counts:
            raise UserError(f"{self.root / 'dataset.json'} has no {split} images, only {' and '.join(self.counts)}: make it "
                            "again by `dvc repro dataset`")
        return [self._read(part, "images", "uint8", self.facts["shape"], memory_map=True) for part in self.parts(split)]

    def photographs(self, *splits, whole):
        """The Photographs that the images of some splits are the middles of, one split after another; None where there are to be
        none. Args: whole: dataset.whole as it is today. Raises UserError where the data set was prepared with another."""
        if whole != self.facts.get("whole", False):
            raise UserError(f"{self.root} was prepared with{'out' if whole else ''} dataset.whole: make it again by `dvc repro "
                            "dataset`")
        if not whole:
            return None
        from harness.images import Photographs  # here, since torch takes seconds to import, and `studies` does without

        parts = [part for split in splits for part in self.parts(split)]
        if self.facts["again"]:
            parts = ["train" for _ in parts]
        stored = [(self.root / f"{part}_{WHOLE}", self._read(part, "sizes", "int64", (2,))) for part in parts]
        channels = self.facts["shape"][2]
        for file, sizes in stored:
            if existing(file, "dvc repro dataset").stat().st_size != sizes.prod(1).sum() * channels:
                raise UserError(f"{file} does not hold what its sizes say: make it again by `dvc repro dataset`")
        return Photographs(stored, channels)

    def labels(self, split):
        """int64 [n], or None where a part of the split has no labels. For evaluation only."""
        if not set(self.parts(split)) <= set(self.facts.get("labelled", SPLITS)):
            return None
        return np.concatenate([self._read(part, "labels", "int64", (), below=len(self.classes)) for part in self.parts(split)])

    def files(self, split):
        """Where each image was read from, below dataset.root, as a list; None where it was from no file of its own."""
        if not set(self.parts(split)) <= set(self.facts.get("named", ())):
            return None
        return [name for part in self.parts(split) for name in read_json(self.root / f"{part}_files.json")]

    def _read(self, part, kind, dtype, shape, memory_map=False, **limits):
        file = self.root / f"{part}_{kind}.npy"
        return checked(read_npy(file, memory_map=memory_map), file, dtype, (self.facts["images"][part], *shape), **limits)


def need_images(key, value, split, count, spare=0):
    """Raise UserError where a setting, `key`, asks for more images than the `count` of a split, less those that are spared."""
    if value > count - spare:
        raise UserError(f"{key} is {value}, but there are only {count} {'training' if split == 'train' else split} images; it "
                        f"should be at most {count - spare}")


def read_neighbors(path, dataset):
    """What was mined of a PreparedDataset: for each split int64 [n, k + 1], an image's own row first; k is the split's own."""
    mined = read_npz(existing(path, "dvc repro"), *SPLITS)
    return [checked(rows, f"{path}: {split}", "int64", (dataset.counts[split], None), below=dataset.counts[split])
            for split, rows in zip(SPLITS, mined)]


def read_predictions(path, count=None):
    """The probabilities float [n, clusters] of the test images and their features float [n, dim]; n is `count` where given."""
    probabilities, features = read_npz(existing(path, "dvc repro"), "probabilities", "features")
    checked(probabilities, f"{path}: probabilities", "float", (count, None))
    return probabilities, checked(features, f"{path}: features", "float", (len(probabilities), None))
