"""Studies: what is wrong with a study.yaml is named, and the cells of a study lie where its stages write them."""

from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from studies import pipeline
from studies.study import Claim, Study, load_study, names, once, places, upstream

BOTH = {"scan": {}, "selflabel": {}}
RIGHT = {"title": "t", "question": "q", "arms": {"reimpl": {"clustering": {"a": BOTH}}}}
MAIN = {**RIGHT, "arms": {"reimpl": {"clustering": {"default": BOTH}}}}
CLAIM = {"text": "t", "source": "s", "kind": "above", "of": "reimpl/a/scan", "than": "reimpl/b/scan"}
FIGURE = {"source": "paper", "dataset": "CIFAR-10", "step": "scan", "acc": [81.8, 0.3]}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """`write(mapping, name)`: a study.yaml of the project that is the working directory; it has two seeds of either kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("pretext_seeds: [0, 10]\nclustering_seeds: [0, 3]\n")

    def run(mapping, name="s"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        text = mapping if isinstance(mapping, str) else yaml.safe_dump(mapping, sort_keys=False)
        (tmp_path / "studies" / name / "study.yaml").write_text(text)
    return run


def test_a_study_is_read_with_what_it_leaves_out(write):
    write({**RIGHT, "claims": [CLAIM], "published": [FIGURE], "start": {"scan": "main/reimpl/other"}})
    study = load_study("s")
    assert study.start == {"pretext": "simclr", "scan": "main/reimpl/other"} and study.scores == ("acc", "nmi", "ari")
    assert study.claims == (Claim(**CLAIM),) and study.published == (FIGURE,) and study.clustering_seeds == ()


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
    (arms(all={}), ": arms.reimpl.all is unknown; the list of groups has no 'all'; it has whole, clustering, scan, selflabel"),
    (arms(scan=["a"]), ": arms.reimpl.scan should be a mapping of arms, not ['a']"),
    (arms(scan={"a": {"scan": {}, "selflabel": {}}}),
     ": arms.reimpl.scan.a has 'selflabel'; an arm of the group scan changes settings of scan only"),
    (arms(whole={"a": {"pretext": {}, "kmeans": {}, **BOTH}, "b": {"pretext": {}, **BOTH}}),
     ": arms.reimpl.whole.b has no 'kmeans'; all arms of the group name it, or none"),
    (arms(whole={"a": {"pretext": {}, "kmeans": 3, **BOTH}}),
     ": arms.reimpl.whole.a.kmeans should be a mapping of settings, {} to change none"),
    (arms(scan={"a": {"scan": {}}}, clustering={"a": BOTH}), ": arms.reimpl has the arm 'a' in the groups scan and clustering"),
    ({"arms": {"original_ref": {"scan": {"a": {"scan": {}}}}}},
     ": arms.original_ref.scan is not run; the authors' code has arms of the group clustering only"),
    ({"arms": {"original_ref": {"clustering": {"a": BOTH}}}, "start": {"pretext": "rotation"}},
     ": start.pretext is 'rotation', and the authors' code has simclr only"),
    ({"start": None}, ".start is None, and should be of type dict"),
    ({"start": {"pretrain": "simclr"}}, ": start has 'pretrain'; it has pretext and scan only"),
    ({"start": {"scan": "default"}}, ": start.scan is 'default', and should be <study>/<implementation>/<arm>"),
    ({"reads": {"b": "main/default"}}, ": reads.b is 'main/default', and should be <study>/<implementation>/<arm>"),
    ({"clustering_seeds": [1, 1]}, ": clustering_seeds holds 1 twice; a seed counts once"),
    ({"clustering_seeds": [-1]}, ": clustering_seeds holds -1, and should hold whole numbers of 0 or more"),
    ({"claims": [{**CLAIM, "kind": "better"}]}, ".claims.0: kind is 'better', and should be above, equal, same or collapses"),
    ({"published": [{"source": "paper", "dataset": "X"}]}, ": published.0: the setting 'step' is missing"),
    ({"published": [{**FIGURE, "acc": 81.8}]}, ": published.0.acc is 81.8, and should be a list"),
    ({"published": [{**FIGURE, "acc": [1, 2, 3]}]},
     ": published.0: acc is [1.0, 2.0, 3.0], and should be a mean in percent, or a mean and a deviation"),
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


@pytest.mark.parametrize("name, says", [("my study", "and should be small letters"), ("$(x)", "and should be small letters"),
                                        ("summary", "which is taken, as are kmeans, neighbors,")])
def test_a_study_has_a_name_before_its_pipeline_is_written(write, name, says):
    """Under runs/<data set>/ `summary` is the folder of all summaries."""
    write(RIGHT, name)
    with pytest.raises(UserError, match=f"^studies/.*/study.yaml: the name of the study is '.*', {says}"):
        pipeline.write()
    assert not Path("studies", name, "dvc.yaml").exists()


def test_a_study_that_is_not_there_is_named(write):
    with pytest.raises(UserError, match="^studies/s/study.yaml is missing$"):
        load_study("s")


def found(study):
    """(step, seed, folder under runs/digits) of each place."""
    root = Path("runs/digits")
    return [(place.step, place.seed, str(place.folder.relative_to(root))) for place in places(study, "s", "digits")]


def test_the_cells_of_each_group_by_hand(write):
    """In the order of study.yaml, step by step, each with its seeds."""
    write(RIGHT)
    study = Study(title="t", question="q", shared=("kmeans/pixels",), arms={
        "reimpl": {"whole": {"w": {"pretext": {}, **BOTH}}, "scan": {"s": {"scan": {}}}, "selflabel": None},
        "original_ref": {"clustering": {"a": BOTH}}})
    pairs = ("0-0", "0-3", "10-0", "10-3")
    assert found(study) == [
        ("kmeans/pixels", "0", "kmeans/pixels/0"), ("kmeans/pixels", "10", "kmeans/pixels/10"),
        ("reimpl/w/pretext", "0", "s/reimpl/w/0/pretext"), ("reimpl/w/pretext", "10", "s/reimpl/w/10/pretext"),
        ("reimpl/w/neighbors", "0", "s/reimpl/w/0/neighbors"), ("reimpl/w/neighbors", "10", "s/reimpl/w/10/neighbors"),
        *(("reimpl/w/scan", seed, f"s/reimpl/w/{seed}/scan") for seed in pairs),
        *(("reimpl/w/selflabel", seed, f"s/reimpl/w/{seed}/selflabel") for seed in pairs),
        *(("reimpl/s/scan", seed, f"s/reimpl/s/{seed}/scan") for seed in pairs),
        *(("original_ref/a/scan", seed, f"s/original_ref/a/{seed}/scan") for seed in pairs),
        *(("original_ref/a/selflabel", seed, f"s/original_ref/a/{seed}/selflabel") for seed in pairs),
    ]


def test_k_means_is_a_cell_of_arms_that_name_it(write):
    write(RIGHT)
    named = {"pretext": {}, "kmeans": {}, **BOTH}
    study = Study(title="t", question="q", arms={"reimpl": {"whole": {"a": named, "b": named}}})
    assert study.stages() == ["kmeans", "scan", "selflabel"]
    assert [(seed, folder) for step, seed, folder in found(study) if step == "reimpl/b/kmeans"] == [
        ("0", "s/reimpl/b/0/kmeans"), ("10", "s/reimpl/b/10/kmeans")]


def test_an_arm_that_is_read_lies_where_the_other_study_ran_it_as_far_as_this_study_is_about_it(write):
    """A study of self-labeling alone reads no SCAN."""
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"},
                  arms={"reimpl": {"selflabel": {"d": {"selflabel": {}}}}})
    assert [(step, folder) for step, seed, folder in found(study) if seed == "10-3"] == [
        ("reimpl/default/selflabel", "main/reimpl/default/10-3/selflabel"), ("reimpl/d/selflabel", "s/reimpl/d/10-3/selflabel")]


def test_of_given_seeds_every_place_of_a_cell_is_told_and_once_takes_the_first(write):
    """A study with clustering seeds of its own that reads an arm on those of params.yaml: either may have run."""
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"}, clustering_seeds=(1,),
                  arms={"reimpl": {"clustering": {"default": BOTH}}})
    told = places(study, "s", "digits", ([0], [3, 1]))
    folders = [str(place.folder.relative_to("runs/digits")) for place in told if place.step.endswith("selflabel")]
    assert folders == [f"{arm}/0-{seed}/selflabel" for arm in ("main/reimpl/default", "s/reimpl/default") for seed in (3, 1)]
    kept = once([place for place in told if "main" in place.folder.parts or place.seed == "0-1"])
    assert [str(place.folder.parts[2]) for place in kept] == ["main"] * 4


def test_what_arms_start_from_lies_upstream(write):
    write(RIGHT)
    arms = {"reimpl": {"selflabel": {"d": {"selflabel": {}}}}, "original_ref": {"clustering": {"a": BOTH}}}
    study = Study(title="t", question="q", arms=arms, start={"pretext": "rotation", "scan": "main/reimpl/default"})
    assert [(place.step, str(place.folder)) for place in upstream(study, "d", ([2], [0, 1]))] == [
        ("pretext/rotation", "runs/d/pretext/rotation/2"), ("neighbors/rotation", "runs/d/neighbors/rotation/2"),
        ("original_ref/pretext/simclr", "runs/d/original_ref/pretext/simclr/2"),
        ("reimpl/default/scan", "runs/d/main/reimpl/default/2-0/scan"),
        ("reimpl/default/scan", "runs/d/main/reimpl/default/2-1/scan")]
    few = Study(title="t", question="q", arms={"reimpl": {"scan": {"s": {"scan": {}}}}}, start=study.start)
    assert len(upstream(few, "d", ([2], [0, 1]))) == 2


def test_of_an_arm_that_is_read_only_what_it_ran_is_reported(write):
    """`d` of the study `two` runs self-labeling alone, so this study, which is about SCAN, too, has no SCAN of it."""
    write({**RIGHT, "arms": {"reimpl": {"clustering": None, "selflabel": {"d": {"selflabel": {}}}}}}, "two")
    study = Study(title="t", question="q", reads={"plain": "two/reimpl/d"}, arms={"reimpl": {"clustering": {"a": BOTH}}})
    assert [step for step, seed, _ in found(study) if seed == "0-0"] == [
        "reimpl/plain/selflabel", "reimpl/a/scan", "reimpl/a/selflabel"]


@pytest.mark.parametrize("target, says", [
    ("two/reimpl/a", "studies/two/study.yaml is missing"),
    ("main/original_ref/default", "the study “t” has no arm 'default' of original_ref"),
    ("main/reimpl/a", "the study “t” has no arm 'a' of reimpl"),
])
def test_an_arm_that_is_read_and_is_not_there_is_named(write, target, says):
    write(MAIN, "main")
    with pytest.raises(UserError) as error:
        found(Study(title="t", question="q", reads={"b": target}, arms={}))
    assert str(error.value) == f"studies/s/study.yaml: reads.b is {target!r}: {says}"


def test_further_clustering_seeds_of_an_arm_that_is_read_stand_beside_those_read(write):
    """Seeds 0 and 3 are those of params.yaml, and read; 7 and 9 are the study's own, and run."""
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"}, clustering_seeds=(7, 9),
                  arms={"reimpl": {"clustering": {"default": BOTH}}})
    scan = [(seed, folder) for step, seed, folder in found(study) if step == "reimpl/default/scan"]
    read = [(seed, f"main/reimpl/default/{seed}/scan") for seed in ("0-0", "0-3", "10-0", "10-3")]
    own = [(seed, f"s/reimpl/default/{seed}/scan") for seed in ("0-7", "0-9", "10-7", "10-9")]
    assert scan == read + own
    assert [step for step, _, _ in found(study)] == ["reimpl/default/scan"] * 8 + ["reimpl/default/selflabel"] * 8


def test_a_seed_that_is_both_read_and_run_counts_once(write):
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"}, clustering_seeds=(3, 7),
                  arms={"reimpl": {"scan": {"default": {"scan": {}}}}})
    assert [(seed, folder.split("/")[0]) for _, seed, folder in found(study)] == [
        ("0-0", "main"), ("0-3", "main"), ("10-0", "main"), ("10-3", "main"), ("0-7", "s"), ("10-7", "s")]


@pytest.mark.parametrize("groups, stages", [
    ({}, []), ({"scan": {"a": {}}}, ["scan"]), ({"selflabel": {"a": {}}}, ["selflabel"]), ({"scan": {}, "selflabel": None}, []),
    ({"selflabel": {"a": {}}, "scan": {"b": {}}}, ["scan", "selflabel"]), ({"whole": {"a": {}}}, ["scan", "selflabel"]),
])
def test_a_study_is_about_the_stages_that_its_arms_run(groups, stages):
    study = Study(title="t", question="q", arms={"reimpl": groups})
    assert study.stages() == stages
    assert study.has("reimpl", "scan") == ("b" in groups.get("scan", {}) or "a" in groups.get("scan", {}))
    assert not study.has("original_ref", "scan")
