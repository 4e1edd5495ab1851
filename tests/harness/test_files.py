"""Files are written whole or not at all, and read without unpickling."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import weights
from harness.errors import UserError
from harness.files import alone, checked, read_csv, read_json, read_npy, read_npz, read_yaml, write_json, write_npz, writing

ROOT = Path(__file__).parent.parent.parent


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


def test_a_matrix_has_a_line_for_each_row_and_a_long_one_for_each_number(tmp_path):
    value = {"match": {"rows": [[1, 2], [3, 4]], 5: {}}, "none": [], "name": "Größe, \"x\": [1]", "long": list(range(100))}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert read_json(tmp_path / "a.json") == json.loads(json.dumps(value))
    assert '{\n "match": {\n  "rows": [\n   [1, 2],\n   [3, 4]\n  ],\n  "5": {}\n },\n "none": [],\n' in text
    assert ' "long": [\n  0,\n  1,\n' in text and text.endswith("  99\n ]\n}\n")


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


def test_a_compressed_npz_whose_bytes_are_spoilt_is_named(tmp_path):
    write_npz(tmp_path / "a.npz", compressed=True, train=np.random.default_rng(0).normal(size=1000))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[500:520] = bytes(20)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"a.npz cannot be read .* remove it and make it again"):
        read_npz(tmp_path / "a.npz", "train")


def test_an_array_by_itself_is_no_archive(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(UserError, match="a.npz is no archive of arrays: remove it and make it again"):
        read_npz(tmp_path / "a.npz", "train")


@pytest.mark.parametrize("array, says", [
    (np.zeros((3, 2), np.float32), None),
    (np.zeros((4, 2), np.float32), r"a: b is float32 \[4, 2\], and should be float \[3, any\]: remove it and make it again"),
    (np.zeros(3, np.float32), r"a: b is float32 \[3\], and should be float \[3, any\]"),
    (np.float32(0), r"a: b is float32 \[\], and should be float \[3, any\]"),
    (np.zeros((3, 2), np.int64), r"a: b is int64 \[3, 2\], and should be float \[3, any\]"),
])
def test_an_array_of_another_shape_or_kind_is_named(array, says):
    if says is None:
        assert checked(array, "a: b", "float", (3, None)) is array
    else:
        with pytest.raises(UserError, match=says):
            checked(array, "a: b", "float", (3, None))


@pytest.mark.parametrize("values, least, right", [
    ([0, 4], 0, True), ([], 0, True), ([-1, 4], 0, False), ([0, 5], 0, False), ([-1, 4], -1, True), ([-2, 4], -1, False)])
def test_whole_numbers_out_of_range_are_named(values, least, right):
    array = np.array(values, np.int64)
    if right:
        assert checked(array, "a", "int", (None,), least, below=5) is array
    else:
        with pytest.raises(UserError, match=f"a holds {min(values)} to {max(values)}, and should hold {least} to 4: remove it"):
            checked(array, "a", "int", (None,), least, below=5)


@pytest.mark.parametrize("read", [read_yaml, read_json, read_csv])
def test_text_that_is_not_utf_8_is_named_with_its_line_and_what_is_no_file_is_named(tmp_path, read):
    (tmp_path / "a").write_bytes(b"title: x\nquestion: caf\xe9\n")
    with pytest.raises(UserError, match="a, line 2: byte 0xe9 is not UTF-8; save the file as UTF-8"):
        read(tmp_path / "a")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        read(tmp_path)
    with pytest.raises(UserError, match="a/b cannot be read"):
        read(tmp_path / "a/b")
    with pytest.raises(UserError, match="b is missing"):
        read(tmp_path / "b")


def test_text_is_utf_8_whatever_the_machines_encoding_is_and_names_that_are_not_keep_their_bytes(tmp_path):
    """Written by a Python that takes the machine's text for ASCII; the name is one in Latin-1."""
    program = """if True:
        import locale, os, sys
        from harness.files import write_csv, write_json, write_text
        assert locale.getencoding() not in ("UTF-8", "utf-8")
        write_text("a.txt", "\\u00b1 1")
        write_csv("a.csv", ("file", "gap"), [{"file": os.fsdecode(b"caf\\xe9.png"), "gap": "\\u00b1"}])
        write_json("a.json", [os.fsdecode(b"caf\\xe9.png")])
    """
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **ascii_only}, check=True)
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb1 1"
    assert (tmp_path / "a.csv").read_bytes() == b"file,gap\ncaf\xe9.png,\xc2\xb1\n"
    assert read_json(tmp_path / "a.json") == [os.fsdecode(b"caf\xe9.png")]


def test_a_folder_is_held_by_a_command_with_a_name_that_is_not_utf_8(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "orig_argv", ["python", os.fsdecode(b"caf\xe9")])
    with alone("out"):
        assert b"caf\xe9" in Path("checkpoints/out.lock").read_bytes()


def test_an_array_that_is_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_npy(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        read_npz(tmp_path, "a")


@pytest.mark.parametrize("text, says", [
    ("5: 1", "line 1: the key '5' is read as int, and should be text"),
    ("a: 1\n1.5: 1", "line 2: the key '1.5' is read as float, and should be text"),
    ("a: {off: 1}", "line 1: the key 'off' is read as bool, and should be text"),
    ("null: 1", "line 1: the key 'null' is read as null, and should be text"),
    ("2020-01-01: 1", "line 1: the key '2020-01-01' is read as timestamp, and should be text"),
    ("? [a, b]\n: 1", "line 1: the key is a seq, and should be text"),
    ("a: 2020-13-45", "line 1: '2020-13-45' cannot be read (month must be in 1..12)"),
    ("a: b\n\tc: d", "line 2: found character '\\t' that cannot start any token"),
    ("[" * 5000, None),
])
def test_yaml_that_is_no_mapping_from_text_is_named_with_its_line(tmp_path, text, says):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(tmp_path / "a.yaml")
    assert str(error.value) == (f"{tmp_path}/a.yaml, {says}" if says else f"{tmp_path}/a.yaml is nested too deeply")


def test_what_was_read_may_be_changed_and_is_read_again_as_it_stands(tmp_path):
    (tmp_path / "a.yaml").write_text("a: {b: [1]}")
    read_yaml(tmp_path / "a.yaml")["a"]["b"].append(2)
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"b": [1]}}
    (tmp_path / "a.yaml").write_text("a: 3")
    assert read_yaml(tmp_path / "a.yaml") == {"a": 3}


def test_keys_that_are_merged_may_be_said_again(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {b: 1}\nc: {<<: *a, b: 2}\n'5': 3")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"b": 1}, "c": {"b": 2}, "5": 3}


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


@pytest.mark.parametrize("value", [[torch.zeros(3)], torch.zeros(3), 5, {0: torch.zeros(3)}, None])
def test_what_is_no_mapping_of_weights_is_named(tmp_path, value):
    weights.save(tmp_path / "a.pt", value)
    with pytest.raises(UserError, match="a.pt is no mapping of names to weights: remove it and run `x`"):
        weights.load_into(torch.nn.Linear(20, 20), tmp_path / "a.pt", "x")


@pytest.mark.parametrize("value", [{"weight": 5, "bias": torch.zeros(20)}, {"weight": [[1.0]], "bias": torch.zeros(20)}, {}])
def test_weights_that_are_no_tensors_are_named(tmp_path, value):
    weights.save(tmp_path / "a.pt", value)
    with pytest.raises(UserError, match=r"a.pt holds the weights of another network \(.+\): remove it and run `x`"):
        weights.load_into(torch.nn.Linear(20, 20), tmp_path / "a.pt", "x")


def test_a_checkpoint_without_one_of_its_parts_is_named(tmp_path):
    weights.save(tmp_path / "a.pt", {"model": {}})
    assert weights.load(tmp_path / "a.pt", "remove it", ("model",)) == {"model": {}}
    with pytest.raises(UserError, match="a.pt is no mapping of model, curves: remove it"):
        weights.load(tmp_path / "a.pt", "remove it", ("model", "curves"))


@pytest.mark.parametrize("state", [{}, {"cluster_head.0.bias": 5}, {"cluster_head.0.bias": torch.zeros(())}])
def test_weights_without_a_cluster_head_are_named(state):
    assert weights.count_clusters({"cluster_head.0.bias": torch.zeros(7)}, "a.pt", "remove it") == 7
    with pytest.raises(UserError, match="a.pt holds no cluster head: remove it"):
        weights.count_clusters(state, "a.pt", "remove it")
