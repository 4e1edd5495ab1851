"""A small project in which the authors' code is run: digits at 8x8, a tiny network, two epochs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from original_ref.checkout import fetch
from tests.parity.reference import at_hand

ROOT = Path(__file__).parent.parent.parent
ARGUMENTS = ["--study", "main", "--arm", "default", "--dataset", "digits", "--seed", "0", "--data", "data/digits"]
STAGES = {
    "pretext": ["pretext", "--task", "simclr", *ARGUMENTS[4:], "--out", "pretext"],
    "scan": ["scan", *ARGUMENTS, "--pretext", "pretext", "--neighbors", "pretext", "--out", "scan"],
    "selflabel": ["selflabel", *ARGUMENTS, "--scan", "scan", "--out", "selflabel"],
}


class Project:
    """A folder to run stages of the authors' code in."""

    def __init__(self, folder):
        self.folder = folder

    def environment(self, **more):
        return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **more}

    def python(self, *arguments, check=True, **environment):
        done = subprocess.run([sys.executable, *arguments], cwd=self.folder, env=self.environment(**environment),
                              capture_output=True, text=True, timeout=1200)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, name, before=""):
        """Python's arguments that run a stage; `before` is a program that runs first in its process."""
        program = f"import sys, runpy; {before}\nsys.argv = ['original_ref', *{STAGES[name]!r}]\n"
        return ["-c", program + "runpy.run_module('original_ref', run_name='__main__')"]

    def stage(self, name, before="", check=True, keep=False, **environment):
        """Run a stage. Args: keep: leave it the record that it has, by which it may know its own result again."""
        if not keep:
            (self.folder / name / "metrics.json").unlink(missing_ok=True)
        return self.python(*self.command(name, before), check=check, **environment)


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """A project in which the three stages have run."""
    if not at_hand():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    fetch()
    folder = tmp_path_factory.mktemp("original")
    params, digits = (yaml.safe_load((ROOT / file).read_text()) for file in ("params.yaml", "params/digits.yaml"))
    params["execution"].update(device="cpu", threads=1, tracking="disabled")
    digits["dataset"]["size"] = 0
    digits["network"] = {"width": 8, "blocks": [1, 1]}
    for training in (digits["pretext"]["simclr"]["training"], digits["scan"]["training"], digits["selflabel"]["training"]):
        training["epochs"] = 2
    digits["selflabel"]["threshold"] = 0.15
    digits["scan"]["heads"] = 2
    (folder / "params").mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "params/digits.yaml").write_text(yaml.safe_dump(digits))
    (folder / "studies/main").mkdir(parents=True)
    (folder / "studies/main/study.yaml").write_text((ROOT / "studies/main/study.yaml").read_text())
    project = Project(folder)
    project.python("-m", "harness", "dataset", "--dataset", "digits", "--out", "data/digits")
    for name in STAGES:
        project.stage(name)
    return project


@pytest.fixture
def project(ran, tmp_path):
    """A copy of that project, to be spoilt at will."""
    shutil.copytree(ran.folder, tmp_path / "project")
    return Project(tmp_path / "project")
