"""STL-10: its own file format in small, with real photographs; and who sees its images without labels."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images

from harness import datasets
from harness.errors import UserError
from harness.files import read_yaml
from harness.params import data_set_settings, overlay
from harness.pipeline.check_settings import of_sections
from harness.prepared import PreparedDataset
from harness.record import Cell
from harness.sections import Sections, read_settings
from harness.settings import Dataset
from harness.stages import STAGES
from reimpl import neighbors, pretext, scan, selflabel
from reimpl.train.trainer import Trainer

ROOT = Path(__file__).parent.parent.parent
COUNTS = {"train": 12, "test": 8, "unlabeled": 10}
SETTINGS = data_set_settings("stl10")
RGB = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


def photographs():
    """uint8 [30, 96, 96, 3]: patches of the temple and of the flower, in turns."""
    return np.stack([photo[top : top + 96, left : left + 96] for top in (0, 150, 300) for left in range(0, 500, 100)
                     for photo in load_sample_images().images])


@pytest.fixture
def stl10(tmp_path, monkeypatch):
    """(root, images by split) of files in the official layout, channel by channel and column by column, with their checksums."""
    from torchvision.datasets import STL10

    base, rows, images, sums = tmp_path / "raw/stl10_binary", photographs(), {}, {}
    base.mkdir(parents=True)
    for split, count in COUNTS.items():
        images[split], rows = rows[:count], rows[count:]
        written = b"".join(image[:, :, channel].T.tobytes() for image in images[split] for channel in range(3))
        parts = {f"{split}_X.bin": written}
        if split != "unlabeled":
            parts[f"{split}_y.bin"] = bytes([1, 10] * (count // 2))
        for name, content in parts.items():
            (base / name).write_bytes(content)
            sums[name] = hashlib.md5(content).hexdigest()
    (base / "class_names.txt").write_text("\n".join(f"class {number}" for number in range(10)) + "\n")
    monkeypatch.setattr(STL10, "train_list", [[name, sums[name]] for name in ("train_X.bin", "train_y.bin", "unlabeled_X.bin")])
    monkeypatch.setattr(STL10, "test_list", [[name, sums[name]] for name in ("test_X.bin", "test_y.bin")])
    monkeypatch.setattr(STL10, "url", f"file://{tmp_path}/nowhere.tar.gz")
    return tmp_path / "raw", images


def whole(found):
    return np.concatenate(list(found.pieces()))


def test_it_is_read_from_its_own_format(stl10):
    root, images = stl10
    raw = datasets.prepare(Dataset(source="stl10", root=str(root), **RGB))
    assert list(raw.images) == ["train", "test", "unlabeled"] and raw.classes[9] == "class 9"
    assert all((whole(raw.images[split]) == images[split]).all() for split in COUNTS)
    assert raw.labels["train"].tolist() == [0, 9] * 6 and raw.labels["test"].tolist() == [0, 9] * 4
    assert raw.labels["train"].dtype == np.int64 and raw.labels["unlabeled"] is None


def test_a_smaller_version(stl10):
    """Fewer pixels, as by Pillow; fewer images; of some classes, which leaves the unlabeled images as they are."""
    root, images = stl10
    small = Dataset(source="stl10", root=str(root), size=16, unlabeled_images=4, classes=("class 9", "class 0"), **RGB)
    raw = datasets.prepare(small)
    expected = {split: [np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR)) for image in images[split]]
                for split in COUNTS}
    assert (whole(raw.images["test"]) == np.stack(expected["test"])).all() and raw.labels["test"].tolist() == [1, 0] * 4
    by_hash = sorted(expected["unlabeled"], key=lambda image: hashlib.sha256(image.tobytes()).digest())
    assert (whole(raw.images["unlabeled"]) == np.stack(by_hash[:4])).all()
    with pytest.raises(UserError, match="^dataset.unlabeled_images is 11, and there are only 10$"):
        datasets.prepare(Dataset(source="stl10", root=str(root), unlabeled_images=11, **RGB))
    with pytest.raises(UserError, match="^dataset.unlabeled_images is 4, and the data set has only train and test images; "):
        datasets.prepare(Dataset(source="digits", mean=(0.3,), std=(0.3,), unlabeled_images=4))


@pytest.mark.parametrize("name, says", [
    ("unlabeled_X.bin", r"^STL-10 could not be downloaded to .* put stl10_binary.tar.gz there"),
    ("test_y.bin", r"^STL-10 could not be downloaded to .* put stl10_binary.tar.gz there"),
    ("class_names.txt", r"class_names.txt is missing: unpack stl10_binary.tar.gz there once more$"),
])
def test_a_part_that_is_missing_or_damaged_is_one_line(stl10, name, says):
    file = stl10[0] / "stl10_binary" / name
    for spoil in (lambda: file.write_bytes(b"damaged"), file.unlink):
        spoil()
        if name != "class_names.txt" or not file.exists():
            with pytest.raises(UserError, match=says) as error:
                datasets.prepare(Dataset(source="stl10", root=str(stl10[0]), **RGB))
            assert "\n" not in str(error.value)


def test_the_pretext_task_alone_sees_the_images_without_labels(stl10, tmp_path, monkeypatch):
    """From the files to self-labeling: what each stage trains on, and of how many images neighbors are mined."""
    root, seen, theirs = stl10[0], {}, Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", lambda self, session, task, model, training, images, *rest, **by: (
        seen.update({session.cell.stage: images.numpy()}), theirs(self, session, task, model, training, images, *rest, **by))[1])
    monkeypatch.chdir(tmp_path)
    params = read_yaml(ROOT / "params.yaml")
    params["execution"] |= {"device": "cpu", "tracking": "disabled"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    short = {"training": {"epochs": 2, "batch_size": 6}}
    settings = Sections(overlay(SETTINGS, {
        "dataset": {"root": str(root), "size": 16}, "network": {"width": 8, "blocks": [1, 1]}, "pretext": {"simclr": short},
        "neighbors": {"train": 3, "test": 2, "scored": 3}, "scan": {**short, "num_neighbors": 3},
        "selflabel": {**short, "threshold": 0.1}}), "small")
    data, made = tmp_path / "data", {"data": tmp_path / "data"}
    datasets.run(Cell("harness", "dataset", "stl10", "0"), {"dataset": settings.read("dataset", Dataset)}, {}, data)
    for stage in (pretext, neighbors, scan, selflabel):
        name = stage.__name__.rpartition(".")[2]
        task = "simclr" * (STAGES[name].option == "task")
        out = made[name] = tmp_path / name
        cell = Cell("reimpl", name, "stl10", "0", variant=task)
        stage.run(cell, read_settings(settings, STAGES[name], "reimpl", task), made, out)
        assert json.loads((out / "metrics.json").read_text())["metrics"]
    prepared = PreparedDataset(data)
    assert prepared.counts == COUNTS and prepared.labels("unlabeled") is None
    train, more = (prepared.images(split).transpose(0, 3, 1, 2) for split in ("train", "unlabeled"))
    assert (seen["pretext"] == np.concatenate([train, more])).all()
    assert (seen["scan"] == train).all() and (seen["selflabel"] == train).all()
    mined = np.load(tmp_path / "neighbors/neighbors.npz")
    assert {split: mined[split].shape for split in mined} == {"train": (12, 4), "test": (8, 3)}


def test_what_the_check_asks_of_100_training_images_is_not_asked_of_the_pretext_task():
    """Its batches of 512 come from those without labels, too, whose number may be unknown."""
    sections = Sections(SETTINGS, "stl10")
    counts = {"train": 100, "test": 8000}
    methods = sections.base["baseline"]
    asked = [{problem.partition(" is ")[0] for problem in of_sections(sections, ["simclr"], methods, counts=found)}
             for found in (counts, {**counts, "unlabeled": 0})]
    later = {"scan.training.batch_size", "selflabel.training.batch_size", "neighbors.train"}
    later |= {f"baseline.{method}.training.batch_size" for method, settings in methods.items() if "training" in settings}
    assert asked == [{"pretext.simclr.training.batch_size", *later}, later]


def test_a_split_that_was_prepared_before_is_removed_and_one_that_is_not_there_is_named(stl10, tmp_path):
    cell, out = Cell("harness", "dataset", "d", "0"), tmp_path / "data"
    digits = Dataset(source="digits", mean=(0.3,), std=(0.3,))
    for settings in (Dataset(source="stl10", root=str(stl10[0]), size=8, **RGB), digits):
        datasets.run(cell, {"dataset": settings}, {}, out)
    assert {file.name for file in out.iterdir()} == {
        "dataset.json", *(f"{split}_{kind}.npy" for split in ("train", "test") for kind in ("images", "labels"))}
    assert PreparedDataset(out).pretext_splits == ["train"]
    with pytest.raises(UserError, match="dataset.json has no unlabeled images, only train and test: make it again by `dvc"):
        PreparedDataset(out).images("unlabeled")
