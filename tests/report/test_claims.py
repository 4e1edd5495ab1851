"""Claims as a page has them: measured from summaries, corrected together, with what confounds them; written as a table."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from harness.pipeline.study import Claim
from report.claims import judge_all, write_claims
from tests.report import made


def judged(summary, claims, classes=("x", "y"), matters=1.0):
    """The Judged of some claims that are all of a page's."""
    one = replace(summary, study=replace(summary.study, claims=claims))
    images = {"train": 9000, "test": 1000}
    return judge_all([one], [], {"name": "digits", "images": images, "classes": classes, "matters": matters})


ABOVE = Claim(text="t", source="s", kind="above", of="reimpl/a/selflabel", than="kmeans/embeddings")


@pytest.fixture
def summary():
    """Two arms, of which one ran, and k-means; two pretext seeds."""
    study = made.study({"a": {"scan": {}, "selflabel": {}}, "b": {"scan": {"heads": 2}, "selflabel": {}}})
    return made.summary("main", study, made.cells({
        "kmeans/embeddings": {"0": 0.5, "1": 0.7}, "reimpl/a/scan": {"0-0": 0.8, "1-0": 0.6},
        "reimpl/a/selflabel": {"0-0": 0.9, "1-0": 0.8}}))


def test_a_claim_is_judged_by_the_figures_and_carries_its_records(summary):
    """+40 and +10 by pretext seed: two seeds decide nothing."""
    (found,) = judged(summary, (ABOVE,))
    assert (found.study, found.claim, found.verdict.finding.n, found.verdict.word) == ("main", ABOVE, 2, "undecided")
    assert found.verdict.finding.estimate.mean == pytest.approx(25)
    assert found.verdict.finding.ours == "85.0 ± 7.1 against 60.0 ± 14.1"
    assert found.evidence == tuple(f"runs/made/reimpl/a/selflabel/{seed}/metrics.json" for seed in ("0-0", "1-0"))


def test_a_claim_on_what_did_not_run_says_why(summary):
    claim = Claim(text="t", source="s", kind="same", margin=1.0, of="reimpl/a/selflabel", than="original_ref/a/selflabel")
    stopped = made.cell("original_ref/a/selflabel", "0-0", None, not_run="no network")
    (found,) = judged(replace(summary, records=[*summary.records, stopped]), (claim,))
    assert (found.verdict.word, found.verdict.reason) == ("not tested", "no network")


def test_images_are_paired_by_the_clusters_of_the_summary(summary):
    """Four images, of which the one step has 3 and the other 2 right; clusters of other images than the record's do not count."""
    labels = np.array([0, 0, 1, 1])
    clusters = {"labels": labels, "reimpl/a/scan/0-0": np.array([0, 0, 1, 0]), "reimpl/b/scan/0-0": np.array([0, 0, 0, 0]),
                "reimpl/b/scan/1-0": np.array([0, 0, 1, 1])}
    cells = made.cells({"reimpl/a/scan": {"0-0": 0.75}, "reimpl/b/scan": {"0-0": 0.5, "1-0": 0.5}})
    one = made.summary("x", made.study({"a": {"scan": {}, "selflabel": {}}}), cells, clusters=clusters)
    assert one.right("reimpl/a/scan", "acc")["0-0"].tolist() == [True, True, True, False]
    assert {seed: found.tolist() for seed, found in one.right("reimpl/b/scan", "acc").items()} == {
        "0-0": [True, True, False, False]}
    assert summary.right("reimpl/a/scan", "acc") == {}


def test_the_balance_of_clusters_follows_from_what_is_recorded():
    """One cluster with everything allows 50 %, and clusters with 9 and 11 of the 20 images 95 %."""
    kinds = {"a": [[10, 0], [10, 0]], "b": [[9, 1], [0, 10]]}
    cells = [made.cell(f"reimpl/{arm}/scan", f"{seed}-0", made.scores(0.5) | {"confusion": confusion})
             for arm, confusion in kinds.items() for seed in range(5)]
    study = made.study({arm: {"scan": {}, "selflabel": {}} for arm in kinds})
    claim = Claim(text="t", source="s", kind="above", figure="balance", of="reimpl/b/scan", than="reimpl/a/scan")
    (found,) = judged(made.summary("x", study, cells), (claim,))
    assert (found.verdict.word, found.verdict.finding.ours) == ("supported", "95.0 ± 0.0 against 50.0 ± 0.0")


def test_prototypes_are_compared_with_the_images_of_the_same_runs():
    """Three of four images are right in each run, and of the two prototypes both."""
    labels, runs = np.array([0, 0, 1, 1]), [f"{seed}-0" for seed in range(5)]
    clusters = {"labels": labels} | {f"reimpl/a/scan/{run}": np.array([1, 1, 0, 1]) for run in runs}
    clusters |= {f"prototypes/reimpl/a/scan/{run}": np.array([2, 0]) for run in runs}
    cells = [made.cell("reimpl/a/scan", run, made.scores(0.75) | {"confusion": [[0, 2], [1, 1]]}) for run in runs]
    claim = Claim(text="t", source="s", kind="above", figure="prototypes", of="reimpl/a/scan", than="reimpl/a/scan",
                  than_figure="acc")
    (found,) = judged(made.summary("x", made.study({"a": {"scan": {}, "selflabel": {}}}), cells, clusters=clusters), (claim,))
    finding = found.verdict.finding
    assert finding.ours == "100.0 ± 0.0 against 75.0 ± 0.0"
    assert finding.estimate.mean == pytest.approx(25)
    # All runs have the same two prototypes, and so these are two images, not the 1000 of the test set, nor ten.
    share = (2 + 750) / 1002
    assert finding.estimate.image_error == pytest.approx(100 * (share * (1 - share) * (1 / 2 + 1 / 1000) + 1 / 4**2) ** 0.5)


def test_an_empty_cluster_has_no_prototype_that_counts_as_an_image():
    labels, runs = np.array([0, 0, 1, 1]), [f"{seed}-0" for seed in range(3)]
    clusters = {"labels": labels} | {f"reimpl/a/scan/{run}": np.array([0, 0, 0, 0]) for run in runs}
    clusters |= {f"prototypes/reimpl/a/scan/{run}": np.array([seed, -1]) for seed, run in enumerate(runs)}
    cells = [made.cell("reimpl/a/scan", run, made.scores(0.5) | {"confusion": [[2, 0], [2, 0]]}) for run in runs]
    summary = made.summary("x", made.study({"a": {"scan": {}, "selflabel": {}}}), cells, clusters=clusters)
    claim = Claim(text="t", source="s", kind="above", figure="prototypes", of="reimpl/a/scan", value=50.0)
    (found,) = judged(summary, (claim,))
    share = 2 / 3  # the third image is of the other class; three different images stood for the one cluster
    assert found.verdict.finding.estimate.image_error == pytest.approx(100 * (share * (1 - share) / 3 + 1 / 5**2) ** 0.5)


def test_claims_are_corrected_together_and_written_with_every_figure(tmp_path):
    study = made.study({"a": {"scan": {"heads": 2}, "selflabel": {}}}, reads={"default": "main/reimpl/default"})
    found = {f"reimpl/{arm}/scan": {f"{seed}-0": 0.5 + gain + 0.001 * seed**2 * (gain > 0) for seed in range(5)}
             for arm, gain in {"default": 0.0, "a": 0.2}.items()}
    claims = tuple(Claim(text=f"claim {number}", source="s", kind="above", of="reimpl/a/scan", than="reimpl/default/scan",
                         margin=margin) for number, margin in enumerate((0.0, 30.0)))
    one = made.summary("x", study, made.cells(found))
    write_claims(judged(one, claims), tmp_path / "claims.csv")
    with open(tmp_path / "claims.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["word"], second["word"]) == ("supported", "no difference")  # 20.6, and 30 matter
    assert float(first["p_corrected"]) == pytest.approx(2 * float(first["p"]), rel=1e-6)
    assert float(first["mean"]) == pytest.approx(20.6) and first["n"] == "5" and float(first["image_error"]) > 2  # 1,000 images


def test_what_else_the_arms_of_a_claim_differ_in_is_found(summary):
    """Arm b differs from a in heads; with a changed self-labeling besides, in two settings, of which SCAN knows one."""
    arms = {"a": {"scan": {}, "selflabel": {}}, "b": {"scan": {"heads": 2}, "selflabel": {"threshold": 0.5}}}
    one = made.summary("x", made.study(arms), made.cells({f"reimpl/{arm}/{stage}": {"0-0": 0.5}
                                                         for arm in arms for stage in ("scan", "selflabel")}))
    claims = [Claim(text="t", source="s", kind="above", of=f"reimpl/b/{stage}", than=f"reimpl/a/{stage}", about=about)
              for stage, about in (("scan", ()), ("selflabel", ()), ("selflabel", ("scan.heads", "selflabel.threshold")),
                                   ("selflabel", ("selflabel.threshold",)))]
    assert [found.confounds for found in judged(one, tuple(claims))] == [
        (), ("scan.heads", "selflabel.threshold"), (), ("scan.heads",)]
    assert judged(summary, (ABOVE,))[0].confounds == ()


@pytest.mark.parametrize("own, study, on_the_data_set, used", [(0, 0, 2, 2), (0, 3, 2, 3), (4, 3, 2, 4)])
def test_what_matters_is_said_by_the_claim_or_the_study_or_the_data_set(own, study, on_the_data_set, used):
    arms = made.study({"a": {"scan": {}, "selflabel": {}}, "b": {"scan": {}, "selflabel": {}}}, matters=study)
    cells = made.cells({f"reimpl/{arm}/scan": {f"{seed}-0": 0.5 for seed in range(5)} for arm in "ab"})
    claim = Claim(text="t", source="s", kind="same", of="reimpl/a/scan", than="reimpl/b/scan", margin=own)
    (found,) = judged(made.summary("x", arms, cells), (claim,), matters=on_the_data_set)
    kind, _, target, margin, _ = found.verdict.finding.forecast
    assert (kind, target, margin) == ("same", 0, used)


def test_runs_of_two_kinds_are_said_with_the_claim():
    apart, together = {"confusion": [[9, 0], [0, 9]]}, {"confusion": [[9, 0], [9, 0]]}
    high = Claim(text="t", source="s", kind="above", of="reimpl/a/scan", value=10.0)
    untested = Claim(text="t", source="s", kind="above", of="reimpl/a/scan", than="reimpl/a/selflabel")
    study = made.study({"a": {"scan": {}, "selflabel": {}}})

    def said(*kinds, claim=high):
        cells = [made.cell("reimpl/a/scan", f"{seed}-0", made.scores(0.5) | kind) for seed, kind in enumerate(kinds)]
        return judged(made.summary("x", study, cells), (claim,), ["cat", "dog"])[0].merges

    assert said(apart, together, apart) == ("SCAN (rewrite), 1 of 3 runs merge classes: cat and dog (1 run)",)
    assert said(apart, apart) == said(together, together) == said(apart, together, claim=untested) == ()
