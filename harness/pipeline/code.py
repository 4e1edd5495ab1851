"""Which source files a stage runs: the closure of its imports.

    python -m harness.pipeline.code --out FOLDER

writes a file for each command of the pipelines, with the hash of every source file that it imports. A stage depends on the file
of its command, and so an edit runs again what it must and nothing else.
"""

import argparse
import ast
import sys
from pathlib import Path

from harness import ROOT, tasks
from harness.errors import guarded
from harness.files import sha256, write_json
from harness.stages import PICKED, PIPELINE

ROOMS = ("harness", "reimpl", "original_ref", "report")
TABLE = "harness/stages.py"
READ_TABLE = {"harness.pipeline.resolve": ["harness.pipeline.resolve"], "harness.results.summary": ["harness.results.summary"],
              "report": ["report.__main__"]}
"""Those that go by the table of stages itself. Of the others, what they take of it stands in their command."""


def commands():
    """The modules of each command, by the name of its file: `reimpl.scan`, or with its pretext task `reimpl.pretext.simclr`."""
    found = {"original_ref.availability": ["original_ref.__main__", "original_ref.checkout"]}
    for stage in PIPELINE:
        for implementation in stage.implementations:
            modules = [f"{implementation}.__main__", f"{implementation}.{stage.module or stage.name}"]
            if section := stage.picks(implementation):  # at run time
                found |= {stage.code(implementation, name): [*modules, f"{PICKED[section]}.{name}"]
                          for name in tasks.known(section)}
            else:
                found[stage.code(implementation)] = modules
    return found | READ_TABLE


def digest(out):
    """Write `<out>/<command>.json`, sha256 by source file, for every command."""
    hashes = {}
    for name, modules in commands().items():
        files = source_files(modules, ROOT)
        if name not in READ_TABLE:
            files.remove(TABLE)
        hashes |= {file: sha256(ROOT / file) for file in files if file not in hashes}
        write_json(out / f"{name}.json", {file: hashes[file] for file in files})


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
    for node in ast.walk(ast.parse((root / file).read_bytes())):
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


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.pipeline.code", description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=Path)
    return guarded(digest, parser.parse_args().out)


if __name__ == "__main__":
    sys.exit(main())
