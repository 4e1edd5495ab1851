"""Images worth looking at: what the pretext task takes for neighbors, and what each cluster stands for."""

import numpy as np

from harness.files import checked, read_json, read_npz
from harness.prepared import PreparedDataset, read_neighbors, read_predictions
from harness.prototypes import labels_of, prototypes, shown_prototypes
from harness.record import FILE

QUERIES, NEIGHBORS = 8, 8


def gallery(dataset, found):
    """Images and labels for the report, from the first seed's cells among `found` (a list of Result).

    Returns arrays: per pretext task, `neighbors/<task>/images` uint8 [queries, 1 + neighbors, h, w, c], the query first, and
    `.../labels` alike; per step with predictions, `prototypes/<step>/images` uint8 [clusters, h, w, c], `.../labels`,
    `.../classes` and `.../clusters` int64 [clusters]: the prototype's own label, the class that its cluster is matched to (-1:
    none), and the cluster's number. Without labels, every label and class is -1.
    """
    arrays = {}
    firsts = {result.step: result for result in reversed(found)}.values()
    for result in firsts:
        if not any(result.folder.glob("*.npz")):
            continue
        if result.step.startswith("neighbors/") or result.step.endswith("/neighbors"):
            split = PreparedDataset(dataset.root, joint(result))
            mined, _ = read_neighbors(result.folder / "neighbors.npz", split)
            queries = np.random.default_rng(0).choice(len(mined), min(QUERIES, len(mined)), replace=False)
            rows = mined[queries, : 1 + NEIGHBORS]
            arrays[f"{result.step}/images"] = split.images("train")[rows]
            arrays[f"{result.step}/labels"] = labels_of(split, "train", rows)
        elif has_prototypes(result.folder / "predictions.npz"):
            shown = shown_prototypes(dataset, *predicted(result, dataset.counts["test"]))
            for name, values in zip(("images", "labels", "classes", "clusters"), shown):
                arrays[f"prototypes/{result.step}/{name}"] = values
    return arrays


def joint(result):
    """Whether the arm learned from test images, too."""
    return read_json(result.folder / FILE)["settings"]["dataset"].get("joint", False)


def has_prototypes(file):
    """Whether a file of predictions is there, and says how sure it is of them, or did; k-means, say, does not."""
    return file.exists() and not {"probabilities", "prototypes"}.isdisjoint(read_npz(file))


def predicted(result, count):
    """The cluster of each of `count` test images, and the prototype of each cluster, which a kept record holds."""
    file = result.folder / "predictions.npz"
    if result.kept:
        clusters, chosen = read_npz(file, "clusters", "prototypes")
        checked(chosen, f"{file}: prototypes", "int", (None,), least=-1, below=count)
        return checked(clusters, f"{file}: clusters", "uint", (count,), below=len(chosen)), chosen
    probabilities, features = read_predictions(file, count)
    return probabilities.argmax(1), prototypes(probabilities, features)
