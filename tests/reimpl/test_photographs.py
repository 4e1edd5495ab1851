"""Crops of whole photographs, of different sizes: what torchvision makes of the files with Pillow, by the authors' transforms.

Once of photographs that are kept decoded, in `kept`, and once of such that are decoded whenever they are asked for, in `decoded`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.transforms import functional as F

from harness import augmentations, datasets, decoded, settings
from harness.errors import UserError
from harness.files import write_json
from harness.image_files import read_photograph
from harness.images import Streamed
from harness.pipeline.cells import Result
from harness.prepared import PreparedDataset
from harness.record import Cell, hashes
from harness.results.verify import pictured
from harness.session import Session
from reimpl import kmeans
from reimpl.augment import make_augmentation
from reimpl.tasks.scan import Task
from reimpl.train import batch
from reimpl.train.batch import draw_batch, make_batch

SIZE, SHORTER = 24, 32
SIZES = ((64, 48), (33, 100), (40, 40), (90, 32), (32, 32), (70, 51), (200, 150))
CROP = {"crop_scale": (0.2, 1.0), "flip": 0.5}


WAYS = ("kept", "decoded")


def described(root, **others):
    return settings.Dataset("folder", mean=(0.0,) * 3, std=(1.0,) * 3, root=str(root), size=SIZE, shorter=SHORTER,
                            **{"whole": True, **others})


def prepare(folder, name, **others):
    """The prepared data set `folder`/`name` of the photographs in its raw/."""
    (folder / name).mkdir()
    datasets.run(Cell("reimpl", "dataset", "photos", ""), {"dataset": described(folder / "raw", **others)}, {}, folder / name)
    return PreparedDataset(folder / name)


def images_of(dataset):
    """uint8 [n, c, h, w], the training images."""
    return torch.from_numpy(dataset.images("train")[:].copy()).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of photographs of SIZES, and of them the prepared data sets."""
    folder = tmp_path_factory.mktemp("photographs")
    for split, photo in zip(("train", "test"), load_sample_images().images):
        for number, (width, height) in enumerate(SIZES):
            file = folder / f"raw/{split}/{'ab'[number % 2]}/{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            patch = photo[number : number + 2 * height, 7 * number : 7 * number + 2 * width]
            Image.fromarray(patch).resize((width, height)).save(file)
    for way in WAYS:
        prepare(folder, way, cached=way == "kept")
    return folder


def opened(folder, dataset, split="train"):
    """The photographs as the authors' data set has them: by Pillow, the shorter side resized by torchvision."""
    return [F.resize(Image.open(folder / "raw" / name).convert("RGB"), SHORTER) for name in dataset.files(split)]


@pytest.mark.parametrize("way", WAYS)
def test_photographs_are_those_of_the_files_and_images_their_middles(prepared, way):
    for joint, splits in ((False, ["train"]), (False, ["train", "test"]), (True, ["train"])):
        dataset = PreparedDataset(prepared / way, joint)
        photographs = dataset.photographs(*splits, whole=True)
        expected = [photo for split in splits for photo in opened(prepared, dataset, split)]
        assert len(photographs) == len(expected)
        for photo, theirs, size in zip((photographs[row] for row in range(len(expected))), expected, photographs.sizes.tolist()):
            assert np.array_equal(photo, np.asarray(theirs)) and size == [theirs.height, theirs.width]
        images = [dataset.images(split)[row] for split in splits for row in range(dataset.counts[split])]
        assert all(np.array_equal(image, F.center_crop(photo, SIZE)) for image, photo in zip(images, expected))
        rows = np.arange(len(expected))
        assert np.array_equal(dataset.reader(*splits)[rows], images)
    assert np.array_equal(dataset.images("train")[rows[:12].reshape(3, 4)], np.reshape(images[:12], (3, 4, SIZE, SIZE, 3)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["none", "standard", "simclr", "strong"])
def test_a_view_is_cropped_from_the_whole_photograph(prepared, way, kind):
    """Of SCAN's two views, of which the second shows a neighbor. Without colours or operations, what else an augmentation does is
    to mirror the image, and to crop it once more would show."""
    dataset = PreparedDataset(prepared / way)
    plain = {"jitter": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "gray": 0.0}
    made = {"none": {}, "standard": CROP, "simclr": CROP | plain, "strong": {"flip": 0.5, "operations": 0, "cutout": 0}}[kind]
    augment = make_augmentation(augmentations.AUGMENTATIONS[kind](**made), described(""))
    photographs, images = Spy(dataset.photographs("train", whole=True)), images_of(dataset)
    theirs = opened(prepared, dataset)
    neighbors = torch.stack([torch.arange(7), torch.arange(7).roll(1)], 1)
    task, indices = Task(scan(), [augment, augment], neighbors), torch.tensor([6, 1, 3, 0])
    seen = set()
    for seed in range(20):
        drawn = draw_batch(task, indices, images, torch.Generator().manual_seed(seed), photographs)
        (views,) = make_batch(task, images, drawn).pieces
        rows, boxes = photographs.asked
        assert rows[:4].tolist() == indices.tolist() and len(views) == 8
        for view, row, (top, left, height, width) in zip(views, rows.tolist(), boxes.tolist()):
            assert 0 <= top <= theirs[row].height - height and 0 <= left <= theirs[row].width - width
            expected = np.asarray(F.resized_crop(theirs[row], top, left, height, width, [SIZE, SIZE])) / np.float32(255)
            ours = view.permute(1, 2, 0).numpy()
            assert any(np.allclose(ours, each, atol=1e-6) for each in ((expected, expected[:, ::-1]) if made else (expected,)))
            seen.add((row, top, left, height, width))
    assert len(seen) == len({row for row, *_ in seen}) if kind == "none" else len(seen) > 60  # of 160


class Spy:
    """Photographs that keep what was asked for."""

    def __init__(self, photographs):
        self.photographs, self.sizes = photographs, photographs.sizes

    def __len__(self):
        return len(self.photographs)

    def crop(self, rows, boxes, side):
        self.asked = rows, boxes
        return self.photographs.crop(rows, boxes, side)


def scan():
    training = settings.Training(epochs=1, batch_size=4, optimizer=settings.Optimizer(kind="sgd", lr=0.1, weight_decay=0.0))
    return settings.Scan(training=training, clusters=2, augmentation="none", num_neighbors=1, entropy_weight=1.0, heads=1)


def test_processes_crop_what_one_would(prepared, monkeypatch):
    """Each the half of every view that is its own."""
    dataset = PreparedDataset(prepared / "kept")
    photographs, images = dataset.photographs("train", whole=True), images_of(dataset)
    augment = make_augmentation(augmentations.Standard(**CROP), described(""))
    task = Task(scan(), [augment, augment], torch.stack([torch.arange(7), torch.arange(7).roll(1)], 1))

    def pixels(rank, count):
        monkeypatch.setattr(batch, "share", lambda values, dim=0: values.chunk(count, dim)[rank])
        return draw_batch(task, torch.arange(4), images, torch.Generator().manual_seed(0), photographs)["pixels"]

    both = pixels(0, 1).view(2, 4, 3, SIZE, SIZE)
    for rank in (0, 1):
        assert torch.equal(pixels(rank, 2).view(2, 2, 3, SIZE, SIZE), both.chunk(2, 1)[rank])


def test_a_data_set_that_was_prepared_otherwise_is_refused(prepared):
    """Its images would be cropped twice, or not at all."""
    with pytest.raises(UserError, match="was prepared with dataset.whole: make it again by `dvc repro dataset`"):
        PreparedDataset(prepared / "kept").photographs("train", whole=False)


def test_training_images_that_are_looked_at_again_are_kept_once(tmp_path):
    for number, photo in enumerate(load_sample_images().images):
        (tmp_path / "raw/train").mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(tmp_path / f"raw/train/{number}.png")
    for way in WAYS:
        dataset = prepare(tmp_path, way, cached=way == "kept")
        assert {*tmp_path.glob("*/test_*")} == {tmp_path / f"{name}/test_files.json" for name in WAYS[: WAYS.index(way) + 1]}
        assert np.array_equal(dataset.images("test")[:], dataset.images("train")[:])
        photographs = PreparedDataset(tmp_path / way, joint=True).photographs("train", whole=True)
        assert len(photographs) == 4 and all(np.array_equal(photographs[row], photographs[row + 2]) for row in (0, 1))


def test_what_is_cropped_is_part_of_what_a_stage_depends_on(prepared):
    assert {Path(file).name for file in hashes([prepared / "kept"])} >= {"train_whole.bin", "train_sizes.npy", "train_images.npy"}
    assert {Path(file).name for file in hashes([prepared / "decoded"])} >= {"train_sha256.npy", "train_sizes.npy"}


def test_a_file_that_is_cut_short_is_named(prepared, tmp_path):
    for file in (prepared / "kept").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    dataset = PreparedDataset(tmp_path)
    photographs = dataset.photographs("train", whole=True)
    with open(tmp_path / "train_whole.bin", "r+b") as file:
        file.truncate((tmp_path / "train_whole.bin").stat().st_size - 1)
    with pytest.raises(UserError, match="train_whole.bin does not hold what its sizes say: make it again"):
        dataset.photographs("train", whole=True)
    with pytest.raises(OSError, match="photograph 6 of 7 is not whole"):
        photographs.crop(torch.tensor([0, 6]), torch.tensor([[0, 0, 9, 9], [0, 0, *photographs.sizes[6]]]), SIZE)


@pytest.mark.parametrize("resident", [0, 4096])
def test_middles_are_images_like_any(prepared, tmp_path, resident):
    """Where no photograph is cropped: decoded as a stage asks for them, or once as it begins."""
    (tmp_path / "raw").symlink_to(prepared / "raw")
    dataset = prepare(tmp_path, "middles", whole=False, cached=False)
    session = SimpleNamespace(device=torch.device("cpu"), execution=SimpleNamespace(resident_mib=resident))
    kept = PreparedDataset(prepared / "kept")
    images, expected = (Session.images(session, each, "train", "test") for each in (dataset, kept))
    assert isinstance(images, Streamed) == (resident == 0) and tuple(images.shape) == tuple(expected.shape) == (14, 3, SIZE, SIZE)
    assert torch.equal(images[3:12], expected[3:12])
    assert dataset.facts == {**kept.facts, "whole": False}
    assert {file.name.removeprefix("train_").removeprefix("test_") for file in (tmp_path / "middles").iterdir()} == {
        "dataset.json", "decoding.json", "labels.npy", "files.json", "sizes.npy", "sha256.npy"}
    train, test = (kmeans.numbers(part[:]) for part in kmeans.pixels(tmp_path / "middles"))
    assert np.array_equal(np.concatenate([train, test]), expected[:].permute(0, 2, 3, 1).flatten(1).numpy() / np.float32(255))


def test_to_decode_draws_no_random_number(prepared):
    """The loader would, from the generator that all share."""
    photographs, before = PreparedDataset(prepared / "decoded").photographs("train", whole=True), torch.get_rng_state()
    photographs.crop(torch.arange(2), torch.tensor([[0, 0, 9, 9]] * 2), SIZE)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_photograph_is_decoded_once_for_all_its_crops(prepared, monkeypatch):
    photographs, files = PreparedDataset(prepared / "decoded").photographs("train", whole=True), []
    monkeypatch.setattr(decoded, "read_photograph", lambda file, **how: files.append(file) or read_photograph(file, **how))
    photographs.decoder.__getitems__(([0, 0, 5, 5, 5], [[0, 0, 9, 9]] * 5, SIZE))
    assert len(files) == 2


def test_a_photograph_that_is_another_is_named(prepared, tmp_path):
    """In one line, though a worker finds it; and the next batch comes as if nothing had been."""
    shutil.copytree(prepared / "raw", tmp_path / "raw")
    dataset = prepare(tmp_path, "decoded", cached=False)
    photographs, boxes = dataset.photographs("train", whole=True), torch.tensor([[0, 0, 9, 9]] * 7)
    changed, gone = (tmp_path / "raw" / name for name in dataset.files("train")[:2])
    with Image.open(changed) as before:
        size = before.size
    Image.new("RGB", size).save(changed)
    gone.unlink()
    with pytest.raises(UserError, match=f"{changed} has changed since the data set was prepared: make the data set again"):
        photographs.crop(torch.arange(7), boxes, SIZE)
    with pytest.raises(UserError, match=rf"{gone} cannot be read any more \(No such file or directory\): put it back"):
        photographs.crop(torch.tensor([1, 2]), boxes[:2], SIZE)
    assert photographs.crop(torch.tensor([2, 3]), boxes[:2], SIZE).shape == (2, 3, SIZE, SIZE)


def test_workers_leave_signals_to_the_stage(prepared):
    """Those that a job's processes all get, when it is to save itself. One that is killed is an error of one line."""
    photographs = PreparedDataset(prepared / "decoded").photographs("train", whole=True)
    asked = torch.arange(7), torch.tensor([[0, 0, 9, 9]] * 7), SIZE
    others = psutil.Process().children()
    before = photographs.crop(*asked)
    workers = [process for process in psutil.Process().children() if process not in others]
    assert len(workers) == decoded.WORKERS
    for name in ("INT", "TERM", "USR1"):  # by another process than this, whose SIGTERM ends them
        subprocess.run(["kill", f"-{name}", *(str(worker.pid) for worker in workers)], check=True)
    assert torch.equal(photographs.crop(*asked), before) and all(worker.is_running() for worker in workers)
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)  # or it would have done its part
    threading.Timer(0.5, lambda: [worker.kill() for worker in workers]).start()
    with pytest.raises(UserError, match="a process that decodes images has died.*run the same command again"):
        photographs.crop(*asked)


@pytest.mark.parametrize("end, code", [("pass", 0), ("time.sleep(1); os.kill(os.getpid(), 9)", -9)])
def test_a_process_with_workers_ends(prepared, end, code):
    """Soon, as a stage does when it has read images, or that is killed while it does; nothing is left of it."""
    script = f"""
import os, sys, time, torch
from harness.pipeline.cells import Result
from harness.prepared import PreparedDataset
photographs = PreparedDataset(sys.argv[1]).photographs("train", whole=True)
photographs.crop(torch.arange(7), torch.tensor([[0, 0, 9, 9]] * 7), 400)
photographs.pieces[:] = [([0], [[0, 0, 9, 9]], 400)] * 4
images = iter(photographs.loader)  # more than a pipe holds, and nobody takes them
{end}
"""
    run = subprocess.Popen([sys.executable, "-c", script, prepared / "decoded"], start_new_session=True)
    assert run.wait(timeout=60) == code
    deadline = time.monotonic() + 20
    while left := at_work(run.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def at_work(group):
    """The processes of a group."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):  # it has ended meanwhile
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_report_has_pictures_of_the_images_that_a_record_is_of(prepared, tmp_path, monkeypatch, cached, labelled):
    """However they are stored; those without labels are looked at again. A kept record tells them by a hash."""
    (tmp_path / "raw").mkdir()
    for split in ("train", "test")[: 1 + labelled]:
        (tmp_path / "raw" / split).symlink_to(prepared / "raw" / split / ("" if labelled else "a"))
    (tmp_path / "data").mkdir()
    prepare(tmp_path, "data/d", cached=cached)
    monkeypatch.chdir(tmp_path)
    record = {"cell": {"dataset": "d"}, "evidence": {"inputs": hashes([Path("data/d")])}}
    write_json(tmp_path / "kept/metrics.json", record)
    ran, kept = (Result("scan", "0-0", tmp_path / "kept", kept=kept) for kept in (False, True))
    assert pictured(ran, "d") and pictured(kept, "d")
    record["evidence"]["inputs"] = dict.fromkeys(record["evidence"]["inputs"], "0")
    write_json(tmp_path / "kept/metrics.json", record)
    assert pictured(ran, "d") and not pictured(kept, "d")
