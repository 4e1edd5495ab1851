"""A run on another machine: what is carried back and on, and in which order the stages are run as the time allows."""

from types import SimpleNamespace

import pytest
import torch

from harness import weights
from harness.bench import elsewhere, luggage
from harness.errors import GO_ON, UserError
from harness.files import read_json, write_json
from tests.harness.bench.test_bench import Recorded


@pytest.fixture
def left(tmp_path):
    """A folder with a record, weights, and a checkpoint, of numbers as networks have them."""
    draws = torch.Generator().manual_seed(0)
    state = {"conv": torch.randn(64, 32, 3, 3, generator=draws) / 17, "norm": torch.randn(64, generator=draws),
             "steps": torch.tensor(7)}
    momentum = torch.randn(90, 100, generator=draws) * 1e-6
    checkpoint = {"model": state, "optimizer": [{"momentum": momentum}], "generator": draws.get_state(),
                  "curves": [{"loss": 0.1}], "seconds": 2.5}
    weights.save(tmp_path / "from/runs/a/model.pt", state)
    weights.save(tmp_path / "from/checkpoints/b.pt", checkpoint)
    write_json(tmp_path / "from/runs/a/metrics.json", {"acc": 0.5})
    return tmp_path


def rounded(old, new, bits, least):
    """To so many bits, or by `least`."""
    assert new.dtype == old.dtype == torch.float32 and not torch.equal(new, old)
    assert ((new - old).abs() <= (old.abs() * 2.0**-bits).clamp(min=least)).all()


def test_what_is_packed_comes_back(left, monkeypatch):
    """In several pieces; large tensors rounded to 11 bits, an optimizer's to 8; all else as it was."""
    monkeypatch.setattr(luggage, "PIECE", 20_000)
    assert luggage.pack(left / "from", left / "pieces") == []
    sizes = [file.stat().st_size for file in (left / "pieces").iterdir()]
    assert len(sizes) > 3 and max(sizes) == 20_000
    luggage.unpack(left / "pieces", left / "to")
    assert read_json(left / "to/runs/a/metrics.json") == {"acc": 0.5}
    before, after = (weights.load(left / place / "checkpoints/b.pt", "") for place in ("from", "to"))
    rounded(before["model"]["conv"], after["model"]["conv"], 11, 2.0**-25)  # float16's steps below 2**-14 are 2**-24
    rounded(before["optimizer"][0]["momentum"], after["optimizer"][0]["momentum"], 8, 0)
    for old, new in [(before["model"][name], after["model"][name]) for name in ("norm", "steps")]:
        assert new.dtype == old.dtype and torch.equal(new, old)
    assert torch.equal(before["generator"], after["generator"])
    assert {key: after[key] for key in ("curves", "seconds")} == {key: before[key] for key in ("curves", "seconds")}
    assert torch.equal(weights.load(left / "to/runs/a/model.pt", "")["conv"], after["model"]["conv"])


def test_a_missing_piece_is_said(left, monkeypatch):
    monkeypatch.setattr(luggage, "PIECE", 20_000)
    luggage.pack(left / "from", left / "pieces")
    (left / "pieces/piece1").unlink()
    with pytest.raises(UserError, match="pieces: a piece is missing or damaged"):
        luggage.unpack(left / "pieces", left / "to")


def test_what_does_not_fit_is_left_behind_and_said(left, monkeypatch):
    """The record and the checkpoint go before the weights."""
    monkeypatch.setattr(luggage, "MOST", 75_000)
    (left / "pieces").mkdir()
    (left / "pieces/piece9").write_bytes(b"of an earlier call")
    assert luggage.pack(left / "from", left / "pieces") == [left / "from/runs/a/model.pt"]
    luggage.unpack(left / "pieces", left / "to")
    assert sorted(file.name for file in (left / "to").rglob("*.*")) == ["b.pt", "metrics.json"]


def test_stages_run_in_their_order_as_far_as_the_time_goes(tmp_path, monkeypatch, capsys):
    """A stage that has saved itself is gone on with by the next call; one that fails ends the call, which packs what there is."""
    ran, codes = [], iter([0, 0, GO_ON, 0, 0, 2])

    def run(command, cwd, env):
        ran.append(command[3])
        code = next(codes)
        if code == 0:
            write_json(cwd / command[-1] / ("dataset.json" if command[3] == "dataset" else "metrics.json"), {})
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr(elsewhere.subprocess, "run", run)
    arguments = dict(work=tmp_path / "work", dataset="cifar10", images=tmp_path, out=tmp_path / "out",
                     changes={"kmeans": {"clusters": 3}})
    elsewhere.train(seconds=elsewhere.SPARE, **arguments)
    assert ran == []
    elsewhere.train(seconds=500, **arguments)
    assert ran == ["dataset", "pretext", "neighbors"] and "neighbors: to go on" in capsys.readouterr().out
    with pytest.raises(UserError, match="selflabel ended with the code 2"):
        elsewhere.train(seconds=500, **arguments)
    assert ran[3:] == ["neighbors", "scan", "selflabel"]
    luggage.unpack(tmp_path / "out", tmp_path / "back")
    assert len([*(tmp_path / "back").rglob("metrics.json")]) == 3
    written = elsewhere.read_yaml(tmp_path / "work/params/cifar10.yaml")
    assert written["kmeans"]["clusters"] == 3 and (tmp_path / "work" / written["dataset"]["root"]).samefile(tmp_path)
    assert 400 < elsewhere.read_yaml(tmp_path / "work/params.yaml")["execution"]["stop_after"] <= 500 - elsewhere.SPARE


def test_what_is_measured_is_told(monkeypatch, capsys):
    """The step recorded and not, by records that are made up."""
    made = []

    class Made(Recorded):
        def __init__(self, folder, on_gpu, execution):
            super().__init__()
            made.append((on_gpu, execution))

    monkeypatch.setattr(elsewhere, "Workspace", Made)
    monkeypatch.setattr(elsewhere, "find_device", lambda choice: torch.device("cuda"))
    monkeypatch.setattr(elsewhere.subprocess, "run", lambda command, cwd, check: print(*command[1:3]))
    elsewhere.measure()
    assert made == [(True, {"cuda_graph": True}), (True, {"cuda_graph": False})]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "-m pytest" and sum("share 0.5" in line for line in lines) == 4
