"""`python -m studies check` names file, line and mend of whatever is wrong in a study.yaml; `new` and `sweep` write what runs."""

import shutil
from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from studies import check, new, sweep
from studies.pipeline import outdated
from studies.study import load_study

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params.yaml and the studies as they are, to be spoilt."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "params", tmp_path / "params")
    for file in ROOT.glob("studies/*/*.yaml"):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoil(project, study, old, new):
    """Replace the first `old` in a study.yaml, and return the line (from 1) that it began in."""
    file = project / "studies" / study / "study.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_studies_are_right(project, capsys):
    check.check()
    assert capsys.readouterr().out.startswith("10 studies are right: divergences, ")


@pytest.mark.parametrize("study, old, new, says", [
    ("num_neighbors", "k5: {scan: {num_neighbors: 5}}", "k5: {scan: {num_neighbours: 5}}",
     "arms.reimpl.scan.k5.scan: unknown setting 'num_neighbours'; did you mean 'num_neighbors'?"),
    ("threshold", "t050: {selflabel: {threshold: 0.5}}", "t050: {selflabel: {threshold: 1.5}}",
     "arms.reimpl.selflabel.t050.selflabel: threshold is 1.5, and should be from 0 to below 1"),
    ("one_sided", "simclr_strong: {selflabel: {target_augmentation: simclr}}",
     "simclr_strong: {selflabel: {target_augmentation: s}}",
     "arms.reimpl.selflabel.simclr_strong: the augmentation is 's', and should be one of none, standard, simclr, strong"),
    ("divergences", "own_neighbor: {scan: {draw_itself: false}, selflabel: {}}", "own_neighbor: {scan: {draw_itself: false}}",
     "arms.reimpl.clustering.own_neighbor has no 'selflabel'; it has scan"),
    ("strong_augmentation", "clustering:", "clusterin:",
     "arms.reimpl.clusterin is unknown; the list of groups has no 'clusterin'; it has whole, clustering, scan, selflabel"),
    ("pretext_task", "kind: above", "kind: abov",
     "claims.0: kind is 'abov', and should be above, equal, same or collapses"),
    ("pretext_task", "start: {pretext: rotation}", "start: {pretext: rotate}",
     "start.pretext is 'rotate'; params.yaml: pretext_tasks has simclr, rotation"),
    ("entropy_weight", "of: reimpl/w5/scan", "of: reimpl/w6/scan",
     "claims.1.of is 'reimpl/w6/scan', which the study has not; it has reimpl/w0/scan, "),
    ("overclustering", "reads: {once: main/reimpl/default}", "reads: {once: main/reimpl/defaul}",
     "reads.once is 'main/reimpl/defaul', which is no arm; it should be <study>/<implementation>/<arm> of another study"),
    ("seeds", "clustering_seeds: [1, 2,", "clustering_seeds: [1, 1,", "clustering_seeds holds 1 twice; a seed counts once"),
])
def test_what_is_wrong_is_named_with_its_line(project, study, old, new, says):
    line = spoil(project, study, old, new)
    problems = [problem for problem in check.all_problems() if "dvc.yaml" not in problem]
    assert len(problems) == 1
    assert problems[0].startswith(f"studies/{study}/study.yaml, line {line}: {says}")
    with pytest.raises(UserError, match="problem"):
        check.check()


def test_a_cell_that_another_study_runs_is_to_be_read_from_there(project):
    """Twenty neighbors are the default, which the study main runs; clustering seed 0 is what main runs already."""
    spoil(project, "num_neighbors", "k5: {scan: {num_neighbors: 5}}", "k5: {scan: {num_neighbors: 50}}")
    spoil(project, "threshold", "t050: {selflabel: {threshold: 0.5}}", "t050: {selflabel: {threshold: 0.99}}")
    spoil(project, "seeds", "clustering_seeds: [1,", "clustering_seeds: [0, 1,")
    told = "\n".join(check.all_problems())
    assert "arms.reimpl.scan.k50 is the same cell as num_neighbors/reimpl/k5; name that under reads instead" in told
    assert "arms.reimpl.selflabel.t050 is the same cell as main/reimpl/default" in told
    assert "arms.reimpl.clustering.default is the same cell as main/reimpl/default" in told


def test_a_pipeline_that_does_not_follow_its_study_is_named(project):
    group = "  reimpl:\n    clustering: {c: {scan: {heads: 2}, selflabel: {}}}\n    selflabel:"
    spoil(project, "threshold", "  reimpl:\n    selflabel:", group)
    assert check.all_problems() == [
        "studies/threshold/dvc.yaml: not what its study.yaml asks for; `python -m studies write` renews it"]


def test_a_new_study_is_right_at_once(project, capsys):
    new.new("few_neighbors")
    assert not outdated()
    check.check()
    assert "few_neighbors" in capsys.readouterr().out
    stages = yaml.safe_load((project / "studies/few_neighbors/dvc.yaml").read_text())["stages"]
    assert set(stages) == {"settings", "scan", "selflabel", "summary"}
    for name, says in {"few_neighbors": "is there already", "Few": "should be small", "../x": "should be small"}.items():
        with pytest.raises(UserError, match=says):
            new.new(name)


def test_a_sweep_has_every_cell_of_the_study_once(project):
    sweep.sweep("seeds", Path("s.yaml"))
    found = yaml.safe_load(Path("s.yaml").read_text())
    assert found["command"] == ["${env}", "${interpreter}", "-m", "studies", "cell", "${args}"]
    assert found["parameters"]["study"] == {"value": "seeds"} and found["parameters"]["arm"] == {"values": ["reimpl/default"]}
    assert found["parameters"]["seed"]["values"] == [f"{p}-{c}" for p in (0, 1, 2) for c in range(1, 10)]
    with pytest.raises(UserError, match="has no arm 'k5' of reimpl"):
        load_study("seeds").group("reimpl", "k5")
