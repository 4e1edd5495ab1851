"""How fast an augmentation of the authors' is by itself: images a second, one after another, into normalised tensors."""

import time

from PIL import Image

from harness.prepared import PreparedDataset
from harness.record import reason_not_run, write_not_run
from harness.session import Session
from original_ref import adapters, config
from original_ref.checkout import fetch
from original_ref.launch import import_from
from original_ref.shims import apply_shims

IMAGES, SECONDS = 256, 3.0


def run(cell, settings, inputs, out):
    """Writes metrics.json, whose evidence holds the rate."""
    if reason := reason_not_run():
        return write_not_run(out, cell, reason)
    dataset = PreparedDataset(inputs["data"])
    session = Session(cell, inputs, settings)
    import_from(fetch())
    apply_shims(out.absolute(), session.device.type == "cuda")
    adapters.put_in_augmentations(settings["augmentation"])
    from utils.common_config import get_train_transformations

    transform = get_train_transformations(
        config.augmentation(cell.variant, settings["augmentation"], settings["dataset"], dataset.facts["shape"][0]))
    arrays = dataset.images("train")[:IMAGES]
    images = [Image.fromarray(array[..., 0] if array.shape[2] == 1 else array) for array in arrays]
    transform(images[0])
    done, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS:
        for image in images:
            transform(image)
        done += len(images)
    session.record(out, {}, rate=done / (time.monotonic() - began))
