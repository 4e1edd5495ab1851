"""CIFAR-10 and CIFAR-100: their own file format in small, and CIFAR-10 itself where it is at hand as a folder."""

import hashlib
import json
import os
import pickle

import numpy as np
import pytest

from harness import datasets
from harness.errors import UserError
from harness.prepared import PreparedDataset
from harness.settings import Dataset

RGB = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}


def write(base, name, value):
    """A file of the archive; its name and checksum, as torchvision lists them."""
    content = pickle.dumps(value)
    base.mkdir(exist_ok=True)
    (base / name).write_bytes(content)
    return [name, hashlib.md5(content).hexdigest()]


def images(raw, split):
    return np.concatenate(list(raw.images[split].pieces()))


def test_cifar10_is_read_from_its_own_format(tmp_path, photos, monkeypatch):
    """Six batch files of 2 real images each, in the layout of the official archive, with their checksums."""
    from torchvision.datasets import CIFAR10

    base, flat = tmp_path / "cifar-10-batches-py", photos[:12].reshape(12, -1).numpy()
    files = [write(base, f"batch_{i}", {"data": flat[2 * i : 2 * i + 2], "labels": [i, i + 1]}) for i in range(6)]
    name, md5 = write(base, "batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", files[:5])
    monkeypatch.setattr(CIFAR10, "test_list", files[5:])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": md5})
    settings = Dataset(source="cifar10", root=str(tmp_path), **RGB)
    raw = datasets.prepare(settings)
    assert images(raw, "train").shape == (10, 32, 32, 3) and raw.labels["test"].tolist() == [5, 6]
    assert (images(raw, "test")[1] == photos[11].permute(1, 2, 0).numpy()).all()

    (base / "batch_0").write_bytes(b"damaged")
    monkeypatch.setattr(CIFAR10, "url", f"file://{tmp_path}/nowhere.tar.gz")
    with pytest.raises(UserError, match=r"CIFAR-10 could not be downloaded .* put cifar-10-python.tar.gz there"):
        datasets.prepare(settings)


def test_cifar100_has_its_classes_or_its_superclasses(tmp_path, photos, monkeypatch):
    """A file a split, with 100 classes and 20."""
    from torchvision.datasets import CIFAR100

    base, flat = tmp_path / "cifar-100-python", photos[:6].reshape(6, -1).numpy()
    train = write(base, "train", {"data": flat[:4], "fine_labels": [99, 1, 2, 98], "coarse_labels": [3, 0, 19, 3]})
    test = write(base, "test", {"data": flat[4:], "fine_labels": [7, 8], "coarse_labels": [0, 19]})
    names = [f"super {i}" for i in range(20)]
    name, md5 = write(base, "meta", {"fine_label_names": [f"fine {i}" for i in range(100)], "coarse_label_names": names})
    monkeypatch.setattr(CIFAR100, "train_list", [train])
    monkeypatch.setattr(CIFAR100, "test_list", [test])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": name, "key": "fine_label_names", "md5": md5})
    settings = Dataset(source="cifar20", root=str(tmp_path), **RGB)
    raw = datasets.prepare(settings)
    assert raw.classes == names
    assert raw.labels["train"].tolist() == [3, 0, 19, 3] and raw.labels["test"].tolist() == [0, 19]
    assert (images(raw, "train") == photos[:4].permute(0, 2, 3, 1).numpy()).all()
    fine = datasets.prepare(Dataset(source="cifar100", root=str(tmp_path), **RGB))
    assert fine.classes == [f"fine {i}" for i in range(100)] and (images(fine, "test") == images(raw, "test")).all()
    assert fine.labels["train"].tolist() == [99, 1, 2, 98] and fine.labels["test"].tolist() == [7, 8]
    few = datasets.prepare(Dataset(source="cifar20", root=str(tmp_path), classes=("super 19", "super 3", "super 0"), **RGB))
    assert few.labels["train"].tolist() == [1, 2, 0, 1] and few.labels["test"].tolist() == [2, 0]

    (base / "test").write_bytes(b"damaged")
    monkeypatch.setattr(CIFAR100, "url", f"file://{tmp_path}/nowhere.tar.gz")
    with pytest.raises(UserError, match=r"CIFAR-100 could not be downloaded .* put cifar-100-python.tar.gz there"):
        datasets.prepare(settings)


@pytest.mark.skipif("CIFAR10_PREPARED" not in os.environ, reason="CIFAR10_PREPARED names no prepared CIFAR-10")
def test_the_whole_of_cifar10():
    """What is known of it: 5,000 and 1,000 images a class, the channels' means and deviations."""
    data = PreparedDataset(os.environ["CIFAR10_PREPARED"])
    facts = json.loads((data.root / "dataset.json").read_text())
    assert facts["classes"] == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert np.bincount(data.labels("train")).tolist() == [5000] * 10 and np.bincount(data.labels("test")).tolist() == [1000] * 10
    assert [round(value, 4) for value in facts["mean"]] == [0.4914, 0.4822, 0.4465]
    assert [round(value, 4) for value in facts["std"]] == [0.2470, 0.2435, 0.2616]
