"""params.yaml: what is wrong with it, in one line."""

import pytest

from harness.command import seed
from harness.errors import UserError
from harness.params import (
    check_seeds,
    clustering_seeds,
    data_set_settings,
    dataset_name,
    execution,
    matters,
    overlay,
    pretext_seeds,
    pretext_tasks,
    seeds,
)

PARAMS = """
pretext_seeds: [0, 2]
clustering_seeds: [1]
execution: {device: cpu, threads: 2, tracking: disabled, checkpoint_seconds: 5}
"""
SETTINGS = "scan: {clusters: 10}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with PARAMS, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "params/d.yaml").write_text(SETTINGS)
    return tmp_path


def test_overlay_goes_key_by_key_and_leaves_its_arguments_alone():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert overlay(base, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_a_data_set_has_the_settings_of_the_one_that_it_is_like_but_what_it_says_itself(project):
    (project / "params/d.yaml").write_text("matters: 2\nscan: {clusters: 10, heads: 1}\nkmeans: {clusters: 10}\n")
    (project / "params/e.yaml").write_text("like: d\nscan: {clusters: 20}\n")
    (project / "params/f.yaml").write_text("like: e\nscan: {heads: 2}\nselflabel: {threshold: 0.9}\n")
    assert data_set_settings("e") == {"matters": 2, "scan": {"clusters": 20, "heads": 1}, "kmeans": {"clusters": 10}}
    assert data_set_settings("f") == {"matters": 2, "scan": {"clusters": 20, "heads": 2}, "kmeans": {"clusters": 10},
                                "selflabel": {"threshold": 0.9}}
    assert matters("f") == 2


def test_a_data_set_says_once_how_many_clusters_to_find(project):
    """For k-means, SCAN and every method; a section's own number, and what is no section, stay."""
    (project / "params/d.yaml").write_text("clusters: 3\nscan: {heads: 1}\nkmeans:\nselflabel: {threshold: 0.9}\n"
                                           "baseline: {dec: {clusters: 5}, sae: {}, gan: 7}\n")
    (project / "params/e.yaml").write_text("like: d\nclusters: 4\n")
    for name, number in (("d", 3), ("e", 4)):
        assert data_set_settings(name) == {
            "scan": {"clusters": number, "heads": 1}, "kmeans": {"clusters": number}, "selflabel": {"threshold": 0.9},
            "baseline": {"dec": {"clusters": 5}, "sae": {"clusters": number}, "gan": 7}}
    (project / "params/d.yaml").write_text("clusters: 3\nscan: {heads: 1}\n")
    assert data_set_settings("d") == {"scan": {"clusters": 3, "heads": 1}}
    for wrong in ("ten", "1", "2.5", "true"):
        (project / "params/d.yaml").write_text(f"clusters: {wrong}\nscan: {{heads: 1}}\n")
        with pytest.raises(UserError, match="^params/d.yaml: clusters is .*, and should be a whole number, at least 2$"):
            data_set_settings("d")


@pytest.mark.parametrize("other, says", [
    ("x", "params/e.yaml: like is 'x', and should be another data set that is not like this one: d, f"),
    ("[d]", "params/e.yaml: like is ['d'], and should be"),
    ("e", "params/e.yaml: like is 'e', and should be"),
    ("f", "params/f.yaml: like is 'e', and should be another data set that is not like this one: d"),
])
def test_a_data_set_is_like_another_that_there_is_and_not_in_a_circle(project, other, says):
    (project / "params/e.yaml").write_text(f"like: {other}\n")
    (project / "params/f.yaml").write_text("like: e\n")
    with pytest.raises(UserError) as error:
        data_set_settings("e")
    assert str(error.value).startswith(says)


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
