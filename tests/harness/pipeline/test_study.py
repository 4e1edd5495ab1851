"""Studies: what is wrong with a study.yaml is named."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.pipeline import pipeline
from harness.pipeline.study import Claim, Study, load_study, names

BOTH = {"scan": {}, "selflabel": {}}
RIGHT = {"title": "t", "question": "q", "arms": {"reimpl": {"clustering": {"a": BOTH}}}}
CLAIM = {"text": "t", "source": "s", "kind": "above", "of": "reimpl/a/scan", "than": "reimpl/b/scan"}
FIGURE = {"source": "paper", "dataset": "CIFAR-10", "step": "scan", "acc": [81.8, 0.3]}


def test_a_study_is_read_with_what_it_leaves_out(write):
    write({**RIGHT, "claims": [CLAIM], "published": [FIGURE], "start": {"scan": "main/reimpl/other"}})
    study = load_study("s")
    assert study.start == {"pretext": "simclr", "scan": "main/reimpl/other"} and study.scores == ("acc", "nmi", "ari")
    assert study.claims == (Claim(**CLAIM),) and study.published == (FIGURE,) and study.clustering_seeds == ()


def test_where_all_arms_are_left_out_there_are_none(write):
    """YAML reads a key with nothing after it as none."""
    write("title: t\nquestion: q\narms:\n  reimpl:\n    scan:\n    clustering: {a: {scan: {}, selflabel: {}}}\n  original_ref:\n")
    assert load_study("s").each_arm() == [("reimpl", "clustering", "a", BOTH)] and not load_study("s").has("reimpl", "scan")
    write("title: t\nquestion: q\narms:\n  reimpl:\n", "none")
    assert not load_study("none").has_arms() and set(pipeline.stages("none", load_study("none"))) == {"summary"}


def test_studies_are_the_folders_with_a_study(write, tmp_path):
    write(RIGHT, "two")
    write(RIGHT, "one")
    (tmp_path / "studies/__pycache__").mkdir()
    assert names() == ["one", "two"]


NAMES = "and should be small letters, digits and underscores, beginning with a letter, 64 at most"


def arms(**groups):
    return {"arms": {"reimpl": groups}}


@pytest.mark.parametrize("changes, says", [
    ({"titel": "t"}, ": unknown setting 'titel'; did you mean 'title'?"),
    ({"title": 3}, ".title is 3, and should be of type str"),
    ({"arms": []}, ".arms is [], and should be of type dict"),
    ({"arms": {"torch": {}}}, ": arms.torch is unknown; known are reimpl, original_ref"),
    ({"arms": {"reimpl": [1]}}, ": arms.reimpl should be a mapping of groups of arms, not [1]"),
    (arms(all={}), ": arms.reimpl.all is unknown; the list of groups has no 'all'; it has whole, clustering, scan, selflabel, "
     "baseline"),
    (arms(scan=["a"]), ": arms.reimpl.scan should be a mapping of arms, not ['a']"),
    (arms(scan={"a": {"scan": {}, "selflabel": {}}}),
     ": arms.reimpl.scan.a has 'selflabel'; an arm of the group scan changes settings of scan only"),
    (arms(whole={"a": {"dataset": {"joint": True}, "pretext": {}, "kmeans": {}, **BOTH}}),
     ": arms.reimpl.whole.a has 'dataset' and 'kmeans'; leave out one, since k-means knows the training images alone"),
    (arms(clustering={"a": {"dataset": {"joint": True}, **BOTH}}),
     ": arms.reimpl.clustering.a has 'dataset'; an arm of the group clustering changes settings of scan, selflabel only"),
    (arms(baseline={"a": {"dataset": {"size": 8}, "baseline": {"dec": {}}}}),
     ": arms.reimpl.baseline.a.dataset has 'size'; an arm may change joint alone, since all have the images that are prepared"),
    (arms(baseline={"a": {"dataset": 3, "baseline": {"dec": {}}}}),
     ": arms.reimpl.baseline.a.dataset should be a mapping of settings, not 3"),
    (arms(whole={"a": {"pretext": {}, "kmeans": {}, **BOTH}, "b": {"pretext": {}, **BOTH}}),
     ": arms.reimpl.whole.b has no 'kmeans'; all arms of the group name it, or none"),
    (arms(whole={"a": {"pretext": {}, "kmeans": 3, **BOTH}}),
     ": arms.reimpl.whole.a.kmeans should be a mapping of settings, {} to change none"),
    (arms(whole={"a": {"pretext": {"moco": {}, "byol": {}}, **BOTH}}),
     ": arms.reimpl.whole.a.pretext has 2 pretext tasks, and should have one"),
    (arms(scan={"a": {"scan": {}}}, clustering={"a": BOTH}), ": arms.reimpl has the arm 'a' in the groups scan and clustering"),
    ({"arms": {"original_ref": {"scan": {"a": {"scan": {}}}}}},
     ": arms.original_ref.scan is not run; the authors' code has arms of the group clustering only"),
    ({"arms": {"original_ref": {"clustering": {"a": BOTH}}}, "start": {"pretext": "rotation"}},
     ": start.pretext is 'rotation', and the authors' code has simclr only"),
    ({"start": None}, ".start is None, and should be of type dict"),
    ({"start": {"pretrain": "simclr"}}, ": start has 'pretrain'; it has pretext and scan only"),
    ({"start": {"scan": "default"}}, ": start.scan is 'default', and should be <study>/<implementation>/<arm>"),
    ({"labels": {"c": "C"}, "reads": {"b": "main/reimpl/a"}}, ": labels has 'c', which is no arm; the arms are a, b"),
    ({"reads": {"b": "main/default"}}, ": reads.b is 'main/default', and should be <study>/<implementation>/<arm>"),
    ({"clustering_seeds": [1, 1]}, ": clustering_seeds holds 1 twice; a seed counts once"),
    ({"clustering_seeds": [-1]}, ": clustering_seeds holds -1, and should hold whole numbers of 0 or more"),
    ({"claims": [{**CLAIM, "kind": "better"}]},
     ".claims.0: kind is 'better', and should be above, equal, same, varies or collapses"),
    ({"published": [{"source": "paper", "dataset": "X"}]}, ": published.0: the setting 'step' is missing"),
    ({"published": [{**FIGURE, "acc": 81.8}]}, ": published.0.acc is 81.8, and should be a list"),
    ({"published": [{**FIGURE, "acc": [1, 2, 3]}]},
     ": published.0: acc is [1.0, 2.0, 3.0], and should be a mean in percent, or a mean and a deviation"),
    ({"published": [{**FIGURE, "acc": []}]},
     ": published.0: acc is [], and should be a mean in percent, or a mean and a deviation"),
    ({"scores": ["nmi"]},
     ": scores is ['nmi'], and should be acc and any others of acc, acc_many_to_one, acc_reference, nmi, ari"),
    ({"scores": ["acc", "train_accuracy"]}, ": scores is ['acc', 'train_accuracy'], and should be acc and any others of acc, "
     "acc_many_to_one, acc_reference, nmi, ari"),
    ({"published": [{**FIGURE, "acc": [float("nan")]}]}, ".published.0.acc.0 is nan, and should be a finite number"),
    ({"published": [{**FIGURE, "accc": [1]}]}, ": published.0: unknown setting 'accc'; did you mean 'acc'?"),
    ({"clustering_seeds": []}, ": clustering_seeds is [], and should be a list of whole numbers"),
    ({"clustering_seeds": 0}, ".clustering_seeds is 0, and should be a list"),
    ({"start": {"pretext": "a;b"}}, f": start.pretext is 'a;b', {NAMES}"),
    ({"start": {"pretext": ["simclr"]}}, ".start.pretext is ['simclr'], and should be of type str"),
    ({"reads": {"b": "main/reimpl/a b"}}, ": reads.b is 'main/reimpl/a b', and should be <study>/<implementation>/<arm>"),
    ({"reads": {"b": "main/reimpl/a/b"}}, ": reads.b is 'main/reimpl/a/b', and should be <study>/<implementation>/<arm>"),
    ({"reads": {"b c": "main/reimpl/a"}}, f": reads: the name of an arm is 'b c', {NAMES}"),
    ({"reads": {"b": 5}}, ".reads.b is 5, and should be of type str"),
    *((arms(scan={name: {"scan": {}}}), f": arms.reimpl.scan: the name of an arm is {name!r}, {NAMES}")
      for name in ("a b", "a'b", "$(touch x)", "a@b", "", "A", "0-0")),
    (arms(scan={"a": {"scan": {"entropy_weight": float("inf")}}}),
     ".arms.reimpl.scan.a.scan.entropy_weight is inf, and should be a finite number"),
    *((f"title: t\nquestion: q\narms: {{reimpl: {{scan: {{{key}: {{scan: {{}}}}}}}}}}",
       f", line 3: the key '{key}' is read as {kind}, and should be text")
      for key, kind in (("5", "int"), ("1.5", "float"), ("off", "bool"), ("null", "null"), ("2020-01-01", "timestamp"))),
    ("title: t\nquestion: q\narms: {}\ntitle: u", ", line 4: the key 'title' is given twice"),
], ids=lambda value: value[:40] if isinstance(value, str) and value.startswith((":", ".", ",")) else "")
def test_what_is_wrong_is_named_with_its_file_and_key(write, changes, says):
    write(changes if isinstance(changes, str) else {**RIGHT, **changes})
    with pytest.raises(UserError) as error:
        load_study("s")
    assert str(error.value) == f"studies/s/study.yaml{says}"


@pytest.mark.parametrize("name", ["my study", "$(x)"])
def test_a_study_has_a_name_before_its_pipeline_is_written(write, name):
    write(RIGHT, name)
    with pytest.raises(UserError, match="^studies/.*/study.yaml: the name of the study is '.*', and should be small letters"):
        pipeline.write()
    assert not Path("studies", name, "dvc.yaml").exists()


def test_a_study_may_be_called_as_what_all_studies_share(write):
    """What it runs lies in a folder of its own."""
    write(RIGHT, "summary")
    stage = pipeline.stages("summary", load_study("summary"))["scan"]
    assert all(out.startswith("runs/${dataset}/studies/summary/reimpl/") for out in stage["outs"])


def test_a_study_that_is_not_there_is_named(write):
    with pytest.raises(UserError, match="^studies/s/study.yaml is missing$"):
        load_study("s")


@pytest.mark.parametrize("groups, stages", [
    ({}, []), ({"scan": {"a": {}}}, ["scan"]), ({"selflabel": {"a": {}}}, ["selflabel"]), ({"scan": {}, "selflabel": {}}, []),
    ({"selflabel": {"a": {}}, "scan": {"b": {}}}, ["scan", "selflabel"]), ({"whole": {"a": {}}}, ["scan", "selflabel"]),
])
def test_a_study_is_about_the_stages_that_its_arms_run(groups, stages):
    study = Study(title="t", question="q", arms={"reimpl": groups})
    assert study.stages() == stages
    assert study.has("reimpl", "scan") == ("b" in groups.get("scan", {}) or "a" in groups.get("scan", {}))
    assert not study.has("original_ref", "scan")
