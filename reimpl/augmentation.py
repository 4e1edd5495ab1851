"""How fast an augmentation is by itself: images a second, in batches, into normalised tensors; and in how many kernels."""

import time
from dataclasses import replace

import torch

from harness.prepared import PreparedDataset
from harness.session import Session
from reimpl.augment import make_augmentation
from reimpl.operations import Kernels
from reimpl.train.draws import move

BATCH, SECONDS = 512, 3.0


def run(cell, settings, inputs, out):
    """Writes metrics.json: `kernels`, those of a batch on a GPU; the evidence holds the rate."""
    augment = make_augmentation(settings["augmentation"], replace(settings["dataset"], whole=False))  # as of the authors' code
    session = Session(cell, inputs, settings)
    batch = session.images(PreparedDataset(inputs["data"]), "train")[:BATCH]
    augment(batch, session.generator)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        done += len(augment(batch, session.generator))
    session.record(out, {"kernels": kernels(augment, batch, session.generator)}, rate=done / (time.monotonic() - began))


def kernels(augment, images, generator):
    """How many kernels a GPU takes for a batch: counted on the device `meta`, where tensors have shapes and no values."""
    meta = torch.device("meta")
    drawn = move(augment.draw(len(images), *images.shape[2:], generator), meta)
    for counter in (Kernels(), Kernels()):  # the first has what is put on a device once
        with counter:
            augment.apply(images.to(meta), drawn)
    return counter.count - 1  # without the images' way there
