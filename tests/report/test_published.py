"""The paper's comparison tables: in full, ours filled in on the data set that was run, and nowhere else."""

import csv

import pytest

from harness.files import read_yaml
from report.published import FILE, published_tables
from tests.report import made

ACC = {"0-0": 0.8, "1-0": 0.9}


@pytest.fixture
def main():
    """The rewrite's SCAN on two seeds, with NMI at half and ARI at a quarter of the accuracy; k-means on one."""
    study = made.study({"default": {"scan": {}, "selflabel": {}}})
    return made.summary("main", study, made.cells({"reimpl/default/scan": ACC, "kmeans/embeddings": {"0": 0.4}}))


def ours(table):
    return {name: cells for name, cells, own in table["rows"] if own}


SCAN, KMEANS = "Rewrite, SCAN without self-labeling, here", "Rewrite, pretext + K-means, here"


@pytest.mark.parametrize("dataset, column", [("cifar10", 0), ("cifar20", 3), ("stl10", 6), ("digits", None)])
def test_ours_stand_in_the_columns_of_the_data_set_that_was_run(main, tmp_path, dataset, column):
    methods, _ = published_tables([main], dataset, tmp_path)
    expected = {SCAN: ["85.0 ± 7.1", "42.5 ± 3.5", "21.2 ± 1.8"], KMEANS: ["40.0", "20.0", "10.0"]}
    for name, cells in ours(methods).items():
        row = ["not run"] * 9
        if column is not None and name in expected:
            row[column : column + 3] = expected[name]
        assert cells == row, name


def test_without_the_study_main_nothing_of_ours_is_there(main, tmp_path):
    methods, imagenet = published_tables([made.summary("other", main.study, main.records)], "cifar10", tmp_path)
    assert set(sum(ours(methods).values(), [])) == {"not run"} and ours(imagenet) == {}


def test_the_published_rows_are_as_the_file_has_them_and_as_wide_as_the_heads(main, tmp_path):
    written, tables = read_yaml(FILE), published_tables([main], "digits", tmp_path)
    for name, table in zip(("methods", "imagenet"), tables):
        width = len(table["columns"]) * max(1, len(table["groups"]))
        assert {len(cells) for _, cells, _ in table["rows"]} == {width}
        assert [row for row, _, own in table["rows"] if not own] == list(written[name]["rows"])
    rows = {row: cells for row, cells, _ in tables[0]["rows"]}
    assert rows["SCAN"][:3] == ["87.6 ± 0.4", "78.7 ± 0.5", "75.8 ± 0.7"]
    assert rows["Triplets"] == ["20.5", "–", "–", "9.94", "–", "–", "24.4", "–", "–"]


def test_each_table_is_written_as_csv(main, tmp_path):
    published_tables([main], "cifar10", tmp_path)
    with open(tmp_path / "published/methods.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert rows[SCAN]["CIFAR10 NMI"] == "42.5 ± 3.5" and rows[SCAN]["STL10 NMI"] == "not run"
    assert rows["K-means"]["CIFAR100-20 ARI"] == "2.8"
    with open(tmp_path / "published/imagenet.csv", newline="") as file:
        assert {row["method"]: row["Top-1"] for row in csv.DictReader(file)}["SCAN"] == "39.9"
