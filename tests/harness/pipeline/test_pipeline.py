"""Pipelines by hand: for each group of arms its stages, what each is called with, reads and writes.

In what is expected, D is the data set, A the arm, P the pretext seed and C the clustering seed. What DVC fills in is quoted.
"""

import shlex

import pytest
import yaml

from harness import ROOT
from harness.errors import UserError
from harness.pipeline import pipeline
from harness.pipeline.study import Study

LETTERS = {"${dataset}": "D", "${item.arm}": "A", "${item.pretext_seed}": "P", "${item.seed}": "C"}
BOTH = {"scan": {}, "selflabel": {}}


def study(**fields):
    return Study(**{"title": "t", "question": "q", "arms": {},
                    "start": {"pretext": "simclr", "scan": "main/reimpl/default"}, **fields})


def rendered(name, about):
    """The written pipeline, read again, with LETTERS in place."""
    text = pipeline.render(name, about)
    for template, letter in LETTERS.items():
        text = text.replace(template, letter)
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def everything():
    """The stages of a study with arms in every group."""
    return rendered("s", study(arms={
        "reimpl": {"whole": {"w": {"pretext": {}, **BOTH}}, "clustering": {"a": BOTH, "b": BOTH}, "scan": {"c": {"scan": {}}},
                   "selflabel": {"d": {"selflabel": {}}}},
        "original_ref": {"clustering": {"a": BOTH}}}))["stages"]


FILES = ("model.pt", "predictions.npz", "metrics.json")
EXPECTED = {
    # name: (implementation, group, seeds, command, inputs, code, settings, further deps, folder and files written)
    "pretext": ("reimpl", "whole", "P", "pretext --task simclr", "", "pretext.simclr", "pretext", [],
                "runs/D/studies/s/reimpl/A/P/pretext", ["model.pt", "metrics.json"]),
    "neighbors": ("reimpl", "whole", "P", "neighbors --task simclr", "--pretext runs/D/studies/s/reimpl/A/P/pretext",
                  "neighbors.simclr", "neighbors", ["runs/D/studies/s/reimpl/A/P/pretext/model.pt"],
                  "runs/D/studies/s/reimpl/A/P/neighbors", ["neighbors.npz", "embeddings.npz", "metrics.json"]),
    "scan_of_own_pretext": ("reimpl", "whole", "P-C", "scan",
                            "--pretext runs/D/studies/s/reimpl/A/P/pretext --neighbors runs/D/studies/s/reimpl/A/P/neighbors",
                            "scan", "scan", ["runs/D/studies/s/reimpl/A/P/pretext/model.pt",
                                             "runs/D/studies/s/reimpl/A/P/neighbors/neighbors.npz"],
                            "runs/D/studies/s/reimpl/A/P-C/scan", FILES),
    "selflabel_of_own_pretext": ("reimpl", "whole", "P-C", "selflabel", "--scan runs/D/studies/s/reimpl/A/P-C/scan",
                                 "selflabel", "selflabel", ["runs/D/studies/s/reimpl/A/P-C/scan/model.pt"],
                                 "runs/D/studies/s/reimpl/A/P-C/selflabel", FILES),
    "scan": ("reimpl", "clustering", "P-C", "scan", "--pretext runs/D/pretext/simclr/P --neighbors runs/D/neighbors/simclr/P",
             "scan", "scan", ["runs/D/pretext/simclr/P/model.pt", "runs/D/neighbors/simclr/P/neighbors.npz"],
             "runs/D/studies/s/reimpl/A/P-C/scan", FILES),
    "selflabel": ("reimpl", "clustering", "P-C", "selflabel", "--scan runs/D/studies/s/reimpl/A/P-C/scan",
                  "selflabel", "selflabel", ["runs/D/studies/s/reimpl/A/P-C/scan/model.pt"],
                  "runs/D/studies/s/reimpl/A/P-C/selflabel", FILES),
    "scan_alone": ("reimpl", "scan", "P-C", "scan", "--pretext runs/D/pretext/simclr/P --neighbors runs/D/neighbors/simclr/P",
                   "scan", "scan", ["runs/D/pretext/simclr/P/model.pt", "runs/D/neighbors/simclr/P/neighbors.npz"],
                   "runs/D/studies/s/reimpl/A/P-C/scan", FILES),
    "selflabel_alone": ("reimpl", "selflabel", "P-C", "selflabel", "--scan runs/D/studies/main/reimpl/default/P-C/scan",
                        "selflabel", "selflabel", ["runs/D/studies/main/reimpl/default/P-C/scan/model.pt"],
                        "runs/D/studies/s/reimpl/A/P-C/selflabel", FILES),
    "original_scan": ("original_ref", "clustering", "P-C", "scan",
                      "--pretext runs/D/original_ref/pretext/simclr/P --neighbors runs/D/original_ref/pretext/simclr/P",
                      "scan", "scan", ["runs/reference.json", "runs/D/original_ref/pretext/simclr/P"],
                      "runs/D/studies/s/original_ref/A/P-C/scan", None),
    "original_selflabel": ("original_ref", "clustering", "P-C", "selflabel", "--scan runs/D/studies/s/original_ref/A/P-C/scan",
                           "selflabel", "selflabel", ["runs/reference.json", "runs/D/studies/s/original_ref/A/P-C/scan"],
                           "runs/D/studies/s/original_ref/A/P-C/selflabel", None),
}


def test_each_group_with_arms_has_its_stages_and_the_summary_comes_last(everything):
    assert list(everything) == ["settings", *EXPECTED, "summary"]


def test_the_settings_are_those_of_the_data_set_and_of_the_studys_arms(everything):
    assert everything["settings"] == {
        "wdir": "../..",
        "cmd": "python -m harness.pipeline.resolve --dataset 'D' --study s --out 'runs/D/studies/s/settings'",
        "deps": ["runs/code/harness.pipeline.resolve.json", "params", "studies/s/study.yaml"],
        "outs": ["runs/D/studies/s/settings"],
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_a_stage_by_hand(everything, name):
    implementation, group, seed, command, inputs, code, settings, deps, out, files = EXPECTED[name]
    settings = f"runs/D/studies/s/settings/{implementation}/A/{settings}.json"
    words = [f"python -m {implementation} {command} --study s --arm A --dataset D --seed {seed} --settings {settings}",
             "--data data/D", inputs]
    assert shlex.split(everything[name]["cmd"]) == " ".join([*words, f"--out {out}"]).split()
    assert {key: value for key, value in everything[name].items() if key != "cmd"} == {
        "matrix": {"arm": f"${{arms.{implementation}.{group}}}", "pretext_seed": "${pretext_seeds}",
                   **({"seed": "${clustering_seeds}"} if seed == "P-C" else {})},
        "wdir": "../..",
        "deps": [f"runs/code/{implementation}.{code}.json", settings, "data/D", *deps],
        "outs": [{out: {"persist": True}}] if files is None else [f"{out}/{file}" for file in files],
    }


def test_whatever_dvc_fills_in_is_one_word_of_a_command():
    """A name of several words is refused before a pipeline is written; should one come in all the same, it stays one word."""
    text = pipeline.render("s", study(arms={"reimpl": {"scan": {"c": {"scan": {}}}}}))
    command = yaml.safe_load(text)["stages"]["scan_alone"]["cmd"]
    words = shlex.split(command.replace("${item.arm}", "a $(touch x) @").replace("${dataset}", "d d"))
    assert words[words.index("--arm") + 1] == "a $(touch x) @" and words[words.index("--data") + 1] == "data/d d"


def test_the_summary_reads_what_the_study_shares_reads_and_runs_each_once():
    about = study(shared=("kmeans/pixels", "neighbors/simclr"),
                  arms={"reimpl": {"scan": {"c": {"scan": {}}}}, "original_ref": {}},
                  reads={"default": "main/reimpl/default", "same": "main/reimpl/default", "other": "two/reimpl/x"})
    assert rendered("s", about)["stages"]["summary"] == {
        "wdir": "../..",
        "cmd": "python -m harness.results.summary --study s --dataset 'D' --out 'runs/D/summary/s'",
        "params": ["pretext_seeds", "clustering_seeds"],
        "deps": ["runs/code/harness.results.summary.json", "studies/s/study.yaml", "data/D", "records", "runs/D/kmeans/pixels",
                 "runs/D/neighbors/simclr", "runs/D/studies/main/reimpl/default", "runs/D/studies/two/reimpl/x",
                 "runs/D/studies/s/reimpl"],
        "outs": ["runs/D/summary/s"],
    }


def test_what_dvc_shows_of_a_study_lies_in_its_summary():
    found, summary = rendered("s", study()), "../../runs/D/summary/s"
    assert found["metrics"] == [f"{summary}/means.json"]
    assert [list(plot) for plot in found["plots"]] == [[f"{summary}/cells.csv"], [f"{summary}/curves.csv"]]
    templates = {file.stem for file in (ROOT / ".dvc/plots").iterdir()}
    assert {props["template"] for plot in found["plots"] for props in plot.values()} == templates


def test_a_study_that_runs_nothing_of_its_own_is_a_summary():
    for arms in ({}, {"reimpl": {}}, {"reimpl": {"clustering": {}, "scan": {}}}):
        found = rendered("s", study(arms=arms, reads={"default": "main/reimpl/default"}))["stages"]
        assert list(found) == ["summary"] and found["summary"]["deps"][4:] == ["runs/D/studies/main/reimpl/default"]


def test_clustering_seeds_of_its_own_take_the_place_of_those_of_params_yaml():
    """Both files would give DVC the same key, so of params.yaml only the rest is read."""
    assert rendered("s", study())["vars"] == ["../../params.yaml", "study.yaml"]
    assert rendered("s", study(clustering_seeds=(1, 2)))["vars"] == ["../../params.yaml:dataset,pretext_seeds", "study.yaml"]


def test_arms_start_from_another_pretext_task_and_another_arm_where_the_study_says_so():
    found = rendered("s", study(
        start={"pretext": "rotation", "scan": "two/reimpl/x"},
        arms={"reimpl": {"whole": {"w": {"pretext": {}, **BOTH}}, "clustering": {"a": BOTH},
                         "selflabel": {"d": {"selflabel": {}}}}}))["stages"]
    assert "python -m reimpl pretext --task rotation " in found["pretext_rotation"]["cmd"]
    assert "runs/code/reimpl.neighbors.rotation.json" in found["neighbors_rotation"]["deps"]
    assert {"runs/D/pretext/rotation/P/model.pt", "runs/D/neighbors/rotation/P/neighbors.npz"} <= set(found["scan"]["deps"])
    assert "--scan 'runs/D/studies/two/reimpl/x/P-C/scan' " in found["selflabel_alone"]["cmd"]


def test_arms_of_several_pretext_tasks_have_a_stage_for_each_task_and_share_those_after_it():
    """An arm that names none has that which the study starts from."""
    arms = {"w": {"pretext": {"moco": {"dim": 8}}, **BOTH}, "x": {"pretext": {}, **BOTH}, "y": {"pretext": {"moco": {}}, **BOTH}}
    found = rendered("s", study(arms={"reimpl": {"whole": arms}}))["stages"]
    assert list(found) == ["settings", "pretext_moco", "pretext", "neighbors_moco", "neighbors", "scan_of_own_pretext",
                           "selflabel_of_own_pretext", "summary"]
    for name, task, arms in (("pretext_moco", "moco", ["w", "y"]), ("neighbors_moco", "moco", ["w", "y"]),
                             ("pretext", "simclr", ["x"]), ("neighbors", "simclr", ["x"])):
        stage = name.partition("_")[0]
        assert found[name]["matrix"]["arm"] == arms and f"python -m reimpl {stage} --task {task} " in found[name]["cmd"]
        assert found[name]["deps"][0] == f"runs/code/reimpl.{stage}.{task}.json"
    assert found["scan_of_own_pretext"]["matrix"]["arm"] == "${arms.reimpl.whole}"


def test_where_arms_name_k_means_it_runs_on_the_features_of_each():
    """Once for each pretext seed, as the shared one; without its name a study has no such stage (EXPECTED)."""
    found = rendered("s", study(arms={"reimpl": {"whole": {"w": {"pretext": {}, "kmeans": {"restarts": 2}, **BOTH}}}}))["stages"]
    assert list(found) == ["settings", "pretext", "neighbors", "kmeans", "scan_of_own_pretext", "selflabel_of_own_pretext",
                           "summary"]
    assert found["kmeans"] == {
        "matrix": {"arm": "${arms.reimpl.whole}", "pretext_seed": "${pretext_seeds}"},
        "wdir": "../..",
        "cmd": "python -m reimpl kmeans --on embeddings --study s --arm 'A' --dataset 'D' --seed 'P' "
               "--settings 'runs/D/studies/s/settings/reimpl/A/kmeans.json' --data 'data/D' --features "
               "'runs/D/studies/s/reimpl/A/P/neighbors' --out 'runs/D/studies/s/reimpl/A/P/kmeans'",
        "deps": ["runs/code/reimpl.kmeans.json", "runs/D/studies/s/settings/reimpl/A/kmeans.json", "data/D",
                 "runs/D/studies/s/reimpl/A/P/neighbors/embeddings.npz"],
        "outs": ["runs/D/studies/s/reimpl/A/P/kmeans/predictions.npz", "runs/D/studies/s/reimpl/A/P/kmeans/metrics.json"]}


STUDY = {"title": "t", "question": "q", "arms": {"reimpl": {"scan": {"c": {"scan": {}}}}}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the studies one and two, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path / "studies"


def test_only_pipelines_that_are_not_what_they_should_be_are_written(folder):
    written = [folder / name / "dvc.yaml" for name in ("one", "two")]
    assert [str(path) for path in pipeline.outdated()] == ["studies/one/dvc.yaml", "studies/two/dvc.yaml"]
    assert [str(path) for path in pipeline.write()] == ["studies/one/dvc.yaml", "studies/two/dvc.yaml"]
    assert written[0].read_text() == pipeline.render("one", study(arms=STUDY["arms"]))
    assert pipeline.write() == []
    written[1].write_text(written[1].read_text() + "\n")
    assert [str(path) for path in pipeline.write()] == ["studies/two/dvc.yaml"] and pipeline.outdated() == {}


def test_a_study_that_is_wrong_leaves_every_pipeline_as_it_was(folder):
    pipeline.write()
    before = (folder / "one/dvc.yaml").read_text()
    (folder / "one/study.yaml").write_text(yaml.safe_dump({**STUDY, "shared": ["neighbors/simclr"]}))
    (folder / "two/study.yaml").write_text(yaml.safe_dump({**STUDY, "arm": {}}))
    with pytest.raises(UserError, match="studies/two/study.yaml: unknown setting 'arm'; did you mean 'arms'?"):
        pipeline.write()
    assert (folder / "one/dvc.yaml").read_text() == before
