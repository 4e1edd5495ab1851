"""Data sets: real digits, a folder of real photographs with labels and without; what is kept of them, and what is measured."""

import hashlib
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import transforms

from harness import datasets, listing, sources
from harness.datasets import channel_statistics, counted, some_of
from harness.errors import UserError
from harness.prepared import PreparedDataset, in_numbers, need_images, read_neighbors, read_predictions
from harness.record import Cell
from harness.settings import Dataset
from harness.sources import Raw

RGB = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


def prepare(settings):
    """What the stage prepares, with all images in memory, a few at a time as it writes them."""
    raw = datasets.prepare(settings)
    return Raw({split: np.concatenate(list(found.pieces())) for split, found in raw.images.items()}, raw.labels, raw.classes)


CELL = Cell("harness", "dataset", "d", "0")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(sources, "PIECE", 3)


@pytest.fixture
def photo_folder(tmp_path, photos):
    """<root>/{train,test}/{flower,temple}/<n>.png, 4 and 2 images a class."""
    for split, per_class in (("train", 4), ("test", 2)):
        for label, name in enumerate(("flower", "temple")):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(per_class):
                image = photos[128 * (1 - label) + index].permute(1, 2, 0).numpy()
                Image.fromarray(image).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def test_digits_are_split_without_their_labels_and_lose_none():
    raw = prepare(Dataset(source="digits", mean=(0.3,), std=(0.3,)))
    assert [len(raw.images[split]) for split in ("train", "test")] == [1437, 360]
    assert raw.images["train"].shape == (1437, 8, 8, 1) and raw.images["train"].dtype == np.uint8
    everything = np.concatenate([raw.images["train"], raw.images["test"]]).reshape(1797, -1)
    expected = np.rint(load_digits().images.reshape(1797, -1) * (255 / 16)).astype(np.uint8)
    assert (np.sort(everything.view("V64").ravel()) == np.sort(np.ascontiguousarray(expected).view("V64").ravel())).all()
    assert (np.bincount(np.concatenate(list(raw.labels.values()))) == np.bincount(load_digits().target)).all()


def test_a_folder_is_read_in_the_order_of_class_and_file(photo_folder, photos):
    raw = prepare(Dataset(source="folder", root=str(photo_folder), **RGB))
    assert raw.classes == ["flower", "temple"]
    assert raw.labels["train"].tolist() == [0] * 4 + [1] * 4 and raw.labels["test"].tolist() == [0, 0, 1, 1]
    assert (raw.images["train"][5] == photos[1].permute(1, 2, 0).numpy()).all()


def test_a_list_names_the_classes_to_keep_in_its_order(photo_folder, tmp_path_factory):
    """As the authors' lists of ImageNet's subsets: a folder's name, and then what it is called."""
    shutil.copytree(photo_folder / "train/flower", photo_folder / "train/n01")
    shutil.copytree(photo_folder / "test/flower", photo_folder / "test/n01")
    place = tmp_path_factory.mktemp("list")
    (place / "list.txt").write_text("temple of China\n\nn01 some flower\n")
    settings = Dataset(source="folder", root=str(photo_folder), class_list=str(place / "list.txt"), **RGB)
    raw = prepare(settings)
    assert raw.classes == ["temple", "n01"] and raw.labels["train"].tolist() == [1] * 4 + [0] * 4
    before = listed(settings, place)
    assert before == listed(settings, place) and listed(replace(settings, class_list=""), place) != before
    (place / "list.txt").write_text("temple\nflower\n")
    assert listed(settings, place) != before


def listed(settings, out):
    """What the stage `listing` writes."""
    listing.run(None, {"dataset": settings}, {}, out)
    return json.loads((out / "listing.json").read_text())


@pytest.mark.parametrize("text, says", [
    ("temple\n", "list.txt should name two or more classes, one a line, each once"),
    ("temple\nflower\ntemple x\n", "list.txt should name two or more classes, one a line, each once"),
    ("temple\nn02\n", "dataset.classes has 'n02'; the data set has flower, temple"),
    (None, "list.txt is missing"),
])
def test_what_is_wrong_with_a_list_of_classes_is_named(photo_folder, tmp_path, text, says):
    if text:
        (tmp_path / "list.txt").write_text(text)
    with pytest.raises(UserError, match=says):
        prepare(Dataset(source="folder", root=str(photo_folder), class_list=str(tmp_path / "list.txt"), **RGB))


def test_a_gray_folder_stays_gray(photo_folder):
    raw = prepare(Dataset(source="folder", root=str(photo_folder), mean=(0.5,), std=(0.2,), size=16))
    assert raw.images["test"].shape == (4, 16, 16, 1)
    expected = Image.open(photo_folder / "test/flower/0.png").convert("L").resize((16, 16), Image.Resampling.BILINEAR)
    assert (raw.images["test"][0, ..., 0] == np.asarray(expected)).all()


@pytest.mark.parametrize("spoil, says", [
    (lambda root: (root / "train/flower/1.png").write_text("no image"), r"train/flower/1.png is not an image"),
    (lambda root: (root / "train/flower/1.png").write_bytes((root / "train/flower/1.png").read_bytes()[:900]),
     r"train/flower/1.png is not a whole image"),
    (lambda root: Image.new("RGB", (9, 32)).save(root / "test/temple/1.png"), r"test/temple/1.png is 9x32 pixels where"),
    (lambda root: (root / "test/temple").rename(root / "test/tempel"), r"test should hold one folder per class, the same"),
    (lambda root: Image.new("RGB", (32, 32)).save(root / "test/x.png"), r"test holds both folders and files"),
    (lambda root: (root / "train").rename(root / "trian"), r"dataset.root: .*/train is missing; images lie in <root>/"),
    (lambda root: ((root / "train").rename(root / "x"), (root / "train").touch()), r"dataset.root: .*/train is no folder; "),
    (lambda root: os.mkfifo(root / "train/flower/9.png"), r"train/flower/9.png is no regular file; remove it"),
    (lambda root: (root / "test/temple/9.png").symlink_to("nowhere"), r"test/temple/9.png is no regular file"),
    (lambda root: (root / "test/temple/9").mkdir(), r"test/temple/9 is no regular file"),
    (lambda root: [file.unlink() for file in sorted(root.glob("test/*/*.png"))[1:]], "test images: 1, and should be 2 at least"),
])
def test_what_is_wrong_with_a_folder_is_named(photo_folder, spoil, says):
    spoil(photo_folder)
    with pytest.raises(UserError, match=says):
        prepare(Dataset(source="folder", root=str(photo_folder), **RGB))


def test_channels_that_do_not_fit_are_named():
    with pytest.raises(UserError, match=r"the images have 1 channel\(s\), but dataset.mean has 3"):
        prepare(Dataset(source="digits", **RGB))
    with pytest.raises(UserError, match="the dataset source is 'mnist', and should be one of digits, cifar10, cifar20, "):
        prepare(Dataset(source="mnist", **RGB))


def test_images_that_are_not_square_or_differ_between_splits_are_named(photo_folder):
    settings = Dataset(source="folder", root=str(photo_folder), **RGB)
    for file in photo_folder.glob("test/*/*.png"):
        Image.open(file).resize((28, 28)).save(file)
    with pytest.raises(UserError, match="the test images are 28x28 pixels, and should be square and of one size .* dataset.size"):
        prepare(settings)
    for file in photo_folder.glob("*/*/*.png"):
        Image.open(file).resize((32, 24)).save(file)
    with pytest.raises(UserError, match="the train images are 32x24 pixels"):
        prepare(settings)
    assert prepare(Dataset(source="folder", root=str(photo_folder), size=16, **RGB)).images["test"].shape == (4, 16, 16, 3)


def test_a_data_set_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match="dataset.json is missing: it is made by `dvc repro dataset`"):
        PreparedDataset(tmp_path)


def test_images_of_any_size_are_brought_to_one(photo_folder):
    expected, to_16 = {}, transforms.Compose([transforms.Resize(16), transforms.CenterCrop(16)])
    for index, file in enumerate(sorted(photo_folder.glob("train/*/*.png"))):
        image = Image.open(file).resize((20 + index, 40 - index))
        image.save(file)
        expected[index] = np.asarray(to_16(image))
    raw = prepare(Dataset(source="folder", root=str(photo_folder), size=16, **RGB))
    assert (raw.images["train"] == np.stack(list(expected.values()))).all()


@pytest.mark.parametrize("without", [("train", "test"), ("train",), ("test",)])
def test_images_without_class_folders_have_no_labels(photo_folder, without, tmp_path_factory):
    """In the order of their names; hidden files are no images. The other split keeps its classes."""
    for split in without:
        files = sorted(photo_folder.glob(f"{split}/*/*.png"))
        for index, file in enumerate(files):
            file.rename(photo_folder / split / f"{index}.png")
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
        (photo_folder / split / ".hidden").touch()
    settings = Dataset(source="folder", root=str(photo_folder), **RGB)
    raw = prepare(settings)
    assert [raw.labels[split] is None for split in ("train", "test")] == [split in without for split in ("train", "test")]
    assert raw.classes == ([] if len(without) == 2 else ["flower", "temple"]) and len(raw.images["train"]) == 8
    with pytest.raises(UserError, match="dataset.classes"):
        prepare(Dataset(source="folder", root=str(photo_folder), classes=("temple", "flower"), **RGB))
    out = tmp_path_factory.mktemp("out")
    (out / f"{without[0]}_labels.npy").touch()  # of what was there before
    datasets.run(CELL, {"dataset": settings}, {}, out)
    prepared = PreparedDataset(out)
    for split in ("train", "test"):
        assert (prepared.images(split) == raw.images[split]).all()
        assert (prepared.labels(split) is None) == (split in without) != (out / f"{split}_labels.npy").exists()


def test_the_stage_writes_what_numpy_would_and_measures_each_channel(photo_folder, tmp_path_factory):
    settings, out = Dataset(source="folder", root=str(photo_folder), **RGB), tmp_path_factory.mktemp("out")
    datasets.run(CELL, {"dataset": settings}, {}, out)
    raw = prepare(settings)
    for split in ("train", "test"):
        for name, array in (("images", raw.images[split]), ("labels", raw.labels[split])):
            np.save(out / "expected.npy", array)
            assert (out / f"{split}_{name}.npy").read_bytes() == (out / "expected.npy").read_bytes()
    facts = json.loads((out / "dataset.json").read_text())
    pixels = raw.images["train"].reshape(-1, 3) / 255
    assert facts["mean"] == pytest.approx(pixels.mean(0).tolist()) and facts["std"] == pytest.approx(pixels.std(0).tolist())
    assert facts["labelled"] == ["train", "test"] and facts["images"] == {"train": 8, "test": 4}


def test_statistics_by_hand():
    """One channel of two pixels, 0 and 1: mean 1/2, deviation 1/2; another, all 51: 1/5 and 0."""
    images, levels = np.array([[[[0, 51]]], [[[255, 51]]]], np.uint8), np.zeros((2, 256), np.int64)
    assert [len(piece) for piece in counted([images[:1], images[1:]], levels)] == [1, 1]
    assert channel_statistics(levels) == ([pytest.approx(0.5), pytest.approx(0.2)], [pytest.approx(0.5), pytest.approx(0)])


def test_a_mean_that_is_measured_is_that_of_the_training_images(photo_folder, tmp_path_factory):
    """Against NumPy over all pixels, which is right to 12 digits. Gray files are read as colour; what is in numbers stays."""
    gray = photo_folder / "train/flower/0.png"
    Image.open(gray).convert("L").save(gray)
    out, settings = tmp_path_factory.mktemp("out"), Dataset("folder", "measured", "measured", str(photo_folder))
    datasets.run(CELL, {"dataset": settings}, {}, out)
    pixels = np.load(out / "train_images.npy").reshape(-1, 3) / 255
    found = in_numbers(settings, out)
    assert found.mean == pytest.approx(pixels.mean(0), rel=1e-12) and found.std == pytest.approx(pixels.std(0), rel=1e-12)
    numbers = Dataset("folder", root=str(photo_folder), **RGB)
    assert in_numbers(numbers, out) is numbers
    for file in photo_folder.glob("train/*/*"):
        Image.new("RGB", (32, 32), (0, 0, 9)).save(file)
    with pytest.raises(UserError, match="8 training images have a channel of one level, .*: set dataset.mean and dataset.std"):
        datasets.run(CELL, {"dataset": settings}, {}, out)
    assert not (out / "dataset.json").exists()  # which would tell of other images


def test_images_without_labels_need_no_test_folder(photo_folder, tmp_path_factory):
    """They are looked at again; with labels they do. `val` is `test` by another name."""
    (photo_folder / "test").rename(photo_folder / "val")
    settings = Dataset(source="folder", root=str(photo_folder), **RGB)
    assert len(prepare(settings).images["test"]) == 4
    (photo_folder / "val").rename(photo_folder / "other")
    with pytest.raises(UserError, match="test is missing; images lie in <root>/"):
        prepare(settings)
    for file in sorted((photo_folder / "train").glob("*/*")):
        file.rename(photo_folder / "train" / f"{file.parent.name}-{file.name}")
    for folder in (photo_folder / "train").glob("*/"):
        folder.rmdir()
    out = tmp_path_factory.mktemp("out")
    datasets.run(CELL, {"dataset": settings}, {}, out)
    found = PreparedDataset(out)
    assert (found.images("test") == found.images("train")).all() and found.counts == {"train": 8, "test": 8}
    names = sorted(f"train/{file.name}" for file in (photo_folder / "train").iterdir())
    assert found.files("train") == found.files("test") == names and PreparedDataset(out, joint=True).files("train") == names * 2
    assert found.facts["again"]
    datasets.run(CELL, {"dataset": Dataset("digits", (0.3,), (0.3,))}, {}, out)
    assert not PreparedDataset(out).facts["again"]
    assert PreparedDataset(out).files("train") is None and not list(out.glob("*_files.json"))


def test_some_classes_are_kept_in_the_order_asked_for():
    digits = prepare(Dataset(source="digits", mean=(0.3,), std=(0.3,)))
    few = prepare(Dataset(source="digits", mean=(0.3,), std=(0.3,), classes=("7", "1")))
    assert few.classes == ["7", "1"]
    for split in ("train", "test"):
        rows = [row for row, label in enumerate(digits.labels[split]) if label in (7, 1)]
        assert (few.images[split] == digits.images[split][rows]).all()
        assert few.labels[split].tolist() == [0 if digits.labels[split][row] == 7 else 1 for row in rows]
    with pytest.raises(UserError, match="dataset.classes has 'seven'; the data set has 0, 1, 2"):
        prepare(Dataset(source="digits", mean=(0.3,), std=(0.3,), classes=("seven", "1")))


def naive_some_of(labels, keys, count):
    """One image after another is taken: of the class of which the smallest share is taken yet, by its middle; ties by key."""
    order = sorted(range(len(labels)), key=lambda row: keys[row])
    size = {label: list(labels).count(label) for label in set(labels)}
    waiting = {label: [row for row in order if labels[row] == label] for label in size}
    taken = {label: 0 for label in size}
    rows = []
    for _ in range(count):
        heads = {label: rest[0] for label, rest in waiting.items() if rest}
        label = min(heads, key=lambda label: ((taken[label] + 0.5) / size[label], order.index(heads[label])))
        taken[label] += 1
        rows.append(waiting[label].pop(0))
    return sorted(rows, key=order.index)


def test_some_images_are_a_fixed_share_of_each_class():
    labels = np.random.default_rng(1).choice(4, 300, p=[0.5, 0.3, 0.15, 0.05])
    keys = np.random.default_rng(2).permutation(300).astype(np.uint64)
    before = set()
    for count in (1, 7, 40, 150, 300):
        rows = some_of(labels, keys, count)
        assert rows.tolist() == naive_some_of(labels.tolist(), keys.tolist(), count)
        assert before <= set(rows) and len(set(rows)) == count
        before = set(rows)
        share = np.bincount(labels[rows], minlength=4) - count * np.bincount(labels) / 300
        assert np.abs(share).max() <= 1
    assert np.bincount(np.arange(50)[some_of(np.arange(50) % 5, keys[:50], 20)] % 5).tolist() == [4] * 5


def test_a_small_version_of_a_data_set(photo_folder):
    whole = prepare(Dataset(source="folder", root=str(photo_folder), **RGB))
    small = prepare(Dataset(source="folder", root=str(photo_folder), train_images=4, test_images=2, **RGB))
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in whole.images["train"]]
    lowest = [sorted(np.flatnonzero(whole.labels["train"] == label), key=hashes.__getitem__)[:2] for label in (0, 1)]
    rows = sorted(np.concatenate(lowest), key=hashes.__getitem__)
    assert (small.images["train"] == whole.images["train"][rows]).all()
    assert small.labels["train"].tolist() == whole.labels["train"][rows].tolist() and sorted(small.labels["test"]) == [0, 1]
    for number, file in enumerate(sorted((photo_folder / "train").glob("*/*"))):
        file.rename(file.with_name(f"of{9 - number}.png"))  # found in another order
    again = prepare(Dataset(source="folder", root=str(photo_folder), train_images=4, test_images=2, **RGB))
    assert (again.images["train"] == small.images["train"]).all()
    with pytest.raises(UserError, match="dataset.train_images is 9, and there are only 8"):
        prepare(Dataset(source="folder", root=str(photo_folder), train_images=9, **RGB))


@pytest.fixture
def written(photo_folder, tmp_path_factory):
    """The folder of a prepared data set: 8 training images, 4 test images, 2 classes."""
    out = tmp_path_factory.mktemp("out")
    datasets.run(CELL, {"dataset": Dataset(source="folder", root=str(photo_folder), **RGB)}, {}, out)
    return out


@pytest.mark.parametrize("file, array, says", [
    ("test_images.npy", np.zeros((3, 32, 32, 3), np.uint8), r"test_images.npy is uint8 \[3, 32, 32, 3\], and should be "),
    ("test_images.npy", np.zeros((4, 32, 32, 3), np.float32), r"test_images.npy is float32 \[4, 32, 32, 3\], and should be "),
    ("test_labels.npy", np.zeros(5, np.int64), r"test_labels.npy is int64 \[5\], and should be int64 \[4\]: remove it"),
    ("test_labels.npy", np.array([0, 1, 2, 0]), "test_labels.npy holds 0 to 2, and should hold 0 to 1: remove it and make it"),
    ("test_labels.npy", np.array([0, 1, -1, 0]), "test_labels.npy holds -1 to 1, and should hold 0 to 1"),
])
def test_a_prepared_file_of_another_shape_is_named(written, file, array, says):
    np.save(written / file, array)
    with pytest.raises(UserError, match=says):
        prepared = PreparedDataset(written)
        prepared.images("test"), prepared.labels("test")


@pytest.mark.parametrize("change, says", [
    (lambda facts: facts.pop("classes"), "dataset.json: the setting 'classes' is missing"),
    (lambda facts: facts.update(images={"train": "many"}), "dataset.json.images.train is 'many', and should be of type int"),
    (lambda facts: facts.update(shape=5), "dataset.json.shape is 5, and should be a list"),
])
def test_a_dataset_json_of_another_shape_is_named(written, change, says):
    facts = json.loads((written / "dataset.json").read_text())
    change(facts)
    (written / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=says):
        PreparedDataset(written)


def test_neighbors_of_other_images_are_named(written):
    prepared, file = PreparedDataset(written), written / "neighbors.npz"
    train, test = np.arange(8)[:, None].repeat(3, 1), np.arange(4)[:, None]
    np.savez(file, train=train, test=test)
    assert [rows.tolist() for rows in read_neighbors(file, prepared)] == [train.tolist(), test.tolist()]
    for wrong, says in ((train + 1, "train holds 1 to 8, and should hold 0 to 7"), (train - 1, "train holds -1 to 6"),
                        (train[:7], r"train is int64 \[7, 3\], and should be int64 \[8, any\]"),
                        (train[:, 0], r"train is int64 \[8\]"), (train * 1.0, r"train is float64 \[8, 3\]")):
        np.savez(file, train=wrong, test=test)
        with pytest.raises(UserError, match=f"neighbors.npz: {says}"):
            read_neighbors(file, prepared)
    with pytest.raises(UserError, match="x.npz is missing: it is made by `dvc repro`"):
        read_neighbors(written / "x.npz", prepared)


def test_predictions_of_other_images_are_named(tmp_path):
    file, probabilities, features = tmp_path / "predictions.npz", np.ones((4, 2), np.float32), np.ones((4, 8), np.float32)
    np.savez(file, probabilities=probabilities, features=features)
    for count in (None, 4):
        assert [part.shape for part in read_predictions(file, count)] == [(4, 2), (4, 8)]
    with pytest.raises(UserError, match=r"predictions.npz: probabilities is float32 \[4, 2\], and should be float \[5, any\]"):
        read_predictions(file, 5)
    np.savez(file, probabilities=probabilities, features=features[:3])
    with pytest.raises(UserError, match=r"predictions.npz: features is float32 \[3, 8\], and should be float \[4, any\]"):
        read_predictions(file)


def test_a_setting_that_asks_for_more_images_than_there_are_is_named():
    need_images("kmeans.clusters", 5, "train", 5)
    need_images("neighbors.test", 4, "test", 5, spare=1)
    with pytest.raises(UserError, match="^kmeans.clusters is 6, but there are only 5 training images; it should be at most 5$"):
        need_images("kmeans.clusters", 6, "train", 5)
    with pytest.raises(UserError, match="^neighbors.test is 5, but there are only 5 test images; it should be at most 4$"):
        need_images("neighbors.test", 5, "test", 5, spare=1)
