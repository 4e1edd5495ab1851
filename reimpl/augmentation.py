"""How fast an augmentation is by itself: images a second, in batches, into normalised tensors."""

import time

from harness.datasets import PreparedDataset
from harness.session import Session
from harness.settings import Dataset
from reimpl.augment import load_augmentation

BATCH, SECONDS = 512, 3.0


def run(cell, inputs, out):
    """Writes metrics.json, whose evidence holds the rate."""
    settings = {"dataset": cell.settings("dataset", Dataset)}
    augment, settings["augmentation"] = load_augmentation(cell.variant, cell, settings["dataset"])
    session = Session(cell, inputs, settings)
    batch = session.images(PreparedDataset(inputs["data"]), "train")[:BATCH]
    augment(batch, session.generator)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        done += len(augment(batch, session.generator))
    session.record(out, {}, rate=done / (time.monotonic() - began))
