"""Images worth looking at: what the pretext task takes for neighbors, and what each cluster stands for."""

import numpy as np

from harness.datasets import PreparedDataset, read_neighbors, read_predictions
from harness.files import checked, read_json, read_npz
from harness.metrics import count, hungarian_match
from harness.record import FILE

QUERIES, NEIGHBORS = 8, 8
CONFIDENT = 0.1  # share of a cluster's images, the most confident ones, whose mean is the cluster's


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
            queries = np.random.default_rng(0).choice(len(mined), QUERIES, replace=False)
            rows = mined[queries, : 1 + NEIGHBORS]
            arrays[f"{result.step}/images"] = split.images("train")[rows]
            arrays[f"{result.step}/labels"] = labels_of(split, "train", rows)
        elif has_prototypes(result.folder / "predictions.npz"):
            shown = shown_prototypes(dataset, *predicted(result, dataset.counts["test"]))
            for name, values in zip(("images", "labels", "classes", "clusters"), shown):
                arrays[f"prototypes/{result.step}/{name}"] = values
    return arrays


def shown_prototypes(dataset, predictions, chosen):
    """The prototypes of clusters that have one, by the class that each is matched to, as `gallery` has them: images, labels,
    classes, clusters. Args: predictions int64 [n]; chosen int64 [clusters], as `prototypes` returns."""
    match = matched(dataset, predictions, len(chosen))
    order = np.lexsort((np.arange(len(chosen)), match))
    present = order[chosen[order] >= 0]
    rows = chosen[present]
    return dataset.images("test")[rows], labels_of(dataset, "test", rows), match[present], present


def captioned_prototypes(dataset, file):
    """[(uint8 [h, w, c], what it stands for)] of the predictions that a stage has written, for whoever watches it."""
    probabilities, features = read_predictions(file, dataset.counts["test"])
    shown = shown_prototypes(dataset, probabilities.argmax(1), prototypes(probabilities, features))
    names = [*dataset.classes, "none"]  # the last is -1
    return [(image, f"cluster {cluster}, matched to {names[matched_to]}; its own label: {names[label]}")
            for image, label, matched_to, cluster in zip(*shown)]


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


def labels_of(dataset, split, rows):
    """The labels at some rows, int64 alike; -1 where the split has none."""
    labels = dataset.labels(split)
    return np.full(rows.shape, -1) if labels is None else labels[rows]


def matched(dataset, predictions, clusters):
    """The class that each cluster of int64 [n] predictions is matched to, int64 [clusters]; -1 for those without one."""
    labels = dataset.labels("test")
    return np.full(clusters, -1) if labels is None else hungarian_match(
        count(labels, predictions, len(dataset.classes), clusters))


def prototypes(probabilities, features):
    """For each cluster, the image nearest to the mean feature of its most confident images (slides, Prototypical behavior).

    Args: probabilities float32 [n, clusters]; features float32 [n, dim], compared by angle.
    Returns: int64 [clusters], -1 for an empty cluster.
    """
    predictions, confidence = probabilities.argmax(1), probabilities.max(1)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    chosen = np.full(probabilities.shape[1], -1)
    for cluster in range(probabilities.shape[1]):
        members = np.flatnonzero(predictions == cluster)
        if len(members):
            surest = members[np.argsort(-confidence[members], kind="stable")[: max(1, round(CONFIDENT * len(members)))]]
            chosen[cluster] = members[np.argmax(unit[members] @ unit[surest].mean(0))]
    return chosen
