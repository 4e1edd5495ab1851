"""Files are written whole or not at all, and read without unpickling."""

import json

import numpy as np
import pytest
import torch

from harness import weights
from harness.errors import UserError
from harness.files import read_npz, write_json, write_npz, writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "kept.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError), writing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"loss": float("nan"), "list": [1.5, float("inf")], "n": 3})
    assert json.loads((tmp_path / "a.json").read_text()) == {"loss": None, "list": [1.5, None], "n": 3}


def test_npz_comes_back_as_it_was(tmp_path):
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    write_npz(tmp_path / "a.npz", train=array)
    (again,) = read_npz(tmp_path / "a.npz", "train")
    assert again.dtype == array.dtype and (again == array).all()


def test_npz_that_would_be_unpickled_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", train=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="a.npz cannot be read"):
        read_npz(tmp_path / "a.npz", "train")


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_truncated_npz_is_named(tmp_path, keep):
    write_npz(tmp_path / "a.npz", train=np.arange(1000))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:keep])
    with pytest.raises(UserError, match=r"a.npz cannot be read .* remove it and make it again"):
        read_npz(tmp_path / "a.npz", "train")


def test_an_npz_without_the_array_is_named(tmp_path):
    write_npz(tmp_path / "a.npz", test=np.arange(3))
    with pytest.raises(UserError, match="a.npz lacks the array"):
        read_npz(tmp_path / "a.npz", "train")


class Evil:
    def __reduce__(self):
        return print, ("unpickled",)


def test_weights_that_would_run_code_are_refused(tmp_path, capsys):
    torch.save({"a": Evil()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="a.pt is truncated or no file of weights"):
        weights.load(tmp_path / "a.pt", "remove it")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("keep", [0, 7, 500, -1])
def test_truncated_weights_are_named(tmp_path, keep):
    weights.save(tmp_path / "a.pt", torch.nn.Linear(20, 20).state_dict())
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(whole[:keep])
    with pytest.raises(UserError, match=r"a.pt is truncated or no file of weights \(.+\): remove it"):
        weights.load(tmp_path / "a.pt", "remove it")


def test_the_weights_of_another_network_are_named(tmp_path):
    weights.save(tmp_path / "a.pt", torch.nn.Linear(20, 20).state_dict())
    with pytest.raises(UserError, match=r"a.pt holds the weights of another network \(.+\): remove it and run `x`"):
        weights.load_into(torch.nn.Linear(20, 10), tmp_path / "a.pt", "x")
    with pytest.raises(UserError, match="b.pt is missing: it is made by `x`"):
        weights.load_into(torch.nn.Linear(20, 20), tmp_path / "b.pt", "x")
