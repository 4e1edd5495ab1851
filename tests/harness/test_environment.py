"""Commands that are called outside of the environment say so in one line; what is imported is declared."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import harness
from harness.pipeline.code import imported

ROOT = Path(__file__).parent.parent.parent
COMMANDS = ("harness dataset", "reimpl scan", "original_ref scan", "report", "studies", "harness.bench",
            "harness.bench.elsewhere", "harness.bench.first_step", "harness.bench.loading", "harness.pipeline.code",
            "harness.pipeline.resolve", "harness.results.summary")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_outside_of_the_environment_is_one_line(command):
    """-S leaves out the packages that are installed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run([sys.executable, "-S", "-m", *command.split()], cwd=ROOT, env=environment, capture_output=True,
                            text=True, timeout=60)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: {sys.executable} has no module '")
    assert "enter the environment by `source .venv/bin/activate`" in result.stderr


FILES = [file for room in ("harness", "reimpl", "original_ref", "report", "studies") for file in (ROOT / room).rglob("*.py")]


def test_each_package_that_is_imported_is_declared_and_locked():
    modules = {name.partition(".")[0] for file in FILES for name in imported(file, ROOT)}
    packages = {name.lower() for module, names in packages_distributions().items() if module in modules for name in names}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.lock").read_text())
    assert "pillow" in packages and packages <= {re.match(r"[\w.-]+", one)[0] for one in declared} & {*locked}


def test_every_command_is_tested():
    found = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES
             if file.stem == "__main__" or '__name__ == "__main__"' in file.read_text()}
    found.remove("harness.server")  # which another command starts, with a socket
    assert {name.removesuffix(".__main__") for name in found} == {command.split()[0] for command in COMMANDS}


def test_a_module_of_the_project_that_is_missing_is_a_bug_with_its_traceback(capsys):
    for name, says in {"reimpl.nothing": "ModuleNotFoundError", "nothing.at.all": "error: "}.items():
        harness.say_what_is_missing(ModuleNotFoundError, ModuleNotFoundError(name, name=name), None)
        assert capsys.readouterr().err.startswith(says)
