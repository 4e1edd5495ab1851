"""The pretext tasks that the rewrite has, and the settings of each.

A pretext task is a file in reimpl/tasks/ with a dataclass `Settings`, a settings.Pretext. Of the file nothing is run but that
class, and what it imports from harness and dataclasses: to import all of it would import torch, which takes seconds.
"""

import ast
from functools import cache

from harness import ROOT
from harness.errors import UserError
from harness.files import read_text
from harness.settings import Pretext
from harness.stages import TASKS

FOLDER = ROOT / TASKS.replace(".", "/")
NAME = "Settings"


def known():
    """The names of the pretext tasks, sorted."""
    return [file.stem for file in sorted(FOLDER.glob("*.py")) if _declared(file) is not None]


def settings_of(task):
    """The settings dataclass of a pretext task."""
    if task not in known():
        raise UserError(f"the pretext task is '{task}', and should be one of {', '.join(known())}")
    return _declared(FOLDER / f"{task}.py")


@cache
def _declared(file):
    """The `Settings` of a source file where they are a pretext task's, else None."""
    try:
        tree = ast.parse(read_text(file))
    except SyntaxError as error:
        raise UserError(f"{file}, line {error.lineno}: {error.msg}") from None
    declared = [node for node in tree.body if _declares(node)]
    if not declared:
        return None
    imports = [node for node in tree.body
               if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("dataclasses", "harness")]
    namespace = {"__name__": f"reimpl.tasks.{file.stem}"}
    exec(compile(ast.Module([*imports, *declared], []), str(file), "exec"), namespace)
    return namespace[NAME] if issubclass(namespace[NAME], Pretext) else None


def _declares(node):
    if isinstance(node, ast.ClassDef):
        return node.name == NAME
    return isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [NAME]
