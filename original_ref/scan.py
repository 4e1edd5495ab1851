"""Step 2: the authors' scan.py, from the weights of a pretext task and mined neighbors, of either implementation."""

from functools import partial

import torch

from harness import weights
from harness.files import existing, write_npy, write_npz
from harness.prepared import PreparedDataset, read_neighbors
from harness.prototypes import captioned_prototypes
from harness.session import Session
from original_ref import config
from original_ref.launch import Launch, evaluate

FILES = ("model.pt", "predictions.npz")


def run(cell, settings, inputs, out):
    """Writes model.pt (the best epoch's weights, with the best head alone), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"])
    scan = settings["scan"]
    launch = Launch(Session(cell, inputs, settings), dataset, scan.training)
    if launch.settled(out, FILES, inputs["pretext"]):
        return
    neighbors = read_neighbors(inputs["neighbors"] / "neighbors.npz", dataset)
    mined = neighbors[0].shape[1] - 1  # of more, their code would take what there is, silently
    config.need(scan.num_neighbors <= mined, "scan.num_neighbors", scan.num_neighbors, f"the {mined} that were mined")
    for name, indices in zip(("train", "val"), neighbors):
        write_npy(launch.files / f"pretext/topk-{name}-neighbors.npy", indices)
    pretext = weights.load(existing(inputs["pretext"] / "model.pt", "dvc repro"), "remove it and run `dvc repro`")
    weights.save(launch.files / "pretext/model.pth.tar", pretext)
    watch = launch.run("scan.py", {
        **config.common(settings["dataset"], launch.size(), scan.training, launch.workers()),
        **config.augmentation(scan.augmentation, settings["augmentation"], settings["dataset"], launch.size()),
        **config.scan(scan),
    }, settings["network"], settings["augmentation"])
    best = torch.load(launch.files / "scan/model.pth.tar", map_location="cpu", weights_only=True)
    head = int(best["head"])
    weights.save(out / "model.pt", keep_head(best["model"], head))
    probabilities = watch.predictions[head]["probabilities"].numpy()
    write_npz(out / "predictions.npz", probabilities=probabilities, features=watch.features.numpy())
    metrics, degenerate = evaluate(dataset, probabilities)
    loss, epoch = min(((row["validation_loss"], row["epoch"]) for row in watch.rows), default=(None, 0))
    chosen = {"epoch": epoch, "head": head, "validation_loss": loss, **watch.reported}
    launch.finish(out, FILES, watch, {**metrics, **chosen}, degenerate,
                  partial(captioned_prototypes, dataset, out / "predictions.npz"))


def keep_head(state, head):
    """A clustering model's weights with one of its heads alone, as head 0."""
    kept = f"cluster_head.{head}."
    backbone = {name: value for name, value in state.items() if not name.startswith("cluster_head.")}
    return backbone | {name.replace(kept, "cluster_head.0."): value for name, value in state.items() if name.startswith(kept)}
