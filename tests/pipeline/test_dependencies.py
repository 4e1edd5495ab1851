"""What stages know of the code: the stage `code` sees every source file, each other one the hashes of its command's files."""

import json
import re
from pathlib import Path

import pytest
import yaml

from harness.files import read_yaml, sha256
from harness.pipeline import code, pipeline
from harness.pipeline.code import source_files

ROOT = Path(__file__).parent.parent.parent


def stages():
    """Every stage of every dvc.yaml, by `<file>:<name>`."""
    return {f"{file.relative_to(ROOT)}:{name}": stage
            for file in sorted([ROOT / "dvc.yaml", *ROOT.glob("studies/*/dvc.yaml")])
            for name, stage in yaml.safe_load(file.read_text())["stages"].items()}


def test_the_stage_code_depends_on_every_source_file_of_every_command():
    deps = set(stages()["dvc.yaml:code"]["deps"])
    needed = {file for modules in code.commands().values() for file in source_files(modules, ROOT)}
    needed |= set(source_files(["harness.pipeline.code"], ROOT))  # what it runs itself
    covered = {file for file in needed if deps & {file, *map(str, Path(file).parents)}}
    used = {dep for dep in deps if any(file == dep or file.startswith(f"{dep}/") for file in needed)}
    assert covered == needed and used == deps, (
        f"the deps of the stage code in dvc.yaml: add {sorted(needed - covered)}, remove {sorted(deps - used)}")


def file_of(command):
    """The file of hashes that a stage's command goes by, as its text says."""
    found = re.match(r"python -m (\S+)(?: ([a-z]\S*))?(?: --(?:task|method) (\S+))?", command)
    package, stage, task = found.groups()
    task = task if (package, stage) in {("reimpl", "pretext"), ("reimpl", "neighbors"), ("reimpl", "baseline")} else None
    return "runs/code/" + ".".join(filter(None, (package, stage, task))) + ".json"


@pytest.mark.parametrize("command, file", [
    ("python -m harness.results.summary --study main --dataset d", "runs/code/harness.results.summary.json"),
    ("python -m harness.pipeline.resolve --dataset d --out o", "runs/code/harness.pipeline.resolve.json"),
    ("python -m report --dataset d", "runs/code/report.json"),
    ("python -m reimpl kmeans --on pixels --dataset d", "runs/code/reimpl.kmeans.json"),
    ("python -m reimpl neighbors --task ${item.task} --seed 0", "runs/code/reimpl.neighbors.${item.task}.json"),
    ("python -m reimpl baseline --method spectral --study s", "runs/code/reimpl.baseline.spectral.json"),
    ("python -m original_ref pretext --task simclr --seed 0", "runs/code/original_ref.pretext.json"),
    ("python -m original_ref availability", "runs/code/original_ref.availability.json"),
])
def test_the_file_of_a_command_by_hand(command, file):
    assert file_of(command) == file


@pytest.mark.parametrize("name", sorted(set(stages()) - {"dvc.yaml:code"}))
def test_a_stage_depends_on_the_hashes_of_its_own_command_and_of_no_other(name):
    stage = stages()[name]
    (file,) = (dep for dep in stage["deps"] if dep.startswith("runs/code"))
    assert file == file_of(stage["cmd"])
    tasks = read_yaml(ROOT / "params.yaml")["pretext_tasks"]
    named = {file.replace("${item.task}", task) for task in tasks}
    assert named <= {f"runs/code/{command}.json" for command in code.commands()}
    assert not [dep for dep in stage["deps"] if dep.endswith(".py")]


def test_every_pipeline_is_what_its_study_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert list(pipeline.outdated()) == [], "`python -m studies write` brings them up to date"


def test_the_hashes_of_a_command_are_those_of_the_files_that_it_imports(tmp_path):
    code.digest(tmp_path)
    assert {file.stem for file in tmp_path.iterdir()} == set(code.commands())
    kmeans = json.loads((tmp_path / "reimpl.kmeans.json").read_text())
    assert {"reimpl/__main__.py", "reimpl/kmeans.py", "harness/metrics.py"} <= set(kmeans)
    assert not {"reimpl/scan.py", "reimpl/tasks/simclr.py", "report/page.py"} & set(kmeans)
    assert all(sha256(ROOT / file) == value for file, value in kmeans.items())
    simclr, rotation = (json.loads((tmp_path / f"reimpl.pretext.{task}.json").read_text()) for task in ("simclr", "rotation"))
    assert set(simclr) ^ set(rotation) == {"reimpl/tasks/simclr.py", "reimpl/tasks/rotation.py"}


def test_source_files_are_found_through_every_form_of_import(tmp_path):
    """By hand: a imports b at the top, c inside a function; c imports its package's own file."""
    room = tmp_path / "reimpl"
    (room / "sub").mkdir(parents=True)
    for name, text in {"__init__.py": "", "a.py": "from reimpl import b\ndef f():\n    import reimpl.sub.c\n", "b.py": "",
                       "sub/__init__.py": "import numpy", "sub/c.py": "from reimpl.sub import thing", "d.py": ""}.items():
        (room / name).write_text(text)
    assert source_files(["reimpl.a"], tmp_path) == [
        "reimpl/__init__.py", "reimpl/a.py", "reimpl/b.py", "reimpl/sub/__init__.py", "reimpl/sub/c.py"]
