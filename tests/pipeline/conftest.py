"""A small project of its own: this repository's code, digits at 8x8, a tiny network, few epochs."""

import contextlib
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import dvc  # noqa: F401  its log goes to what sys.stdout is now, and not to what a test captures, which is closed after it
import pytest
import yaml

from harness.pipeline import pipeline

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("harness", "reimpl", "original_ref", "studies", "report")
PATIENCE = 1200  # seconds; a stage may take many times as long on a busy machine as on an idle one
CELL = "runs/digits/studies/main/reimpl/default/0-0"

# The folders that a stage reads and writes, in the order in which data flows.
STAGES = {
    "dataset": ["harness", "dataset", "--dataset", "digits", "--out", "data/digits"],
    "pretext": ["reimpl", "pretext", "--task", "simclr", "--dataset", "digits", "--seed", "0", "--data", "data/digits",
                "--out", "runs/digits/pretext/simclr/0"],
    "neighbors": ["reimpl", "neighbors", "--task", "simclr", "--dataset", "digits", "--seed", "0", "--data", "data/digits",
                  "--pretext", "runs/digits/pretext/simclr/0", "--out", "runs/digits/neighbors/simclr/0"],
    "scan": ["reimpl", "scan", "--study", "main", "--arm", "default", "--dataset", "digits", "--seed", "0-0",
             "--data", "data/digits", "--pretext", "runs/digits/pretext/simclr/0",
             "--neighbors", "runs/digits/neighbors/simclr/0", "--out", f"{CELL}/scan"],
    "selflabel": ["reimpl", "selflabel", "--study", "main", "--arm", "default", "--dataset", "digits", "--seed", "0-0",
                  "--data", "data/digits", "--scan", f"{CELL}/scan", "--out", f"{CELL}/selflabel"],
}


class Project:
    """A checkout in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *arguments, check=True, timeout=PATIENCE):
        """`python -m <arguments>` in the project; its output as text."""
        result = subprocess.run([sys.executable, "-m", *arguments], cwd=self.folder, env=self.environment(),
                                capture_output=True, text=True, timeout=timeout)
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def stage(self, name, check=True):
        return self.run(*STAGES[name], check=check)

    def start(self, *arguments):
        """The same in the background, in a process group of its own."""
        return subprocess.Popen([sys.executable, "-m", *arguments], cwd=self.folder, env=self.environment(),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def environment(self):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        nowhere = {"SCAN_REFERENCE": "/nowhere", "XDG_CACHE_HOME": str(self.folder.parent / "cache")}  # no network in tests
        return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", **nowhere}

    def edit(self, file, change):
        """Rewrite a YAML file through `change`, a function of its mapping."""
        path = self.folder / file
        value = yaml.safe_load(path.read_text())
        change(value)
        path.write_text(yaml.safe_dump(value, sort_keys=False))

    def copy(self, folder):
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def bytes(self, pattern):
        """Contents by path of the files that match."""
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in sorted(self.folder.glob(pattern))}


def tiny(params):
    params.update(dataset="digits", pretext_seeds=[0], clustering_seeds=[0], pretext_tasks=["simclr"])
    params["execution"].update(device="cpu", threads=1, tracking="disabled", checkpoint_seconds=0)


def tiny_digits(digits):
    digits["dataset"]["size"] = 0
    digits["network"] = {"width": 8, "blocks": [1, 1]}
    digits["pretext"]["simclr"]["training"]["epochs"] = 4
    digits["pretext"]["simclr"]["evaluate_every"] = 2
    digits["pretext"]["rotation"]["training"]["epochs"] = 4
    digits["neighbors"] = {"train": 10, "test": 5, "scored": 10}
    digits["kmeans"]["restarts"] = 1
    digits["scan"].update(num_neighbors=10)
    digits["scan"]["training"]["epochs"] = 4
    digits["selflabel"].update(threshold=0.2)
    digits["selflabel"]["training"]["epochs"] = 4
    for others in (digits["pretext"][task] for task in ("moco", "byol", "simsiam")):
        others["training"]["epochs"] = 4
    for method in digits["baseline"].values():
        for settings in (method, method.get("training", {})):
            settings.update({key: 2 if key == "epochs" else 1 for key in settings if key.endswith("epochs")})


def tiny_project(folder, studies=("main",)):
    """A Project of its own in `folder`, which is made, with some studies, and nothing run yet."""
    folder.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "output", "*.lock"))
    for file in ("params.yaml", "dvc.yaml", ".dvcignore", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / file, folder / file)
    (folder / "params").mkdir()
    for file in ("digits.yaml", "slurm.yaml"):
        shutil.copy(ROOT / "params" / file, folder / "params")
    (folder / "records").mkdir()
    shutil.copy(ROOT / "records/README.md", folder / "records")
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copy(ROOT / ".dvc/.gitignore", folder / ".dvc/.gitignore")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    project = Project(folder)
    project.edit("params.yaml", tiny)
    project.edit("params/digits.yaml", tiny_digits)
    for study in (folder / "studies").iterdir():  # the user's own studies and arms are not what is tested
        if study.is_dir() and study.name not in (*studies, "__pycache__"):
            shutil.rmtree(study)
    project.edit("studies/main/study.yaml", lambda study: study.update(
        arms={name: {"clustering": {"default": groups["clustering"]["default"]}} for name, groups in study["arms"].items()}))
    with contextlib.chdir(folder):
        pipeline.write()
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "tiny"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return project


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """A project in which nothing has run."""
    return tiny_project(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def finished(fresh, tmp_path_factory):
    """A project in which `dvc repro` has run every stage."""
    project = fresh.copy(tmp_path_factory.mktemp("finished") / "project")
    project.log = project.run("dvc", "repro").stdout
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project, to be spoilt at will."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def call(monkeypatch, capsys):
    """`call(project, package, *arguments)`: `python -m package arguments`, in this process: exit code and standard error."""
    def run(project, package, *arguments):
        monkeypatch.chdir(project.folder)
        monkeypatch.setattr(sys, "argv", [package, *arguments])
        for module in (f"{package}.__main__", *[package] * ("." in package)):  # where another test has imported it
            monkeypatch.delitem(sys.modules, module, raising=False)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            runpy.run_module(package, run_name="__main__")
        return stop.value.code, capsys.readouterr().err
    return run
