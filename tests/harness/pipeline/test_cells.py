"""The cells of a study lie where its stages write them."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.pipeline.cells import once, results, start_results
from harness.pipeline.study import Study

BOTH = {"scan": {}, "selflabel": {}}
RIGHT = {"title": "t", "question": "q", "arms": {"reimpl": {"clustering": {"a": BOTH}}}}
MAIN = {**RIGHT, "arms": {"reimpl": {"clustering": {"default": BOTH}}}}


def found(study):
    """(step, seed, folder under runs/digits) of each result."""
    root = Path("runs/digits")
    return [(result.step, result.seed, str(result.folder.relative_to(root))) for result in results(study, "s", "digits")]


def test_the_cells_of_each_group_by_hand(write):
    """In the order of study.yaml, step by step, each with its seeds."""
    write(RIGHT)
    study = Study(title="t", question="q", shared=("kmeans/pixels",), arms={
        "reimpl": {"whole": {"w": {"pretext": {}, **BOTH}}, "scan": {"s": {"scan": {}}}, "selflabel": {}},
        "original_ref": {"clustering": {"a": BOTH}}})
    pairs = ("0-0", "0-3", "10-0", "10-3")
    assert found(study) == [
        ("kmeans/pixels", "0", "kmeans/pixels/0"), ("kmeans/pixels", "10", "kmeans/pixels/10"),
        ("reimpl/w/pretext", "0", "studies/s/reimpl/w/0/pretext"), ("reimpl/w/pretext", "10", "studies/s/reimpl/w/10/pretext"),
        ("reimpl/w/neighbors", "0", "studies/s/reimpl/w/0/neighbors"),
        ("reimpl/w/neighbors", "10", "studies/s/reimpl/w/10/neighbors"),
        *(("reimpl/w/scan", seed, f"studies/s/reimpl/w/{seed}/scan") for seed in pairs),
        *(("reimpl/w/selflabel", seed, f"studies/s/reimpl/w/{seed}/selflabel") for seed in pairs),
        *(("reimpl/s/scan", seed, f"studies/s/reimpl/s/{seed}/scan") for seed in pairs),
        *(("original_ref/a/scan", seed, f"studies/s/original_ref/a/{seed}/scan") for seed in pairs),
        *(("original_ref/a/selflabel", seed, f"studies/s/original_ref/a/{seed}/selflabel") for seed in pairs),
    ]


def test_k_means_is_a_cell_of_arms_that_name_it(write):
    write(RIGHT)
    named = {"pretext": {}, "kmeans": {}, **BOTH}
    study = Study(title="t", question="q", arms={"reimpl": {"whole": {"a": named, "b": named}}})
    assert study.stages() == ["kmeans", "scan", "selflabel"]
    assert [(seed, folder) for step, seed, folder in found(study) if step == "reimpl/b/kmeans"] == [
        ("0", "studies/s/reimpl/b/0/kmeans"), ("10", "studies/s/reimpl/b/10/kmeans")]


def test_an_arm_that_is_read_lies_where_the_other_study_ran_it_as_far_as_this_study_is_about_it(write):
    """A study of self-labeling alone reads no SCAN."""
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"},
                  arms={"reimpl": {"selflabel": {"d": {"selflabel": {}}}}})
    assert [(step, folder) for step, seed, folder in found(study) if seed == "10-3"] == [
        ("reimpl/default/selflabel", "studies/main/reimpl/default/10-3/selflabel"),
        ("reimpl/d/selflabel", "studies/s/reimpl/d/10-3/selflabel")]


def test_of_given_seeds_every_place_of_a_cell_is_told_and_once_takes_the_first(write):
    """A study with clustering seeds of its own that reads an arm on those of params.yaml: either may have run."""
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"}, clustering_seeds=(1,),
                  arms={"reimpl": {"clustering": {"default": BOTH}}})
    told = results(study, "s", "digits", ([0], [3, 1]))
    folders = [str(result.folder.relative_to("runs/digits")) for result in told if result.step.endswith("selflabel")]
    arms = ("main/reimpl/default", "s/reimpl/default")
    assert folders == [f"studies/{arm}/0-{seed}/selflabel" for arm in arms for seed in (3, 1)]
    kept = once([result for result in told if "main" in result.folder.parts or result.seed == "0-1"])
    assert [str(result.folder.parts[3]) for result in kept] == ["main"] * 4


def test_what_arms_start_from_lies_upstream(write):
    write(RIGHT)
    arms = {"reimpl": {"selflabel": {"d": {"selflabel": {}}}}, "original_ref": {"clustering": {"a": BOTH}}}
    study = Study(title="t", question="q", arms=arms, start={"pretext": "rotation", "scan": "main/reimpl/default"})
    assert [(result.step, str(result.folder)) for result in start_results(study, "d", ([2], [0, 1]))] == [
        ("pretext/rotation", "runs/d/pretext/rotation/2"), ("neighbors/rotation", "runs/d/neighbors/rotation/2"),
        ("original_ref/pretext/simclr", "runs/d/original_ref/pretext/simclr/2"),
        ("reimpl/default/scan", "runs/d/studies/main/reimpl/default/2-0/scan"),
        ("reimpl/default/scan", "runs/d/studies/main/reimpl/default/2-1/scan")]
    few = Study(title="t", question="q", arms={"reimpl": {"scan": {"s": {"scan": {}}}}}, start=study.start)
    assert len(start_results(few, "d", ([2], [0, 1]))) == 2


def test_of_an_arm_that_is_read_only_what_it_ran_is_reported(write):
    """`d` of the study `two` runs self-labeling alone, so this study, which is about SCAN, too, has no SCAN of it."""
    write({**RIGHT, "arms": {"reimpl": {"clustering": None, "selflabel": {"d": {"selflabel": {}}}}}}, "two")
    study = Study(title="t", question="q", reads={"plain": "two/reimpl/d"}, arms={"reimpl": {"clustering": {"a": BOTH}}})
    assert [step for step, seed, _ in found(study) if seed == "0-0"] == [
        "reimpl/plain/selflabel", "reimpl/a/scan", "reimpl/a/selflabel"]


@pytest.mark.parametrize("target, says", [
    ("two/reimpl/a", "studies/two/study.yaml is missing"),
    ("main/original_ref/default", "the study “t” has no arm 'default' of original_ref; it has none"),
    ("main/reimpl/a", "the study “t” has no arm 'a' of reimpl; it has default"),
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
    read = [(seed, f"studies/main/reimpl/default/{seed}/scan") for seed in ("0-0", "0-3", "10-0", "10-3")]
    own = [(seed, f"studies/s/reimpl/default/{seed}/scan") for seed in ("0-7", "0-9", "10-7", "10-9")]
    assert scan == read + own
    assert [step for step, _, _ in found(study)] == ["reimpl/default/scan"] * 8 + ["reimpl/default/selflabel"] * 8


def test_a_seed_that_is_both_read_and_run_counts_once(write):
    write(MAIN, "main")
    study = Study(title="t", question="q", reads={"default": "main/reimpl/default"}, clustering_seeds=(3, 7),
                  arms={"reimpl": {"scan": {"default": {"scan": {}}}}})
    assert [(seed, folder.split("/")[1]) for _, seed, folder in found(study)] == [
        ("0-0", "main"), ("0-3", "main"), ("10-0", "main"), ("10-3", "main"), ("0-7", "s"), ("10-7", "s")]
