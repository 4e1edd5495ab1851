"""The studies as they stand, without running them: each finds what it reads, runs what it reports, claims what it measures."""

import warnings
from pathlib import Path

import pytest

from harness.files import read_yaml
from harness.params import data_sets
from harness.pipeline.cells import results
from harness.pipeline.resolve import of_arms
from harness.pipeline.study import load_study, names
from harness.stages import STAGES, title
from report.tables import SCORES

ROOT = Path(__file__).parent.parent.parent
STUDIES = sorted(file.parent.name for file in ROOT.glob("studies/*/study.yaml"))
DATASET = read_yaml(ROOT / "params.yaml")["dataset"]
studies = pytest.mark.parametrize("name", STUDIES)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def paths():
    """(what each stage reads, what each stage writes): by its name, paths relative to the project."""
    from dvc.repo import Repo

    def of(stage, kind):
        return {Path(one.fs_path).relative_to(ROOT) for one in getattr(stage, kind)}

    with warnings.catch_warnings(action="ignore"), Repo(str(ROOT)) as repo:
        return tuple({stage.addressing: of(stage, kind) for stage in repo.index.stages} for kind in ("deps", "outs"))


def test_whatever_a_stage_reads_of_runs_another_one_writes(paths):
    """The very path, a folder around it, or something in it."""
    reads, writes = paths
    made = set().union(*writes.values())
    around = {folder for out in made for folder in out.parents}
    assert len(reads) > 50
    for name, found in reads.items():
        for path in (path for path in found if path.parts[0] in ("runs", "data")):
            assert path in made | around or made & set(path.parents), f"{name} reads {path}, which no stage writes"


@studies
def test_each_cell_that_a_study_reports_is_written_by_a_stage(paths, name):
    made = set().union(*paths[1].values())
    for result in results(load_study(name), name, DATASET):
        record = result.folder / "metrics.json"
        assert record in made or result.folder in made, f"no stage writes {record}"


@studies
def test_each_study_finds_its_settings_on_every_data_set(name):
    """Else not one of its arms runs there."""
    for dataset in data_sets():
        assert bool(of_arms(name, dataset)) == load_study(name).has_arms()


@studies
def test_each_claim_and_published_figure_is_of_a_step_that_the_study_has(name):
    study = load_study(name)
    steps = {result.step for result in results(study, name, DATASET)}
    for claim in study.claims:
        assert {claim.of, claim.than or claim.of} <= steps, claim.text
    for figure in study.published:
        assert figure["step"] in steps | set(study.stages()), figure
    assert set(study.scores) <= set(SCORES)
    assert all(len(figure[score]) in (1, 2) for figure in study.published for score in set(figure) & set(SCORES))


def test_every_study_is_found_and_every_shared_step_with_a_table_has_a_heading():
    assert names() == STUDIES and "main" in STUDIES
    shared = {shared for name in STUDIES for shared in load_study(name).shared}
    assert all(title(one) for one in shared)


@studies
def test_an_arm_along_an_axis_has_a_value_there_of_its_own(name):
    """As far as arms name it: those that are read have the default."""
    study = load_study(name)
    if study.axis:
        stage, _, key = study.axis.partition(".")
        values = [changes[stage][key] for arms in study.arms["reimpl"].values() for changes in arms.values()]
        assert len(values) == len(set(values)) > 1 and "whole" in STAGES[stage].groups
