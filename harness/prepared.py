"""A prepared data set, as stages read it, and what they made of it.

Prepared, by harness/datasets.py, a data set is a folder `data/<name>/` with

    {train,test}_images.npy   uint8 [n, height, width, channels], memory-mapped when read; channels 1 or 3 (RGB)
    {train,test}_labels.npy   int64 [n], read by the evaluation, and of what trains by `supervised` alone; or missing: no labels
    unlabeled_images.npy      uint8 alike, where the data set has such images: the pretext task learns from them, too
    {train,test}_whole.bin    of photographs that are kept whole (Dataset.whole), of which the images are the middles: uint8
                              [h, w, channels], one after another
    {train,test}_sizes.npy    int64 [n, 2], their heights and widths
    {train,test}_files.json   where each image was read from, below dataset.root; or missing: not from files of its own
    dataset.json              class names, sizes, source; mean and deviation of each channel of the training images

Where images are decoded whenever they are asked for (Dataset.cached), there are, instead of the images and the photographs,

    {train,test}_sha256.npy   uint8 [n, 32], of their files, so that what is made from them depends on these
    decoding.json             dataset.root, and how its files are read

Test images that are the training images, looked at again, are stored as those alone.
Both implementations read the same images in the same order.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.files import checked, existing, read_json, read_npy, read_npz
from harness.settings import MEASURED
from harness.sources import SPLITS, UNLABELED
from harness.validation import build

IMAGES, WHOLE, SIZES, SHA256, DECODING = "images.npy", "whole.bin", "sizes.npy", "sha256.npy", "decoding.json"


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
    """Whether the images are the middles of photographs of which training crops are taken."""
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
        parts = SPLITS if self.joint and split == "train" else (split,)
        return ("train",) * len(parts) if self.facts.get("again") else parts

    def images(self, split):
        """uint8 [n, h, w, c], memory-mapped where it is of one part; or decoded.Middles."""
        if self.decoding is not None:
            return self.reader(split)
        stored = self._stored(split)
        return stored[0] if len(stored) == 1 else np.concatenate(stored)

    def reader(self, *splits):
        """All images of some splits, one after another, as images.Stored or decoded.Middles has them."""
        from harness import images  # here, since torch takes seconds to import, and `studies` does without

        if self.decoding is None:
            return images.Stored([part for split in splits for part in self._stored(split)])
        from harness.decoded import Middles

        return Middles(self._decoded(splits), *self.facts["shape"][1:])

    def photographs(self, *splits, whole):
        """The photographs that the images of some splits are the middles of, one split after another, as images.Photographs or
        decoded.Decoded; None where there are to be none. Args: whole: dataset.whole as it is today. Raises UserError where the
        data set was prepared with another."""
        if whole != self.facts.get("whole", False):
            raise UserError(f"{self.root} was prepared with{'out' if whole else ''} dataset.whole: make it again by `dvc repro "
                            "dataset`")
        if not whole:
            return None
        if self.decoding is not None:
            return self._decoded(splits)
        from harness.images import Photographs  # as above

        stored = [(self.root / f"{part}_{WHOLE}", self._read(part, SIZES, "int64", (2,))) for part in self._parts(splits)]
        channels = self.facts["shape"][2]
        for file, sizes in stored:
            if existing(file, "dvc repro dataset").stat().st_size != sizes.prod(1).sum() * channels:
                raise UserError(f"{file} does not hold what its sizes say: make it again by `dvc repro dataset`")
        return Photographs(stored, channels)

    @cached_property
    def decoding(self):
        """The fields of DECODING where images are decoded whenever they are asked for; else None."""
        file = self.root / DECODING
        return read_json(file) if file.exists() else None

    def _decoded(self, splits):
        from harness.decoded import Decoded  # as above

        files = [Path(self.decoding["root"]) / name for split in splits for name in self.files(split)]
        digests, sizes = (np.concatenate([self._read(part, *kind) for part in self._parts(splits)])
                          for kind in ((SHA256, "uint8", (32,)), (SIZES, "int64", (2,))))
        how = {key: value for key, value in self.decoding.items() if key != "root"}
        return Decoded(files, digests, sizes, how)

    def _stored(self, split):
        """Its images, uint8 [n, h, w, c], memory-mapped, as a list of the parts."""
        shape = self.facts["shape"]
        return [self._read(part, IMAGES, "uint8", shape, memory_map=True) for part in self._parts([split])]

    def _parts(self, splits):
        if missing := [split for split in splits if split not in self.counts]:
            raise UserError(f"{self.root / 'dataset.json'} has no {missing[0]} images, only {' and '.join(self.counts)}: make it "
                            "again by `dvc repro dataset`")
        return [part for split in splits for part in self.parts(split)]

    def known_by(self, split):
        """The file of a split whose hash says which images it has."""
        return self.root / f"{self.parts(split)[0]}_{IMAGES if self.decoding is None else SHA256}"

    def labels(self, split):
        """int64 [n], or None where a part of the split has no labels. For evaluation only."""
        if not set(self.parts(split)) <= set(self.facts.get("labelled", SPLITS)):
            return None
        classes = len(self.classes)
        return np.concatenate([self._read(part, "labels.npy", "int64", (), below=classes) for part in self.parts(split)])

    def files(self, split):
        """Where each image was read from, below dataset.root, as a list; None where it was from no file of its own."""
        if not set(self.parts(split)) <= set(self.facts.get("named", ())):
            return None
        return [name for part in self.parts(split) for name in read_json(self.root / f"{part}_files.json")]

    def _read(self, part, kind, dtype, shape, memory_map=False, **limits):
        file = self.root / f"{part}_{kind}"
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
