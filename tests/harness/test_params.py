"""params.yaml and the arms of studies: what is laid over what, and what is wrong with a file in one line."""

import pytest

from harness.command import seed
from harness.errors import UserError
from harness.params import (
    Section,
    check_seeds,
    clustering_seeds,
    dataset_name,
    execution,
    find_arm,
    matters,
    overlay,
    pretext_seeds,
    pretext_tasks,
    seeds,
)
from harness.settings import Network

PARAMS = """
pretext_seeds: [0, 2]
clustering_seeds: [1]
execution: {device: cpu, threads: 2, tracking: disabled, checkpoint_seconds: 5}
"""
SETTINGS = """
network: {width: 8, blocks: [1]}
augmentation: {strong: {flip: 0.5, cutout: 4}}
scan: {clusters: 10, heads: 2}
"""
STUDY = """
arms:
  reimpl:
    whole:
      pretrained: {pretext: {}, scan: {}, selflabel: {}}
    clustering:
      few: {scan: {clusters: 5}, selflabel: {}}
    scan:
      alone: {scan: {heads: 1}}
    selflabel:
  original_ref:
    clustering:
      few: {scan: {clusters: 7}, selflabel: {}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with PARAMS, the SETTINGS of the data set `d` and the study `s`, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "params").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "params/d.yaml").write_text(SETTINGS)
    (tmp_path / "studies/s/study.yaml").write_text(STUDY)
    return tmp_path


def test_overlay_goes_key_by_key_and_leaves_its_arguments_alone():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert overlay(base, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_an_arm_of_any_group_is_laid_over_the_data_set(project):
    assert Section("d").read("network", Network).width == 8
    assert Section("d").mapping("scan") == {"clusters": 10, "heads": 2}
    assert Section("d", "s", "reimpl", "few").mapping("scan") == {"clusters": 5, "heads": 2}
    assert Section("d", "s", "original_ref", "few").mapping("scan") == {"clusters": 7, "heads": 2}
    assert Section("d", "s", "reimpl", "alone").mapping("scan") == {"clusters": 10, "heads": 1}
    assert Section("d", "s", "reimpl", "pretrained").mapping("augmentation.strong") == {"flip": 0.5, "cutout": 4}


@pytest.mark.parametrize("arguments, says", [
    (("e",), "params/ has no 'e.yaml'; it has d.yaml"),
    (("d", "s", "reimpl", "many"), "studies/s/study.yaml: arms.reimpl has no arm 'many'; it has pretrained, few, alone"),
    (("d", "s", "torch", "few"), "studies/s/study.yaml: arms has no 'torch'; it has reimpl, original_ref"),
    (("d", "t", "reimpl", "few"), "studies/t/study.yaml is missing"),
])
def test_an_unknown_name_is_answered_with_the_known_ones(project, arguments, says):
    with pytest.raises(UserError) as error:
        Section(*arguments)
    assert str(error.value) == says


def test_a_section_that_is_not_there_is_named_with_the_arm(project):
    alone = Section("d", "s", "reimpl", "alone")
    for key, says in {
        "kmeans": "params/d.yaml with studies/s/study.yaml: arms.reimpl.scan.alone has no 'kmeans'; it has "
                  "network, augmentation, scan",
        "scan.training": "params/d.yaml: scan with studies/s/study.yaml: arms.reimpl.scan.alone.scan has no 'training'; it has "
                         "clusters, heads",
    }.items():
        with pytest.raises(UserError) as error:
            alone.mapping(key)
        assert str(error.value) == says
    with pytest.raises(UserError, match=r"^params/d.yaml has no 'kmeans'; it has network, augmentation, scan$"):
        Section("d").mapping("kmeans")


@pytest.mark.parametrize("settings, says", [
    (SETTINGS.replace("8", "0"), "params/d.yaml: network: width is 0, and should be at least 8"),
    (SETTINGS.replace("blocks", "blocs"), "params/d.yaml: network: unknown setting 'blocs'; did you mean 'blocks'?"),
    ("", "params/d.yaml holds no mapping of settings"),
    (SETTINGS + "scan: {}", "params/d.yaml, line 5: the key 'scan' is given twice"),
])
def test_what_is_wrong_with_the_settings_of_a_data_set_is_named(project, settings, says):
    (project / "params/d.yaml").write_text(settings)
    with pytest.raises(UserError) as error:
        Section("d").read("network", Network)
    assert str(error.value) == says


@pytest.mark.parametrize("groups, says", [
    ({"clustering": {"a": {"scan": {}}}}, "w.clustering.a has no 'selflabel'; it has scan"),
    ({"scan": {"a": {"scan": {}, "selflabel": {}}}},
     "w.scan.a has 'selflabel'; an arm of the group scan changes settings of scan only"),
    ({"clustering": {"a": {"scan": {}, "selflabel": {}, "network": {}}}},
     "w.clustering.a has 'network'; an arm of the group clustering changes settings of scan, selflabel only"),
    ({"selflabel": {"a": {"selflabel": 0.5}}}, "w.selflabel.a.selflabel should be a mapping of settings, {} to change none"),
    ({"selflabel": {"a": None}}, "w.selflabel.a has no 'selflabel'; it has nothing"),
    ({"scan": {"a": {"scan": {}}}, "selflabel": {"a": {"selflabel": {}}}}, "w has more than one arm 'a'; it has a, a"),
    ({"scan": None}, "w has no arm 'a'; it has none"),
    ({"all": {"a": {}}}, "arms has groups of which one is 'all', and the list of groups has no 'all'; "
                         "it has whole, clustering, scan, selflabel"),
])
def test_an_arm_has_a_mapping_for_each_stage_of_its_group_and_nothing_else(groups, says):
    with pytest.raises(UserError) as error:
        find_arm(groups, "a", "w")
    assert str(error.value) == says


@pytest.mark.parametrize("text, says", [
    ("s: [0, 1, 0]", "params.yaml: s holds 0 twice; a seed counts once"),
    ("s: [0, -1]", "params.yaml: s holds -1, and should hold whole numbers of 0 or more"),
    ("s: [0, true]", "params.yaml: s holds True, and should hold whole numbers of 0 or more"),
    ("s: ['0']", "params.yaml: s holds '0', and should hold whole numbers of 0 or more"),
    ("s: []", "params.yaml: s is [], and should be a list of whole numbers"),
    ("s: 3", "params.yaml: s is 3, and should be a list of whole numbers"),
    ("t: [0]", "params.yaml has no 's'; it has t"),
    ("s: [0]\ns: [1]", "params.yaml, line 2: the key 's' is given twice"),
    ("s: [0", "params.yaml, line 1: expected ',' or ']', but got '<stream end>'"),
])
@pytest.mark.parametrize("key, read", [("pretext_seeds", pretext_seeds), ("clustering_seeds", clustering_seeds)])
def test_what_is_wrong_with_seeds_is_named(project, key, read, text, says):
    (project / "params.yaml").write_text(text.replace("s:", f"{key}:"))
    with pytest.raises(UserError) as error:
        read()
    assert str(error.value) == says.replace(" s ", f" {key} ").replace("'s'", f"'{key}'")


def test_seeds_of_both_kinds_are_read_in_their_order_and_checked_together(project):
    assert (pretext_seeds(), clustering_seeds()) == ([0, 2], [1])
    assert seeds("own", {"own": [9, 1]}, "study.yaml") == [9, 1]
    check_seeds()
    for key in ("pretext_seeds", "clustering_seeds"):
        text = "".join(line for line in PARAMS.splitlines(True) if not line.startswith(key)) + f"{key}: [1, 1]\n"
        (project / "params.yaml").write_text(text)
        with pytest.raises(UserError, match=f"params.yaml: {key} holds 1 twice"):
            check_seeds()


@pytest.mark.parametrize("text, found", [("", 1.0), ("matters: 2\n", 2.0), ("matters: 0.5\n", 0.5)])
def test_what_matters_on_a_data_set_is_a_point_where_it_says_nothing(project, text, found):
    (project / "params/d.yaml").write_text(text + SETTINGS)
    assert matters("d") == found


@pytest.mark.parametrize("value", ["0", "-1", "100", "yes", "'2'", ".nan", "[1]"])
def test_what_matters_is_a_number_of_points(project, value):
    (project / "params/d.yaml").write_text(f"matters: {value}\n{SETTINGS}")
    with pytest.raises(UserError, match="^params/d.yaml: matters is .* and should be a number of points above 0$"):
        matters("d")


@pytest.mark.parametrize("text, right", [("0", True), ("12", True), ("0-3", True), ("12-34", True), ("", False), ("-1", False),
                                         ("0-", False), ("0-1-2", False), ("a", False), ("1.0", False)])
def test_a_seed_on_the_command_line_is_one_number_or_two(text, right):
    if right:
        assert seed(text) == text
    else:
        with pytest.raises(Exception, match=f"'{text}' should be a whole number, or two as in 0-3"):
            seed(text)


def test_how_stages_run_is_read_and_checked(project):
    assert (execution().device, execution().threads, execution().checkpoint_seconds) == ("cpu", 2, 5.0)
    (project / "params.yaml").write_text(PARAMS.replace("threads: 2", "threads: 0"))
    with pytest.raises(UserError, match="params.yaml: execution: threads is 0, and should be from 1 to 1024"):
        execution()
    (project / "params.yaml").write_text(PARAMS.replace("threads: 2", "threads: 100000"))
    with pytest.raises(UserError, match="params.yaml: execution: threads is 100000, and should be from 1 to 1024"):
        execution()


@pytest.mark.parametrize("text, says", [
    ("dataset:", "dataset is None, and should be small letters"),
    ("dataset: 5", "dataset is 5, and should be small letters"),
    ("dataset: ../d", "dataset is '../d', and should be small letters"),
    ("dataset: raw", "dataset is 'raw', which is taken"),  # data/raw is where downloads lie, and DVC would remove it
    ("datasets: d", "has no 'dataset'; it has datasets"),
])
def test_the_data_set_has_a_name(project, text, says):
    (project / "params.yaml").write_text("dataset: d")
    assert dataset_name() == "d"
    (project / "params.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        dataset_name()
    assert str(error.value).startswith(f"params.yaml{'' if 'has no' in says else ':'} {says}")


@pytest.mark.parametrize("text, says", [
    ("simclr", "is 'simclr', and should be a list of names"),
    ("[]", "is [], and should be a list of names"),
    ("[simclr, 'a;b']", ".1 is 'a;b', and should be small letters"),
    ("[simclr, 5]", ".1 is 5, and should be small letters"),
    ("[simclr, simclr]", "holds simclr twice; a task counts once"),
])
def test_the_pretext_tasks_are_names_each_once(project, text, says):
    (project / "params.yaml").write_text("pretext_tasks: [simclr, rotation]")
    assert pretext_tasks() == ["simclr", "rotation"]
    (project / "params.yaml").write_text(f"pretext_tasks: {text}")
    with pytest.raises(UserError) as error:
        pretext_tasks()
    assert str(error.value).startswith(f"params.yaml: pretext_tasks{'' if says[0] == '.' else ' '}{says}")


@pytest.mark.parametrize("text, key, says", [
    ("scan: [1]", "scan", "params/d.yaml: scan should be a mapping of settings, not [1]"),
    ("scan: {training: 5}", "scan.training", "params/d.yaml: scan.training should be a mapping of settings, not 5"),
    ("scan: 5", "scan.training", "params/d.yaml: scan should be a mapping of settings, not 5"),
    ("scan:", "scan.training", "params/d.yaml: scan has no 'training'; it has nothing"),
])
def test_a_section_that_is_no_mapping_is_named(project, text, key, says):
    (project / "params/d.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        Section("d").mapping(key)
    assert str(error.value) == says


@pytest.mark.parametrize("arms, says", [
    ("{reimpl: [few]}", "studies/s/study.yaml: arms.reimpl should be a mapping of groups, not ['few']"),
    ("{reimpl: {scan: [few]}}", "studies/s/study.yaml: arms.reimpl.scan should be a mapping of arms, not ['few']"),
    ("{reimpl: {scan: {few: {scan: [1]}}}}",
     "studies/s/study.yaml: arms.reimpl.scan.few.scan should be a mapping of settings, {} to change none"),
    ("{reimpl: {scan: {few: 5}}}", "studies/s/study.yaml: arms.reimpl.scan.few has no 'scan'; it has nothing"),
])
def test_arms_that_are_no_mappings_are_named(project, arms, says):
    (project / "studies/s/study.yaml").write_text(f"arms: {arms}")
    with pytest.raises(UserError) as error:
        Section("d", "s", "reimpl", "few")
    assert str(error.value) == says


@pytest.mark.parametrize("name", ["../d", "d d", "$(x)"])
def test_names_on_the_command_line_are_names(project, name):
    with pytest.raises(UserError, match="^the data set is .* should be small letters"):
        Section(name)
    with pytest.raises(UserError, match="^the study is .* should be small letters"):
        Section("d", name, "reimpl", "few")
