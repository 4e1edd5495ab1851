"""When the facts of a data set here are those that records were kept with."""

import pytest

from harness.files import write_json
from harness.results.archive import alike

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
