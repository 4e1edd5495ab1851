"""Which file is in which cluster, and a sheet of each cluster's images: what is wanted of a folder of photographs.

    <implementation>/<arm>/clusters.csv   a row for each image: file, split, cluster, confidence; by cluster, the surest first
    <implementation>/<arm>/<cluster>.png  its surest images, and some of the others at random
    <implementation>/<arm>/sheets.json    of each cluster its number, how many images it has, and their mean confidence

They are of the last step of the first seed of each arm, and of images that were read from a file each.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.files import checked, read_npz, write_csv, write_json, writing
from harness.prepared import PreparedDataset, read_predictions
from harness.results.examples import joint
from harness.results.verify import PREDICTIONS

COLUMNS = ("file", "split", "cluster", "confidence")
CSV, SHEETS = "clusters.csv", "sheets.json"
SHOWN, ACROSS = 24, 8
"""Images of a sheet, of either kind, and how many stand side by side."""
SIDE, GAP, LINE = 72, 4, 26
"""Pixels: of an image, the least; between two; of a line of text."""


@dataclass(frozen=True)
class Assigned:
    """Images with what was found of them: file and split are text [n], row int64 [n], the image's own in its split, cluster int64
    [n], confidence float32 [n], by cluster, and there the surest first."""

    file: np.ndarray
    split: np.ndarray
    row: np.ndarray
    cluster: np.ndarray
    confidence: np.ndarray

    def of(self, cluster):
        """The places of a cluster's images."""
        return np.flatnonzero(self.cluster == cluster)


def write_sheets(dataset, found, arms, out):
    """Write the files above into `out`. Args: found: a list of Result; arms: as `<implementation>/<arm>`."""
    for arm in arms if dataset.files("test") else ():
        own = [result for result in found if result.step.startswith(f"{arm}/") and (result.folder / PREDICTIONS).exists()
               and "probabilities" in read_npz(result.folder / PREDICTIONS)]
        if own:
            first = next(result for result in own if result.step == own[-1].step)
            write_arm(dataset, first, out / arm)


def write_arm(dataset, result, out):
    clusters = read_npz(result.folder / PREDICTIONS, "probabilities")[0].shape[1]
    assigned = assignments(dataset, result)
    rows = zip(assigned.file, assigned.split, assigned.cluster, assigned.confidence)
    write_csv(out / CSV, COLUMNS, [dict(zip(COLUMNS, (*row, f"{confidence:.4f}"))) for *row, confidence in rows])
    sheets = []
    for cluster in range(clusters):
        members = assigned.of(cluster)
        mean = float(assigned.confidence[members].mean()) if len(members) else None
        sheets.append({"cluster": cluster, "images": len(members), "confidence": mean})
        if len(members):
            with writing(out / f"{cluster}.png") as temporary:
                sheet(dataset, assigned, members, f"Cluster {cluster}").save(temporary, "PNG")
    write_json(out / SHEETS, {"step": result.step, "seed": result.seed, "clusters": sheets})


def assignments(dataset, result):
    """The Assigned of a result: of its test images, and of its training images where it says what it found of these."""
    file = result.folder / PREDICTIONS
    probabilities, _ = read_predictions(file, dataset.counts["test"])
    found = {("test",): (probabilities.argmax(1), probabilities.max(1))}
    if dataset.facts.get("again"):  # one row each will do
        found = {("train",): found["test",]}
    elif "train_clusters" in read_npz(file) and dataset.files("train"):
        learned = PreparedDataset(dataset.root, joint(result))
        clusters, confidence = read_npz(file, "train_clusters", "train_confidence")
        checked(clusters, f"{file}: train_clusters", "uint", (learned.counts["train"],), below=probabilities.shape[1])
        checked(confidence, f"{file}: train_confidence", "float", clusters.shape)
        trained = {tuple(learned.parts("train")): (clusters, confidence)}
        found = trained if learned.joint else trained | found
    parts = [part for several in found for part in several]
    files = np.array([name for part in parts for name in dataset.files(part)])
    splits = np.repeat(parts, [dataset.counts[part] for part in parts])
    rows = np.concatenate([np.arange(dataset.counts[part]) for part in parts])
    clusters, confidence = map(np.concatenate, zip(*found.values()))
    order = np.lexsort((files, -confidence, clusters))
    return Assigned(files[order], splits[order], rows[order], clusters[order].astype(np.int64), confidence[order])


def sheet(dataset, assigned, members, title):
    """A picture of some images of a cluster. Args: members: their places in `assigned`, the surest first."""
    surest, others = members[:SHOWN], members[SHOWN:]
    drawn = np.sort(np.random.default_rng(0).permutation(others)[:SHOWN])
    share, mean = len(members) / len(assigned.file), assigned.confidence[members].mean()
    blocks = [(f"{title}: {len(members)} images, {share:.1%} of all, confidence {mean:.2f}. The surest {len(surest)}:", surest)]
    if len(drawn):
        text = f"{len(drawn)} of the other {len(others)} at random:" if len(drawn) < len(others) else "The others:"
        blocks.append((text, drawn))
    pixels = {split: dataset.images(split) for split in set(assigned.split[members])}
    step = max(dataset.facts["shape"][0], SIDE) + GAP
    heights = [LINE + step * math.ceil(len(places) / ACROSS) for _, places in blocks]
    picture = Image.new("RGB", (GAP + ACROSS * step, sum(heights) + GAP), "white")
    draw, font, top = ImageDraw.Draw(picture), ImageFont.load_default(14), 0
    for (text, places), height in zip(blocks, heights):
        draw.text((GAP, top + 5), text, "black", font)
        for index, place in enumerate(places):
            image = pixels[assigned.split[place]][assigned.row[place]]
            down, across = divmod(index, ACROSS)
            picture.paste(thumbnail(image, step - GAP), (GAP + across * step, top + LINE + down * step))
        top += height
    return picture


def thumbnail(image, side):
    """Pixels uint8 [h, h, 1 or 3] as a picture of side x side, smaller ones enlarged."""
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB").resize((side, side))
