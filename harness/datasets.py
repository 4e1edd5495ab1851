"""The stage that prepares a data set, into the folder that harness/prepared.py reads."""

import hashlib
import os
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.files import read_text, sha256, write_json, write_npy, write_npy_in_pieces, writing
from harness.image_files import middle
from harness.prepared import DECODING, IMAGES, SHA256, SIZES, WHOLE
from harness.settings import MEASURED
from harness.sources import SPLITS, UNLABELED, Raw, find_source


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
    file = out / f"{split}_{IMAGES}"
    if not images.read_whole:
        write_npy_in_pieces(file, images.shape, counted(images.pieces(), levels))
        return
    sizes = []
    with writing(out / f"{split}_{WHOLE}") as temporary, open(temporary, "wb") as whole:
        middles = passed(images.photographs(), images.shape[1], whole, sizes)
        write_npy_in_pieces(file, images.shape, counted(middles, levels))
    write_npy(out / f"{split}_{SIZES}", np.array(sizes))


def write_sizes(out, split, images, levels, root):
    """The files of a split's Images that are to be decoded whenever they are asked for, and `levels` as `counted` has them."""
    sizes = []
    with open(os.devnull, "wb") as nowhere:
        for _ in counted(passed(images.photographs(), images.shape[1], nowhere, sizes), levels):
            pass
    write_npy(out / f"{split}_{SIZES}", np.array(sizes))
    digests = [bytes.fromhex(sha256(root / name)) for name in images.names]
    write_npy(out / f"{split}_{SHA256}", np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1))


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


def files_of(settings):
    """How the files are called in which the images of a split are stored, behind its name. Args: settings: a settings.Dataset."""
    if not settings.cached:
        return (SIZES, SHA256)
    return (IMAGES, WHOLE, SIZES) if settings.whole else (IMAGES,)


def run(cell, settings, inputs, out):
    """The stage `python -m harness dataset`. Each image is decoded once, and a piece of them is in memory at a time."""
    settings = settings["dataset"]
    prepared = prepare(settings)
    images, labelled = prepared.images, [split for split, labels in prepared.labels.items() if labels is not None]
    named = [split for split in images if images[split].names]
    again = bool(images["test"].names) and images["test"].names == images["train"].names
    stored = [split for split in images if split != "test" or not again]
    files = {f"{split}_{file}" for split in stored for file in files_of(settings)}
    files |= {f"{split}_labels.npy" for split in labelled} | {f"{split}_files.json" for split in named}
    for stale in (out / "dataset.json", *out.glob("*.npy"), *out.glob(f"*_{WHOLE}"), *out.glob("*_files.json"), out / DECODING):
        if stale.name not in files:
            stale.unlink(missing_ok=True)  # of what was prepared before; dataset.json is written last
    levels = {split: np.zeros((images["train"].shape[3], 256), np.int64) for split in stored}
    for split in stored:
        if settings.cached:
            write_images(out, split, images[split], levels[split])
        else:
            write_sizes(out, split, images[split], levels[split], Path(settings.root))
    if not settings.cached:
        write_json(out / DECODING, {"root": settings.root, "channels": settings.channels, "cmyk": settings.cmyk,
                                    "shorter": settings.shorter or settings.size})
    for split in labelled:
        write_npy(out / f"{split}_labels.npy", prepared.labels[split])
    for split in named:
        write_json(out / f"{split}_files.json", images[split].names)
    mean, std = channel_statistics(levels["train"])
    if settings.std == MEASURED and min(std) == 0:
        raise UserError(f"the {len(images['train'])} training images have a channel of one level, so of deviation 0, by which "
                        "nothing can be divided: set dataset.mean and dataset.std")
    write_json(out / "dataset.json", {
        "name": cell.dataset,
        "source": settings.source,
        "classes": prepared.classes,
        "images": {split: len(found) for split, found in images.items()},
        "labelled": labelled,
        "named": named,
        "again": again,
        "whole": settings.whole,
        "shape": list(images["train"].shape[1:]),
        "mean": mean,
        "std": std,
    })
