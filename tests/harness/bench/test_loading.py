"""What is timed against torchvision is the same images."""

import json
import re

import pytest
import torch
from PIL import Image

from harness import datasets
from harness.bench import loading
from harness.errors import UserError
from harness.pipeline.resolve import in_force, sections_of
from harness.prepared import PreparedDataset
from harness.record import Cell
from harness.settings import Dataset


@pytest.fixture
def folder(tmp_path, monkeypatch, photos):
    """Real images of two classes, 32 pixels wide and 28 high, prepared at 24, in a folder with params/."""
    monkeypatch.chdir(tmp_path)
    for split, some in {"train": photos[:48], "test": photos[48:56]}.items():
        for number, image in enumerate(some):
            file = tmp_path / "raw" / split / "ab"[number % 2] / f"{number:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[:, :28].permute(1, 2, 0).numpy()).save(file)
    (tmp_path / "params").mkdir()
    for name, source in {"few": "folder", "other": "digits"}.items():
        settings = {"dataset": {"source": source, "root": "raw", "size": 24, "mean": [0.5] * 3, "std": [0.2] * 3}}
        (tmp_path / f"params/{name}.yaml").write_text(json.dumps(settings))
    cell = Cell("harness", "dataset", "few", "0")
    datasets.run(cell, in_force(cell), {}, tmp_path / "data/few")
    return tmp_path


def test_both_ways_give_the_same_images(folder):
    rows = torch.randperm(48, generator=torch.Generator().manual_seed(0)).split(20)
    theirs = loading.photographs(sections_of("few").read("dataset", Dataset), rows, workers=0)
    for found, expected in zip(loading.prepared(PreparedDataset(folder / "data/few"), rows), theirs, strict=True):
        assert found.shape[1:] == (3, 24, 24) and torch.equal(found, expected)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_each_way_has_its_line(folder, whole, cached, capsys):
    """Whole photographs are cropped at random, both ways."""
    settings = json.loads((folder / "params/few.yaml").read_text())
    changed = settings["dataset"] | {"whole": whole, "cached": cached, "shorter": 26}
    (folder / "params/few.yaml").write_text(json.dumps({"dataset": changed}))
    cell = Cell("harness", "dataset", "few", "0")
    datasets.run(cell, in_force(cell), {}, folder / "data/few")
    loading.bench("few", batch=20, steps=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(re.fullmatch(r".+ [\d]+ images/s \(\d+ to \d+\)", line) for line in lines)
    assert lines[0].startswith("prepared, read" if cached else "decoded")


def test_images_that_are_downloaded_are_refused(folder):
    with pytest.raises(UserError, match="other comes from 'digits'"):
        loading.bench("other", batch=20, steps=2)
