"""Data sets: real digits, a folder of real photographs, and CIFAR-10's own file format in small."""

import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from harness.datasets import PreparedDataset, prepare, resize
from harness.errors import UserError
from harness.settings import Dataset

RGB = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


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


def test_a_gray_folder_stays_gray(photo_folder):
    raw = prepare(Dataset(source="folder", root=str(photo_folder), mean=(0.5,), std=(0.2,), size=16))
    assert raw.images["test"].shape == (4, 16, 16, 1)
    expected = Image.open(photo_folder / "test/flower/0.png").convert("L").resize((16, 16), Image.Resampling.BILINEAR)
    assert (raw.images["test"][0, ..., 0] == np.asarray(expected)).all()


def test_resize_is_pils(photos):
    images = photos[:3].permute(0, 2, 3, 1).numpy()
    expected = [np.asarray(Image.fromarray(image).resize((12, 12), Image.Resampling.BILINEAR)) for image in images]
    assert (resize(images, 12) == np.stack(expected)).all()


@pytest.mark.parametrize("spoil, says", [
    (lambda root: (root / "train/flower/1.png").write_text("no image"), r"train/flower/1.png is not an image"),
    (lambda root: (root / "train/flower/1.png").write_bytes((root / "train/flower/1.png").read_bytes()[:900]),
     r"train/flower/1.png is not a whole image"),
    (lambda root: Image.new("RGB", (9, 32)).save(root / "test/temple/1.png"), r"test/temple/1.png is 9x32 pixels where"),
    (lambda root: (root / "test/temple").rename(root / "test/tempel"), r"test should hold one folder per class, the same"),
    (lambda root: (root / "train").rename(root / "trian"), r"train is missing: it is made by `you: <root>"),
])
def test_what_is_wrong_with_a_folder_is_named(photo_folder, spoil, says):
    spoil(photo_folder)
    with pytest.raises(UserError, match=says):
        prepare(Dataset(source="folder", root=str(photo_folder), **RGB))


def test_channels_that_do_not_fit_are_named():
    with pytest.raises(UserError, match=r"the images have 1 channel\(s\), but dataset.mean has 3"):
        prepare(Dataset(source="digits", **RGB))
    with pytest.raises(UserError, match="the dataset source is 'mnist', and should be one of digits, cifar10, folder"):
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


def test_cifar10_is_read_from_its_own_format(tmp_path, photos, monkeypatch):
    """Six batch files of 2 real images each, in the layout of the official archive, with their checksums."""
    from torchvision.datasets import CIFAR10

    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()

    def write(name, value):
        content = pickle.dumps(value)
        (base / name).write_bytes(content)
        return [name, hashlib.md5(content).hexdigest()]

    flat = photos[:12].reshape(12, -1).numpy()
    files = [write(f"batch_{i}", {"data": flat[2 * i : 2 * i + 2], "labels": [i, i + 1]}) for i in range(6)]
    name, md5 = write("batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", files[:5])
    monkeypatch.setattr(CIFAR10, "test_list", files[5:])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": md5})
    settings = Dataset(source="cifar10", root=str(tmp_path), **RGB)
    raw = prepare(settings)
    assert raw.images["train"].shape == (10, 32, 32, 3) and raw.labels["test"].tolist() == [5, 6]
    assert (raw.images["test"][1] == photos[11].permute(1, 2, 0).numpy()).all()

    (base / "batch_0").write_bytes(b"damaged")
    monkeypatch.setattr(CIFAR10, "url", f"file://{tmp_path}/nowhere.tar.gz")
    with pytest.raises(UserError, match=r"CIFAR-10 could not be had .* put cifar-10-python.tar.gz there"):
        prepare(settings)


def test_a_data_set_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match="dataset.json is missing: it is made by `dvc repro dataset`"):
        PreparedDataset(tmp_path)
