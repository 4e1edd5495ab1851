"""`python -m studies check` names file, line and mend of whatever is wrong with settings and studies; `new`, `sweep` write what
runs."""

import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from PIL import Image

from harness import ROOT
from harness.engine import sweep
from harness.engine.plan import Job
from harness.errors import UserError
from harness.params import pretext_seeds
from harness.pipeline import check, new
from harness.pipeline.pipeline import outdated
from harness.pipeline.study import load_study


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


def spoil(project, name, old, new):
    """Replace the first `old` in the YAML file of a study, or of a path, and return the line (from 1) that it began in."""
    file = project / name if name.endswith(".yaml") else project / "studies" / name / "study.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_studies_are_right(project, capsys):
    check.check()
    assert capsys.readouterr().out.startswith("12 studies are right: divergences, ")


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
     "claims.0: kind is 'abov', and should be above, equal, same, varies or collapses"),
    ("pretext_task", "start: {pretext: rotation}", "start: {pretext: rotate}",
     "start.pretext is 'rotate'; params.yaml: pretext_tasks has simclr, rotation"),
    ("threshold", "t050: {selflabel: {threshold: 0.5}}", "'a b': {selflabel: {threshold: 0.5}}",
     "arms.reimpl.selflabel: the name of an arm is 'a b', and should be small letters"),
    ("threshold", "t050: {selflabel: {threshold: 0.5}}", "off: {selflabel: {threshold: 0.5}}",
     "the key 'off' is read as bool, and should be text"),
    ("threshold", "t050: {selflabel: {threshold: 0.5}}", "t050: {selflabel: {threshold: .nan}}",
     "arms.reimpl.selflabel.t050.selflabel.threshold is nan, and should be a finite number"),
    ("threshold", "t050: {selflabel: {threshold: 0.5}}", "t050: {selflabel: {training: {batch_size: 1438}}}",
     "arms.reimpl.selflabel.t050: selflabel.training.batch_size is 1438, but there are only 1437 training images"),
    ("num_neighbors", "k5: {scan: {num_neighbors: 5}}", "k5: {scan: {num_neighbors: 101}}",
     "arms.reimpl.scan.k5: scan.num_neighbors is 101, but only 100 are mined; raise neighbors.train or lower it"),
    ("divergences", "symmetric_nt_xent: {pretext: {simclr: {symmetric: true}}",
     "symmetric_nt_xent: {pretext: {simlcr: {symmetric: true}}",
     "arms.reimpl.whole.symmetric_nt_xent: the pretext task is 'simlcr', and should be one of byol, imported, moco, "),
    ("pretext_task", "moco: {pretext: {moco: {}}", "moco: {pretext: {moco: {queue: 5}}",
     "arms.reimpl.whole.moco.pretext.moco: queue is 5, and should be at least 128"),
    ("main", "default: {scan: {}, selflabel: {}}\n\n", "default: {scan: {draw_itself: false}, selflabel: {}}\n\n",
     "arms.original_ref.clustering.default: scan.draw_itself is False, and the authors' code knows only true"),
    ("main", "acc: [22.9]", "acc: [.inf]", "published.0.acc.0 is inf, and should be a finite number"),
    ("entropy_weight", "of: reimpl/w5/scan", "of: reimpl/w6/scan",
     "claims.1.of is 'reimpl/w6/scan', which the study has not; it has reimpl/w0/scan, "),
    ("overclustering", "reads: {once: main/reimpl/default}", "reads: {once: main/reimpl/defaul}",
     "reads.once is 'main/reimpl/defaul', which is no arm; it should be <study>/<implementation>/<arm> of another study"),
    ("methods", "spectral: {baseline: {spectral: {}}}", "spectral: {baseline: {spectral: {neighbors: 1438}}}",
     "arms.reimpl.baseline.spectral: baseline.spectral.neighbors is 1438, but there are only 1437 training images"),
    ("num_neighbors", "axis: scan.num_neighbors", "axis: scan.augmentation",
     "axis is 'scan.augmentation', which is no setting with a number; it should be as in scan.num_neighbors"),
    ("num_neighbors", "axis: scan.num_neighbors", "axis: scan.neighbors",
     "axis is 'scan.neighbors', which is no setting with a number; it should be as in scan.num_neighbors"),
    ("seeds", "clustering_seeds: [1, 2,", "clustering_seeds: [1, 1,", "clustering_seeds holds 1 twice; a seed counts once"),
])
def test_what_is_wrong_is_named_with_its_line(project, study, old, new, says):
    line = spoil(project, study, old, new)
    problems = [problem for problem in check.all_problems() if "dvc.yaml" not in problem]
    assert len(problems) == 1
    assert problems[0].startswith(f"studies/{study}/study.yaml, line {line}: {says}")
    with pytest.raises(UserError, match="problem"):
        check.check()


@pytest.mark.parametrize("file, old, new, says", [
    ("params.yaml", "dataset: digits", "dataset:", "dataset is None, and should be small letters"),
    ("params.yaml", "dataset: digits", "dataset: 5", "dataset is 5, and should be small letters"),
    ("params.yaml", "dataset: digits", "dataset: digit", "dataset is 'digit'; params/ has cifar10, cifar100, cifar10_small, "),
    ("params.yaml", "[simclr, rotation]", "[simclr, jigsaw]",
     "pretext_tasks has 'jigsaw'; reimpl/tasks/ has "),
    ("params.yaml", "[simclr, rotation]", "[rotation]", "pretext_tasks lacks simclr, on which the baselines"),
    ("params.yaml", "clustering_seeds: [0]", "clustering_seeds: 0", "clustering_seeds is 0, and should be a list of whole"),
    ("params.yaml", "threads: 1", "threads: 100000", "execution: threads is 100000, and should be from 1 to 1024"),
    ("params.yaml", "checkpoint_seconds: 15", "checkpoint_seconds: .inf", "execution.checkpoint_seconds is inf, and should be a"),
    ("params.yaml", "execution:", "executon: {}\nexecution:", "unknown setting 'executon'; known are dataset, pretext_seeds,"),
    ("params/digits.yaml", "mean: [0.306]", "mean: [.nan]", "dataset.mean.0 is nan, and should be a finite number"),
    ("params/digits.yaml", "mean: [0.306]", "joint: true\n  mean: [0.306]",
     "dataset.joint is set for all that runs; leave it out, since an arm alone may set it"),
    ("params/digits.yaml", "lr: 0.2", "lr: .inf", "pretext.simclr.training.optimizer.lr is inf, and should be a finite number"),
    ("params/digits.yaml", "temperature: 1.0", "temperature: .nan", "pretext.simclr.temperature is nan, and should be a finite"),
    ("params/digits.yaml", "augmentation: {simclr: *simclr}", "augmentation: {simclr: {<<: *simclr, hue: 3}}",
     "pretext.simclr.augmentation.simclr: hue is 3.0, and should be from 0 to 0.5"),
    ("params/digits.yaml", "cutout: 3", "cutouts: 3", "augmentation.strong: unknown setting 'cutouts'; did you mean 'cutout'?"),
    ("params/digits.yaml", "kmeans:", "kmean: {}\nkmeans:", "unknown section 'kmean'; known are dataset, network, neighbors,"),
    ("params/digits.yaml", "kmeans: {restarts: 10", "kmeans: {clusters: 1438, restarts: 10",
     "kmeans.clusters is 1438, but there are only 1437 training images; it should be at most 1437"),
    ("params/digits.yaml", "neighbors: {train: 100, test: 5", "neighbors: {train: 100, test: 360",
     "neighbors.test is 360, but there are only 360 test images; it should be at most 359"),
    ("params/slurm.yaml", "minutes: 60, gres", "minuts: 60, gres",
     "stages.kmeans over default: unknown setting 'minuts'; did you mean 'minutes'?"),
    ("params/cifar10.yaml", "kmeans:", "matters: 0\nkmeans:", "matters is 0, and should be a number of points above 0"),
    ("params/cifar10.yaml", "lr: 0.4", "lr: .nan", "pretext.simclr.training.optimizer.lr is nan, and should be a finite number"),
])
def test_what_is_wrong_with_settings_is_named_with_its_line_and_nothing_runs_on_it(project, file, old, new, says):
    line = spoil(project, file, old, new)
    (problem,) = check.all_problems()
    assert problem.startswith(f"{file}, line {line}: {says}")
    if "cifar" not in file and "slurm" not in file:  # which are not what is run
        with pytest.raises(UserError) as error:
            check.check_run()
        assert str(error.value).startswith(file) and "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["params/digits.yaml", "params/folder.yaml"])
def test_a_method_that_an_arm_names_has_settings_on_each_data_set_and_not_only_on_the_one_that_is_run(project, file):
    """What imagenette and tiny_imagenet have from folder is said of folder alone."""
    line = spoil(project, file, "  spectral: {neighbors: 10}\n", "")
    (problem,) = check.all_problems()
    assert problem.startswith(f"{file}, line {line - 1}: baseline has no 'spectral'; it has supervised, autoencoder, ")


@pytest.mark.parametrize("spoil, says", [
    (lambda project: (project / "params.yaml").unlink(), "params.yaml is missing"),
    (lambda project: (project / "params/x.yaml").mkdir(), "params/x.yaml cannot be read (Is a directory)"),
    (lambda project: (project / "params/digits.yaml").write_bytes(b"a: b\nc: \xe9"),
     "params/digits.yaml, line 2: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    (lambda project: (project / "studies/seeds/study.yaml").write_bytes(b"title: \xe9"),
     "studies/seeds/study.yaml, line 1: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    (lambda project: (project / "params/digits.yaml").write_text("[1]"), "params/digits.yaml holds no mapping of settings"),
    (lambda project: (project / "params/digits.yaml").write_text("a: " + "[" * 5000), "params/digits.yaml is nested too deeply"),
    (lambda project: shutil.copy(project / "params/digits.yaml", project / "params/my set.yaml"),
     "params/my set.yaml, line 1: the data set is 'my set', and should be small letters, digits and underscores, beginning with "
     "a letter, 64 at most"),
    (lambda project: first_of(project / "params/digits.yaml", scan=[1]),
     "params/digits.yaml, line 1: scan should be a mapping of settings, not [1]"),
])
def test_a_file_that_cannot_be_used_is_one_line(project, spoil, says):
    spoil(project)
    assert check.all_problems() == [says]


def first_of(file, **changes):
    file.write_text(yaml.safe_dump(changes | {key: value for key, value in yaml.safe_load(file.read_text()).items()
                                              if key not in changes}, sort_keys=False))


def rewritten(file, **changes):
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))


@pytest.fixture
def photographs(project, photos):
    """The project with a data set of 80 and 4 images a class in a folder, as what is run."""
    for label, name in enumerate(("temple", "flower")):
        for index in range(84):
            folder = project / "images" / ("test" if index < 4 else "train") / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photos[128 * label + index].permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
    settings = yaml.safe_load((project / "params/digits.yaml").read_text())
    settings["dataset"] = {"source": "folder", "root": "images", "mean": [0.5] * 3, "std": [0.25] * 3}
    trained = (*settings["pretext"].values(), *settings["baseline"].values(), settings["scan"], settings["selflabel"])
    for stage in (stage for stage in trained if "training" in stage):
        stage["training"]["batch_size"] = 32
    (project / "params/photos.yaml").write_text(yaml.safe_dump(settings))
    spoil(project, "params.yaml", "dataset: digits", "dataset: photos")
    return project


@pytest.mark.parametrize("change, says", [
    (lambda project: None, None),
    (lambda project: shutil.rmtree(project / "images"), "dataset.root: images/train is missing; images lie in <root>/"),
    (lambda project: (shutil.rmtree(project / "images/train"), (project / "images/train").touch()),
     "dataset.root: images/train is no folder; images lie in <root>/"),
    (lambda project: os.mkfifo(project / "images/train/temple/x.png"), "images/train/temple/x.png is no regular file"),
    (lambda project: Image.new("I;16", (32, 32)).save(project / "images/test/flower/0.png"), "images/test/flower/0.png is of "),
    (lambda project: [(project / f"images/test/temple/{index}.png").unlink() for index in range(3)],
     "neighbors.test is 5, but there are only 5 test images; it should be at most 4"),
])
def test_the_images_of_what_is_run_are_looked_at(photographs, change, says):
    change(photographs)
    problems = check.all_problems()
    assert len(problems) == (says is not None)
    assert says is None or problems[0].partition(": ")[2].startswith(says)


def test_a_method_of_the_table_that_is_not_run_may_need_more_images_than_there_are(photographs):
    settings = yaml.safe_load((photographs / "params/photos.yaml").read_text())
    settings["baseline"]["iic"]["training"]["batch_size"] = 161
    rewritten(photographs / "params/photos.yaml", baseline=settings["baseline"])
    check.check_run()
    (problem,) = check.all_problems()  # and none of IIC on both splits
    assert problem.startswith("studies/methods/study.yaml, ")
    assert "iic: baseline.iic.training.batch_size is 161, but there are only 160 training images" in problem


@pytest.mark.parametrize("task, change, says", [
    ("rotation", {"turns": 4}, "pretext.rotation: unknown setting 'turns'; known are training, augmentation, evaluate_every"),
    ("rotation", {"evaluate_every": 0}, "pretext.rotation: evaluate_every is 0, and should be at least 1"),
    ("simclr", {"temperature": 0}, "pretext.simclr: temperature is 0.0, and should be above 0"),
    ("jigsaw", {}, "the pretext task is 'jigsaw', and should be one of "),
])
def test_the_settings_of_a_pretext_task_are_those_that_its_module_says(project, task, change, says):
    settings = yaml.safe_load((project / "params/digits.yaml").read_text())["pretext"]
    settings[task] = settings.get(task, {}) | change
    rewritten(project / "params/digits.yaml", pretext=settings)
    (problem,) = check.all_problems()
    assert says in problem


def test_of_a_study_that_is_wrong_nothing_is_said_of_those_that_read_it(project):
    spoil(project, "main", "margin: 0.3", "margin: .nan")
    (problem,) = check.all_problems()
    assert problem.endswith("claims.5.margin is nan, and should be a finite number")


def test_a_cell_that_another_study_runs_is_to_be_read_from_there(project):
    """Twenty neighbors are the default, which the study main runs; clustering seed 0 is what main runs already."""
    spoil(project, "num_neighbors", "k5: {scan: {num_neighbors: 5}}", "k5: {scan: {num_neighbors: 50}}")
    spoil(project, "threshold", "t050: {selflabel: {threshold: 0.5}}", "t050: {selflabel: {threshold: 0.99}}")
    spoil(project, "seeds", "clustering_seeds: [1,", "clustering_seeds: [0, 1,")
    told = "\n".join(check.all_problems())
    assert "arms.reimpl.scan.k50 is the same cell as num_neighbors/reimpl/k5; leave one of them out" in told
    assert ("arms.reimpl.selflabel.t050 is the same cell as main/reimpl/default; keep it in one study, and name it under reads "
            "in the other") in told
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
    for name, says in {"few_neighbors": "is there already", "Few": "should be small", "../x": "should be small",
                       "x" * 65: "64 at most"}.items():
        with pytest.raises(UserError, match=says):
            new.new(name)
    assert not (project / "studies" / ("x" * 65)).exists()


@pytest.mark.parametrize("name", ["null", "on", "no"])
def test_a_new_study_may_be_called_what_yaml_reads_as_no_text(project, name):
    new.new(name)
    assert load_study(name).title == name.capitalize() and not check.all_problems()


def test_a_sweep_has_every_cell_of_the_study_once(project):
    sweep.sweep("seeds")
    found = yaml.safe_load(Path("runs/digits/sweeps/seeds.yaml").read_text())
    assert found["parameters"]["study"] == {"value": "seeds"} and found["parameters"]["arm"] == {"values": ["reimpl/default"]}
    assert found["parameters"]["seed"]["values"] == [f"{p}-{c}" for p in pretext_seeds() for c in range(1, 10)]
    with pytest.raises(UserError, match="has no arm 'k5' of reimpl"):
        load_study("seeds").group("reimpl", "k5")


@pytest.mark.parametrize("study, arm, stages", [
    ("main", "original_ref/default", {"original_scan@default-3-1", "original_selflabel@default-3-1"}),
    ("pretext_task", "reimpl/moco", {"pretext_moco@moco-3", "neighbors_moco@moco-3", "scan_of_own_pretext@moco-3-1",
                                     "selflabel_of_own_pretext@moco-3-1"}),
    ("methods", "reimpl/denoising", {"baseline_autoencoder@denoising-3"}),
])
def test_a_cell_of_a_sweep_is_the_stages_of_its_arm_at_its_seeds(project, monkeypatch, study, arm, stages):
    chosen, jobs = Mock(), defaultdict(lambda: Job("", frozenset(), (), False))
    monkeypatch.setattr(sweep, "bring", lambda choose, at_once: chosen(choose(jobs)))
    monkeypatch.setitem(sys.modules, "wandb", Mock())
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("clustering_seeds: [0]", "clustering_seeds: [0, 1]"))
    sweep.run_cell(study, arm, "3-1")
    chosen.assert_called_once_with({f"studies/{study}/dvc.yaml:{name}" for name in stages})
    written = yaml.safe_load(Path(f"studies/{study}/dvc.yaml").read_text())["stages"]
    assert {name.partition("@")[0] for name in stages} <= set(written)


@pytest.mark.parametrize("seed", ["77-0", "0-77", "0", "zero"])
def test_a_cell_of_a_seed_that_has_gone_from_params_yaml_is_named(project, monkeypatch, seed):
    monkeypatch.setattr(sweep, "bring", lambda choose, at_once: choose({}))
    monkeypatch.setitem(sys.modules, "wandb", Mock())
    with pytest.raises(UserError, match=f"the study main has no seed {seed} by params.yaml, but 0-0, 1-0, 2-0, "):
        sweep.run_cell("main", "reimpl/default", seed)
