"""How fast the images of a training step come from their files: as prepared, and by torchvision from the photographs.

    python -m harness.bench.loading --dataset D [--batch 256] [--steps 20]

Of a data set whose source is a folder, and which is prepared (data/<D>). Batches are of training images in random order, the same
in both ways, and not augmented, but cropped at random where photographs are kept whole (dataset.whole); one way after another in
each round, so that what slows the machine down slows both.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, PILToTensor, RandomResizedCrop, Resize

from harness.errors import UserError, guarded
from harness.images import Streamed
from harness.pipeline.resolve import sections_of
from harness.prepared import PreparedDataset
from harness.session import keep_freed_memory
from harness.settings import Dataset

ROUNDS, WORKERS, SCALE, RATIO = 3, 2, (0.2, 1.0), (3 / 4, 4 / 3)


def bench(dataset, batch, steps):
    """Print images a second of each way, the median of ROUNDS, with the least and the most."""
    settings = sections_of(dataset).read("dataset", Dataset)
    if settings.source != "folder":
        raise UserError(f"{dataset} comes from '{settings.source}'; what is measured is how photographs in a folder are read")
    keep_freed_memory()  # as stages do
    ours = PreparedDataset(Path("data") / dataset)
    rows = torch.randperm(ours.counts["train"])[: batch * steps].split(batch)
    ways = {f"{'decoded' if ours.decoding else 'prepared, read'} as they are asked for": lambda: prepared(ours, rows)}
    for workers in (0, WORKERS):
        ways[f"ImageFolder and DataLoader, workers: {workers}"] = lambda workers=workers: photographs(settings, rows, workers)
    rates = {way: [] for way in ways}  # each time with the start of what reads them
    for _ in range(ROUNDS):
        for way, read in ways.items():
            began = time.monotonic()
            count = sum(map(len, read()))
            rates[way].append(count / (time.monotonic() - began))
    for way, found in rates.items():
        print(f"{way:<45}{statistics.median(found):10.0f} images/s ({min(found):.0f} to {max(found):.0f})")


def prepared(dataset, rows):
    """Batches uint8 [b, c, h, w] of a PreparedDataset's training images, as a stage reads them that holds none in memory."""
    if whole := dataset.photographs("train", whole=dataset.facts.get("whole", False)):
        boxes = (torch.tensor([RandomResizedCrop.get_params(torch.empty(0, *size), SCALE, RATIO)
                               for size in whole.sizes[part].tolist()]) for part in rows)
        return (whole.crop(part, each, dataset.facts["shape"][0]) for part, each in zip(rows, boxes))
    images = Streamed(dataset.reader("train"), torch.device("cpu"))
    return (images.read(part) for part in rows)


def photographs(settings, rows, workers):
    """The same by torchvision, from JPEG or whatever they are. Args: settings: a settings.Dataset; workers: processes."""
    crop = RandomResizedCrop(settings.size, SCALE, RATIO) if settings.whole else CenterCrop(settings.size)
    scaled = [Resize(settings.shorter or settings.size), crop] if settings.size else []
    folder = ImageFolder(Path(settings.root) / "train", Compose([*scaled, PILToTensor()]))
    loader = DataLoader(folder, batch_sampler=[part.tolist() for part in rows], num_workers=workers)
    return (images for images, _ in loader)


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.bench.loading", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    return guarded(bench, options.dataset, options.batch, options.steps)


if __name__ == "__main__":
    sys.exit(main())
