"""How fast an augmentation is by itself: images a second, in batches, into normalised tensors."""

import time

from harness.datasets import PreparedDataset
from harness.session import Session
from reimpl.augment import make_augmentation

BATCH, SECONDS = 512, 3.0


def run(cell, settings, inputs, out):
    """Writes metrics.json, whose evidence holds the rate."""
    augment = make_augmentation(settings["augmentation"], settings["dataset"])
    session = Session(cell, inputs, settings)
    batch = session.images(PreparedDataset(inputs["data"]), "train")[:BATCH]
    augment(batch, session.generator)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        done += len(augment(batch, session.generator))
    session.record(out, {}, rate=done / (time.monotonic() - began))
