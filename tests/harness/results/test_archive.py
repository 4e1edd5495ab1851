"""When the facts of a data set here are those that records were kept with, and what replaces a record that was kept."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.files import write_json, write_npz
from harness.pipeline.cells import Result
from harness.results import archive
from harness.results.archive import alike, keep
from harness.results.verify import RUNS, altered

FACTS = {"classes": ["a", "b"], "images": {"train": 8, "test": 4}, "shape": [8, 8, 1]}


@pytest.mark.parametrize("made, same", [
    (FACTS, True),
    (FACTS | {"named": [], "again": False, "labelled": ["train", "test"]}, True),  # fields that came later, as they always were
    (FACTS | {"source": "folder", "named": ["train", "test"]}, True),  # the same images, from files of another kind
    (FACTS | {"again": True}, False),
    (FACTS | {"images": {"train": 8, "test": 5}}, False),
])
def test_facts_are_alike_whichever_of_them_are_left_out(tmp_path, made, same):
    write_json(tmp_path / "kept/dataset.json", FACTS)
    write_json(tmp_path / "made/dataset.json", made)
    assert alike(tmp_path / "kept/dataset.json", tmp_path / "made/dataset.json") == same


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of a data set's kept records: SCAN's and those of what it was made from, all of which would count."""
    monkeypatch.chdir(tmp_path)
    write_json("data/d/dataset.json", FACTS)
    places = {stage: RUNS / "d" / place for stage, place in
              {"neighbors": "neighbors/simclr/0", "pretext": "pretext/simclr/0", "scan": "studies/s/reimpl/a/0-0/scan"}.items()}
    for stage, place in places.items():
        write_json(place / "metrics.json", {"cell": {"stage": stage}, "settings": {stage: {"a": 1}}})
    write_npz(places["scan"] / "predictions.npz", probabilities=np.eye(4, dtype=np.float32), features=np.eye(4, dtype=np.float32))
    monkeypatch.setattr(archive, "load_study", lambda name: None)
    monkeypatch.setattr(archive, "seeds", lambda dataset: None)
    monkeypatch.setattr(archive, "results", lambda *_: [Result("", "0", place) for place in places.values()])
    monkeypatch.setattr(archive, "start_results", lambda *_: [])
    monkeypatch.setattr(archive, "mistakes", lambda folder, place: [])
    keep(["s"], "d")
    return tmp_path / "records/d"


def contents(kept):
    return {file: file.read_bytes() for file in kept.parent.rglob("*") if file.is_file()}


def full(*arguments, **arrays):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("spoil, error", [
    (lambda patch: (RUNS / "d/studies/s/reimpl/a/0-0/scan/predictions.npz").write_bytes(b"PK"), UserError),
    (lambda patch: patch.setattr(archive, "write_npz", full), OSError),
    (lambda patch: patch.setattr(archive, "mistakes", lambda folder, place: ["acc is another"]), UserError),
])
def test_what_cannot_be_kept_leaves_what_was_and_no_more(kept, monkeypatch, spoil, error):
    before = contents(kept)
    assert len(before) == 6
    write_json(RUNS / "d/studies/s/reimpl/a/0-0/scan/metrics.json", {"cell": {"stage": "scan"}, "settings": {"scan": {"a": 2}}})
    spoil(monkeypatch)
    with pytest.raises(error):
        keep(["s"], "d")
    assert contents(kept) == before


def test_a_record_is_verified_once_what_it_was_made_from_is_in_its_place(kept, monkeypatch):
    seen = []
    monkeypatch.setattr(archive, "mistakes", lambda folder, place: seen.append(place.relative_to("records/d").parts[0]) or [])
    for file in RUNS.rglob("metrics.json"):
        write_json(file, {"cell": {"stage": next(stage for stage in ("pretext", "neighbors", "scan") if stage in file.parts)},
                          "settings": {"scan": {"a": 2}}})
    keep(["s"], "d")
    assert seen == ["pretext", "neighbors", "s"]
    files = [file.relative_to(kept.parent.parent) for file in kept.rglob("*.[jn]*")]
    assert len(files) == 5 and list(altered(kept.relative_to(kept.parent.parent), files)) == []
    assert all('"a": 2' in file.read_text() for file in files if file.name == "metrics.json")
