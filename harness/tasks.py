"""The pretext tasks and the baselines that the rewrite has, and the settings of each.

Each is a file in reimpl/tasks/ or reimpl/baselines/ with a dataclass `Settings`, a settings.Features or a settings.Baseline. Of
the file nothing is run but that class and what it refers to: what comes from harness and dataclasses, and the `Settings` of
other such files. To import all of it would import torch, which takes seconds.
"""

import ast
from functools import cache
from types import SimpleNamespace

from harness import ROOT
from harness.errors import UserError
from harness.files import read_text
from harness.settings import Baseline, Features
from harness.stages import PICKED

FOLDERS = {section: ROOT / package.replace(".", "/") for section, package in PICKED.items()}
CALLED = {"pretext": "pretext task", "baseline": "baseline"}
NAME = "Settings"


def known(section="pretext"):
    """The names of the pretext tasks, or of the baselines, sorted."""
    return [file.stem for file in sorted(FOLDERS[section].glob("*.py")) if _declared(file) is not None]


def settings_of(name, section="pretext"):
    """The settings dataclass of a pretext task, or of a baseline."""
    if name not in known(section):
        raise UserError(f"the {CALLED[section]} is '{name}', and should be one of {', '.join(known(section))}")
    return _declared(FOLDERS[section] / f"{name}.py")


@cache
def _declared(file):
    """The `Settings` of a source file where they are a pretext task's or a baseline's, else None."""
    try:
        tree = ast.parse(read_text(file))
    except SyntaxError as error:
        raise UserError(f"{file}, line {error.lineno}: {error.msg}") from None
    declared = [node for node in tree.body if _declares(node)]
    if not declared:
        return None
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level]
    names = [node for part in declared for node in ast.walk(part) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    shared = [ast.copy_location(ast.ImportFrom(node.module, aliases, 0), node) for node in imports
              if node.module.split(".")[0] in ("dataclasses", "harness")
              and (aliases := [alias for alias in node.names if (alias.asname or alias.name) in used])]
    namespace = {"__name__": f"reimpl.{file.parent.name}.{file.stem}"} | {
        alias.asname or alias.name: SimpleNamespace(**{NAME: _declared(folder / f"{alias.name}.py")})
        for section, folder in FOLDERS.items() for node in imports if node.module == PICKED[section]
        for alias in node.names if (folder / f"{alias.name}.py").is_file()}
    try:
        exec(compile(ast.Module([*shared, *declared], []), str(file), "exec"), namespace)
    except NameError as error:
        raise UserError(f"{file}: {NAME} refers to '{error.name}', and should refer to nothing but dataclasses, harness and the "
                        f"{NAME} of other pretext tasks and baselines") from None
    return namespace[NAME] if issubclass(namespace[NAME], (Features, Baseline)) else None


def _declares(node):
    if isinstance(node, ast.ClassDef):
        return node.name == NAME
    return isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [NAME]
