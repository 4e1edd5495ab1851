"""Step 1: the authors' simclr.py, which trains SimCLR and then mines the nearest neighbors."""

import numpy as np
import torch

from harness import weights
from harness.errors import UserError
from harness.files import write_npz
from harness.prepared import PreparedDataset
from harness.session import Session
from original_ref import config
from original_ref.launch import Launch

FILES = ("model.pt", "neighbors.npz")
MINED = {"scored": 20, "test": 5}  # of a training and of a test image, which theirs keeps as well (simclr.py:134, 145)


def run(cell, settings, inputs, out):
    """Writes model.pt, neighbors.npz (int64 `train` [n, 21], `test` [n, 6], as the authors' code mines them) and metrics.json."""
    if cell.variant != "simclr":
        raise UserError(f"the pretext task is '{cell.variant}', and the authors' code has only simclr for these data sets")
    dataset = PreparedDataset(inputs["data"])
    pretext = settings["pretext"]
    (kind,) = pretext.augmentation
    launch = Launch(Session(cell, inputs, settings), dataset, pretext.training)
    if launch.settled(out, FILES):
        return
    for key, count in MINED.items():
        config.need(getattr(settings["neighbors"], key) == count, f"neighbors.{key}",
                    getattr(settings["neighbors"], key), count)
    watch = launch.run("simclr.py", {
        **config.common(settings["dataset"], launch.size(), pretext.training, launch.workers()),
        **config.augmentation(kind, settings["augmentation"], settings["dataset"], launch.size()),
        **config.simclr(pretext, max(1, len(dataset.classes))),
    }, settings["network"], settings["augmentation"])
    weights.save(out / "model.pt", torch.load(launch.files / "pretext/model.pth.tar", map_location="cpu", weights_only=True))
    write_npz(out / "neighbors.npz", **{split: indices.astype(np.int64) for split, (indices, _) in watch.mined.items()})
    launch.finish(out, FILES, watch, {
        "loss": watch.rows[-1]["loss"],
        **{f"{split}_accuracy": accuracy for split, (_, accuracy) in watch.mined.items()},
    })
