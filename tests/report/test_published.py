"""The paper's comparison tables: in full, ours filled in on the data set that was run, each figure with how it was come by."""

import csv

import pytest

from harness.files import read_yaml
from harness.pipeline.study import load_study
from report.published import FILE, published_tables
from tests.report import made

NETWORK = {"network": {"width": 16, "blocks": [1, 2, 1], "pool": False}}
SCAN, KMEANS, REWRITE = "SCAN, without self-labeling", "Pretext + K-means", "here, rewrite"
AUTHORS, JOINT = "here, authors' code", "joint/test"
FACTS = {name: [REWRITE, "train/test", backbone, n, minutes] for name, backbone, n, minutes in (
    (SCAN, "ResNet-10, width 16", "2", "11.5"), (KMEANS, "ResNet-10, width 16", "1", "11.5"), ("K-means", "–", "1", "1.5"),
    ("DEC", "ResNet-10, width 16", "2", "1.5"))}  # of 90 s a stage, and 8.5 minutes the pretext task's
CELLS = {SCAN: ["85.0 ± 7.1", "42.5 ± 3.5", "21.2 ± 1.8"], KMEANS: ["40.0", "20.0", "10.0"], "K-means": ["20.0", "10.0", "5.0"],
         "DEC": ["50.0 ± 14.1", "25.0 ± 7.1", "12.5 ± 3.5"]}


@pytest.fixture
def main():
    """The rewrite's SCAN on two seeds, with NMI at half and ARI at a quarter of the accuracy; k-means on one."""
    arms = {"clustering": {"default": {"scan": {}, "selflabel": {}}}}
    study = made.study({"reimpl": arms, "original_ref": arms},
                       shared=("pretext/simclr", "neighbors/simclr", "kmeans/pixels", "kmeans/embeddings",
                               "original_ref/pretext/simclr"))
    cells = [*made.cells({"reimpl/default/scan": {"0-0": 0.8, "1-0": 0.9}}, settings=NETWORK),
             *made.cells({"kmeans/embeddings": {"0": 0.4}, "kmeans/pixels": {"0": 0.2}}),
             *(made.cell("pretext/simclr", seed, {}, evidence=made.EVIDENCE | {"seconds": seconds})
               for seed, seconds in (("0", 480.0), ("1", 540.0))),
             made.cell("neighbors/simclr", "0", {}, settings=NETWORK)]
    return made.summary("main", study, cells)


def baselines(**accuracies):
    """The study `methods`, of arms with these accuracies by seed."""
    study = made.study({"reimpl": {"baseline": {arm: {"baseline": {arm: {}}} for arm in accuracies}}})
    return made.summary("methods", study, made.cells({f"reimpl/{arm}/baseline": by_seed for arm, by_seed in accuracies.items()},
                                                     settings=NETWORK))


@pytest.fixture
def methods():
    return baselines(dec={"0": 0.4, "1": 0.6})


def ours(table):
    return {(row["name"], row["facts"][0]): row for row in table["rows"] if row["evidence"] is not None}


@pytest.mark.parametrize("dataset, column, groups", [
    ("cifar10", 0, 3), ("cifar20", 3, 3), ("stl10", 6, 3), ("digits", 0, 4)])
def test_ours_stand_below_the_published_row_in_the_columns_of_the_data_set_that_was_run(main, methods, tmp_path, dataset, column,
                                                                                        groups):
    """In those of the paper where it is one of its data sets, else in columns of its own."""
    table, _ = published_tables([main, methods], (), dataset, tmp_path)
    assert table["groups"] == ["digits", "CIFAR-10", "CIFAR100-20", "STL-10"][-groups:]
    assert set(ours(table)) == {*((name, REWRITE) for name in (*CELLS, "SCAN")), (SCAN, AUTHORS), ("SCAN", AUTHORS)}
    for (name, whose), row in ours(table).items():
        ran = name in CELLS and whose == REWRITE
        expected = [""] * 3 * groups
        expected[column : column + 3] = CELLS[name] if ran else ["not run"] * 3
        assert row["cells"] == expected and row["facts"] == (FACTS[name] if ran else [whose, "train/test", "", "", ""]), name
        assert len(row["evidence"]) == (int(FACTS[name][3]) if ran else 0)
    names = [row["name"] for row in table["rows"]]
    assert names == sorted(names, key=names.index) and [row["span"] for row in table["rows"] if row["span"]] == [
        names.count(name) for name in dict.fromkeys(names)]


def test_where_nothing_ran_nothing_of_ours_is_there(main, tmp_path):
    other = made.summary("other", main.study, main.records)
    assert ours(published_tables([other], (), "cifar10", tmp_path)[0]) == {}
    methods, imagenet = published_tables([other], [("main", main.study)], "cifar10", tmp_path)
    assert {cell for row in ours(methods).values() for cell in row["cells"]} == {"not run", ""} and ours(imagenet) == {}


def test_images_without_labels_are_scored_by_nothing(main, tmp_path):
    found = made.summary("methods", baselines(dec={}).study, [made.cell("reimpl/dec/baseline", "0", {"acc": None})])
    row = ours(published_tables([main, found], (), "digits", tmp_path)[0])["DEC", REWRITE]
    assert row["cells"][:3] == ["–"] * 3 and row["facts"][3] == "1"


def test_a_method_that_the_paper_does_not_have_has_a_row_of_its_own(main, tmp_path):
    table, _ = published_tables([main, baselines(dec={"0": 0.4}, idec={"0": 0.3, "1": 0.3})], (), "digits", tmp_path)
    last = table["rows"][-1]
    assert (last["name"], last["cells"][:3], last["span"]) == ("idec", ["30.0 ± 0.0", "15.0 ± 0.0", "7.5 ± 0.0"], 1)
    assert [row["name"] for row in table["rows"]].count("DEC") == 2


@pytest.mark.parametrize("settings, backbone", [
    (NETWORK | {"baseline": {"clusters": 2}}, "–"),  # as of spectral clustering, which trains no network
    (NETWORK | {"baseline": {"training": {}}}, "ResNet-10, width 16")])
def test_protocol_and_backbone_are_as_study_and_records_have_them(main, tmp_path, settings, backbone):
    changes = {"dec": {"baseline": {"dec": {}}}, "dec_joint": {"dataset": {"joint": True}, "baseline": {"dec": {}}}}
    cells = made.cells({"reimpl/dec/baseline": {"0": 0.4}, "reimpl/dec_joint/baseline": {"0": 0.5}}, settings=settings)
    study = made.study({"reimpl": {"baseline": changes}})
    found = made.summary("methods", study, cells)
    apart, both = [[row for row in published_tables(*arguments, "digits", tmp_path)[0]["rows"] if row["name"] == "DEC"][1:]
                   for arguments in (([main, found], ()), ([main], [("methods", study)]))]
    assert [row["facts"] for row in apart] == [[REWRITE, "train/test", backbone, "1", "1.5"],
                                               [REWRITE, JOINT, backbone, "1", "1.5"]]
    assert [row["facts"] for row in both] == [[REWRITE, "train/test", "", "", ""], [REWRITE, JOINT, "", "", ""]]


def test_the_published_rows_are_as_the_file_has_them_and_as_wide_as_the_heads(main, tmp_path):
    written, tables = read_yaml(FILE), published_tables([main], (), "digits", tmp_path)
    for table in tables:
        width = len(table["columns"]) * max(1, len(table["groups"]))
        assert {len(row["cells"]) for row in table["rows"]} == {width}
        assert {len(row["facts"]) for row in table["rows"]} == {len(table["facts"])}
    published = [[row["name"] for row in table["rows"] if row["evidence"] is None] for table in tables]
    assert published[0] == [name for block in written["methods"]["blocks"] for name in block["rows"]]
    assert published[1] == list(written["imagenet"]["rows"])
    rows = {row["name"]: row for row in tables[0]["rows"] if row["evidence"] is None}
    assert rows["SCAN"]["cells"][3:6] == ["87.6 ± 0.4", "78.7 ± 0.5", "75.8 ± 0.7"]
    assert rows["SCAN"]["facts"] == ["copied", "train/test", "ResNet-18", "10", "–"]
    assert rows["Triplets"]["cells"] == ["", "", "", "20.5", "–", "–", "9.94", "–", "–", "24.4", "–", "–"]
    assert rows["Triplets"]["facts"] == ["copied", "joint/joint", "–", "–", "–"]


def test_what_runs_a_row_is_an_arm_that_there_is_and_a_row_of_the_table():
    table = read_yaml(FILE)["methods"]
    names = {name for block in table["blocks"] for name in block["rows"]}
    assert set(table["here"]) == names - {"SCAN, best run"}
    for places in table["here"].values():
        for study, step in (place.split("/", 1) for place in places):
            found = load_study(study)
            if step not in found.shared:
                implementation, arm, stage = step.split("/")
                assert stage in [one.name for one in found.run(implementation, found.group(implementation, arm))]


def test_each_table_is_written_as_csv(main, tmp_path):
    published_tables([main], (), "cifar10", tmp_path)
    with open(tmp_path / "published/methods.csv", newline="") as file:
        rows = {(row["method"], row["source"]): row for row in csv.DictReader(file)}
    assert rows[SCAN, REWRITE]["CIFAR-10 NMI"] == "42.5 ± 3.5" and rows[SCAN, REWRITE]["STL-10 NMI"] == ""
    assert rows[SCAN, REWRITE]["backbone"] == "ResNet-10, width 16" and rows[SCAN, REWRITE]["n"] == "2"
    assert rows["K-means", "copied"]["CIFAR100-20 ARI"] == "2.8" and rows["K-means", "copied"]["protocol"] == "joint/joint"
    with open(tmp_path / "published/imagenet.csv", newline="") as file:
        assert {row["method"]: row["Top-1"] for row in csv.DictReader(file)}["SCAN"] == "39.9"
