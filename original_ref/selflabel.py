"""Step 3: the authors' selflabel.py, from the weights that SCAN ended with, of either implementation."""

from functools import partial

import numpy as np
import torch

from harness import weights
from harness.files import existing, write_npz
from harness.prepared import PreparedDataset
from harness.prototypes import captioned_prototypes
from harness.session import Session
from original_ref import config
from original_ref.launch import Launch, evaluate

FILES = ("model.pt", "predictions.npz")


def run(cell, settings, inputs, out):
    """Writes model.pt (of the last epoch), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"])
    selflabel = settings["selflabel"]
    launch = Launch(Session(cell, inputs, settings), dataset, selflabel.training)
    if launch.settled(out, FILES, inputs["scan"]):
        return
    scan = weights.load(existing(inputs["scan"] / "model.pt", "dvc repro"), "remove it and run `dvc repro`")
    clusters = weights.count_clusters(scan, inputs["scan"] / "model.pt", "remove it and run `dvc repro`")
    weights.save(launch.files / "scan/model.pth.tar", {"model": scan, "head": 0})
    watch = launch.run("selflabel.py", {
        **config.common(settings["dataset"], launch.size(), selflabel.training, launch.workers()),
        **config.augmentation(selflabel.augmentation, settings["augmentation"], settings["dataset"], launch.size()),
        **config.selflabel(selflabel, clusters),
    }, settings["network"], settings["augmentation"])
    state = torch.load(launch.files / "selflabel/model.pth.tar", map_location="cpu", weights_only=True)
    weights.save(out / "model.pt", state)
    probabilities = watch.predictions[0]["probabilities"].numpy().astype(np.float32)
    write_npz(out / "predictions.npz", probabilities=probabilities, features=watch.features.numpy())
    metrics, degenerate = evaluate(dataset, probabilities)
    launch.finish(out, FILES, watch, {**metrics, **watch.reported}, degenerate,
                  partial(captioned_prototypes, dataset, out / "predictions.npz"))
