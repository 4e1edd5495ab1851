"""What would run, on hand-made stages: what is stale and what comes after it, what a study needs, how long it takes."""

import json
import random
import re
from pathlib import Path

import pytest

from harness.engine import slurm
from harness.engine.plan import UNKNOWN, Job, clock, of_studies, pending, seconds, tell, upstream
from harness.errors import UserError
from harness.resources import Cluster

MAIN, OTHER = "studies/main/dvc.yaml:", "studies/other/dvc.yaml:"


def jobs(stages):
    """Jobs by name from {name: (before, ...)}, upstream first; none is stale. A study's lie where its arm's results do."""
    def outs(name):
        study, arm = re.fullmatch(r"(?:studies/(\w+)/)?[^@]*(?:@([a-z]+)-.*)?", name).groups()
        return (f"runs/d/studies/{study}/reimpl/{arm}/0-0/model.pt",) if study and arm else ()

    return {name: Job(name, frozenset(before), outs(name), False) for name, before in stages.items()}


def stale(found, *names):
    return {name: Job(name, job.before, job.outs, name in names) for name, job in found.items()}


def after(*names):
    """What is pending of STAGES where some of them are stale."""
    return pending(stale(STAGES, *names), STAGES)


STAGES = jobs({
    "code": (), "dataset": ("code",), "pretext@simclr-0": ("code", "dataset"), "pretext@rotation-0": ("code", "dataset"),
    f"{MAIN}scan@a-0-0": ("pretext@simclr-0",), f"{MAIN}scan@b-0-0": ("pretext@simclr-0",),
    f"{OTHER}scan@c-0-0": ("pretext@rotation-0",), f"{MAIN}summary": (f"{MAIN}scan@a-0-0", f"{MAIN}scan@b-0-0"),
    f"{OTHER}summary": (f"{OTHER}scan@c-0-0", f"{MAIN}scan@a-0-0"), "report": (f"{MAIN}summary", f"{OTHER}summary"),
})


def test_what_is_stale_is_to_run_and_all_that_comes_after_it():
    assert pending(STAGES, STAGES) == set()
    assert after("report") == {"report"}
    assert after(f"{MAIN}scan@b-0-0") == {f"{MAIN}scan@b-0-0", f"{MAIN}summary", "report"}
    assert after("pretext@rotation-0") == {
        "pretext@rotation-0", f"{OTHER}scan@c-0-0", f"{OTHER}summary", "report"}
    assert after("code") == set(STAGES)


def test_what_is_not_wanted_keeps_nothing_waiting():
    left = stale(STAGES, "code", f"{MAIN}scan@b-0-0")
    assert pending(left, set(STAGES) - {"code", f"{MAIN}scan@b-0-0"}) == set()
    assert pending(left, {"code", "dataset", "report"}) == {"code", "dataset"}


def test_upstream_is_all_that_is_needed():
    assert upstream(STAGES, ["code"]) == {"code"}
    assert upstream(STAGES, [f"{MAIN}scan@a-0-0", "pretext@rotation-0"]) == {
        "code", "dataset", "pretext@simclr-0", "pretext@rotation-0", f"{MAIN}scan@a-0-0"}


def test_a_study_needs_its_own_stages_what_they_read_and_the_report():
    """The other study reads an arm of main, and so needs that one, but not main's other arm nor its summary."""
    assert of_studies(STAGES, ["other"]) == {
        "code", "dataset", "pretext@rotation-0", "pretext@simclr-0", f"{OTHER}scan@c-0-0", f"{MAIN}scan@a-0-0",
        f"{OTHER}summary", "report"}
    assert of_studies(STAGES, ["main"]) == set(STAGES) - {"pretext@rotation-0", f"{OTHER}scan@c-0-0", f"{OTHER}summary"}
    assert of_studies(STAGES, []) == of_studies(STAGES, ["main", "other"]) == set(STAGES)


def test_of_a_study_of_which_one_arm_is_chosen_the_other_arms_are_left_out_and_the_summary_is_not():
    """But not an arm that another study reads, nor one that an arm which is chosen starts from."""
    alone = {"code", "dataset", "pretext@simclr-0", f"{MAIN}scan@b-0-0", f"{MAIN}summary", "report"}
    assert of_studies(STAGES, ["main/reimpl/b"]) == alone
    assert of_studies(STAGES, ["main/reimpl/b", "main/reimpl/a"]) == of_studies(STAGES, ["main"])
    assert of_studies(STAGES, ["main/reimpl/b", "other"]) == of_studies(STAGES, ["main", "other"])
    from_the_other = STAGES | jobs({f"{MAIN}scan@b-0-0": (f"{MAIN}scan@a-0-0",)})
    assert of_studies(from_the_other, ["main/reimpl/b"]) == alone | {f"{MAIN}scan@a-0-0"}


def test_an_arm_of_the_rewrite_does_without_the_authors_code():
    both = STAGES | jobs({"original_pretext@simclr-0": (), f"{MAIN}summary": ("original_pretext@simclr-0", f"{MAIN}scan@b-0-0")})
    assert "original_pretext@simclr-0" in of_studies(both, ["main"])
    assert of_studies(both, ["main/reimpl/b"]) == of_studies(STAGES, ["main/reimpl/b"])


def test_pending_and_upstream_agree_with_a_naive_search_on_any_graph():
    """A stage is pending where any stage reachable from it, itself included, is stale."""
    for seed in range(20):
        draw = random.Random(seed)
        names = [f"s{index}" for index in range(12)]
        found = jobs({name: draw.sample(names[:index], min(index, draw.randrange(3))) for index, name in enumerate(names)})
        found = stale(found, *draw.sample(names, 2))

        def needs(name, found=found):
            return {name}.union(*(needs(before) for before in found[name].before))

        assert pending(found, found) == {name for name in names if any(found[other].stale for other in needs(name))}
        assert all(upstream(found, [name]) == needs(name) for name in names)


@pytest.mark.parametrize("count, text", [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (61, "1:01"), (3599.6, "1:00:00"),
                                         (3725, "1:02:05"), (36000, "10:00:00")])
def test_a_clock_shows_minutes_and_hours(count, text):
    assert clock(count) == text


@pytest.fixture
def timed(tmp_path, monkeypatch):
    """Two scans with a record each and one without; a stage whose record is in its folder; one that could not run; a summary."""
    monkeypatch.chdir(tmp_path)
    for file, evidence in {"a/metrics.json": {"seconds": 10.0}, "b/metrics.json": {"seconds": 30.0},
                           "theirs/metrics.json": {"seconds": 50.0}, "refused/metrics.json": {"revision": "x"}}.items():
        written(f"runs/d/{file}", evidence)
    outs = {"scan@a": ("a/model.pt", "a/metrics.json"), "scan@b": ("b/metrics.json",), "scan@c": ("c/metrics.json",),
            "original_scan@a": ("theirs",), "original_scan@b": ("refused",), "summary": ("nowhere",)}
    return {name: Job(name, frozenset(), tuple(f"runs/d/{path}" for path in paths), name != "scan@a")
            for name, paths in outs.items()}


def written(file, evidence):
    Path(file).parent.mkdir(parents=True)
    Path(file).write_text(json.dumps({"evidence": evidence}))


def test_a_stage_takes_as_long_as_its_last_run_or_as_others_of_its_kind(timed):
    assert seconds(timed) == {"scan@a": 10, "scan@b": 30, "scan@c": 20, "original_scan@a": 50, "original_scan@b": 50,
                              "summary": UNKNOWN}


def test_what_never_ran_here_takes_as_long_as_its_kept_record_or_as_its_stage_in_other_studies(timed):
    written("records/d/threshold/x/selflabel/metrics.json", {"seconds": 7.0})
    written("records/d/refused/metrics.json", {"seconds": 90.0})
    others = {"studies/t/dvc.yaml:selflabel_alone@x": "runs/d/studies/threshold/x/selflabel/metrics.json",
              "studies/u/dvc.yaml:selflabel_of_own_pretext@y": "runs/d/studies/u/y/selflabel/metrics.json",
              "studies/u/dvc.yaml:scan@y": "runs/d/studies/u/y/scan/metrics.json"}
    jobs = timed | {name: Job(name, frozenset(), (out,), True) for name, out in others.items()}
    assert [seconds(jobs)[name] for name in others] == [7, 7, 20] and seconds(jobs)["original_scan@b"] == 90


def test_a_record_in_which_git_left_a_conflict_is_named(timed):
    written("records/d/refused/metrics.json", {"seconds": 90.0})
    Path("records/d/refused/metrics.json").write_text('<<<<<<< HEAD\n{"seconds": 90.0}\n')
    with pytest.raises(UserError, match="records/d/refused/metrics.json is not valid JSON"):
        seconds(timed)


def test_the_plan_has_a_line_for_each_kind_and_a_sum(timed, capsys):
    jobs = timed | {"report": Job("report", frozenset(), (), False)}
    tell(jobs, pending(jobs, jobs), 2)
    assert capsys.readouterr().out.splitlines() == [
        "scan: 2 to run, about 0:50  (b, c)",
        "original_scan: 2 to run, about 1:40  (a, b)",
        "summary: 1 to run, about 0:30",
        "5 of 7 stages to run, about 1:30 with 2 at a time",
    ]


def test_a_cluster_is_told_in_jobs_core_hours_and_by_the_longest_chain(capsys, monkeypatch):
    """By hand: a and b side by side, then c; the summary is no job, nor is a stage of the authors' code, which is unavailable.
    2 x 30 minutes on one core and 15 minutes on four."""
    took = {"dataset": 60, "pretext@a-0": 1800, "pretext@b-0": 1800, "s:scan_alone@a-0-0": 900, "original_pretext@a-0": 30,
            "s:summary": 30}
    before = {"pretext@a-0": ["dataset"], "pretext@b-0": ["dataset"], "s:scan_alone@a-0-0": ["pretext@a-0"],
              "s:summary": ["pretext@b-0", "s:scan_alone@a-0-0"]}
    found = {name: Job(name, frozenset(before.get(name, ())), (), name != "dataset") for name in took}
    monkeypatch.setattr(slurm.plan, "seconds", lambda jobs: took)
    monkeypatch.setattr(slurm, "cluster", lambda: Cluster({"memory_mib": 1, "minutes": 1, "cpus": 1}, {"scan": {"cpus": 4}}))
    monkeypatch.setattr(slurm, "reason_not_run", lambda: "no network")
    slurm.tell(found, pending(found, found), 2)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "5 of 6 stages to run, 3 of them as jobs: about 2 core-hours; the longest chain about 45:30")
