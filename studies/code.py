"""Which source files a stage runs: the closure of its imports, which its `deps` in dvc.yaml must list."""

import ast
from pathlib import Path

ROOMS = ("harness", "reimpl", "original_ref", "studies", "report")


def module_file(module, root):
    """The file of a module of this project, relative to `root`; None for another project's."""
    if module.split(".")[0] not in ROOMS:
        return None
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (root / candidate).is_file():
            return candidate
    return None


def imported(file, root):
    """Names of modules that a source file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse((root / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source_files(modules, root):
    """Every file of the project that the modules import, directly or not, with the packages' own files.

    Returns paths relative to `root`, as sorted text.
    """
    found, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        packages = [".".join(module.split(".")[:length]) for length in range(1, module.count(".") + 2)]
        for name in packages:
            file = module_file(name, root)
            if file is not None and file not in found:
                found.add(file)
                waiting.extend(imported(file, root))
    return sorted(str(file) for file in found)
