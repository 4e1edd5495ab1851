"""Many stages of a second through the engine slurm: how long they take, against what the slots alone would, and what bounds it.

    python -m tests.pipeline.slurm_many --folder /tmp/many [--stages 300] [--slots 8] [--jobs 2]

The jobs sleep, so that any number of slots fits on a machine; DVC, the commands that it runs and Slurm are what they are. It
takes root.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from harness.engine import local, slurm
from harness.engine.board import Board
from harness.engine.scheduler import Scheduler
from harness.engine.task import Task
from tests.pipeline.cluster import Slurm, why_not
from tests.pipeline.conftest import ROOT

OUT = "runs/digits/kmeans/pixels/${item.seed}"
STAGE = {"cmd": f"python -m reimpl kmeans --on pixels --seed ${{item.seed}} --data data --features data --out {OUT}",
         "deps": ["data"], "outs": [f"{OUT}/metrics.json"]}
RECORD = json.dumps({"evidence": {"seconds": 1}})


def project(folder, stages):
    """A folder with that many stages that depend on nothing of each other."""
    for room in ("harness", "reimpl"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    (folder / "data/images.npy").touch()
    (folder / "params").mkdir()
    settings = {"jobs": stages, "poll_seconds": 0.5, "default": {"memory_mib": 100, "minutes": 5, "cpus": 1}, "stages": {}}
    (folder / "params/slurm.yaml").write_text(yaml.safe_dump(settings))
    kmeans = {"matrix": {"seed": list(range(stages))}, **STAGE}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"kmeans": kmeans}}))
    shutil.copy(ROOT / ".dvcignore", folder)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)


def processor_seconds():
    """Of this process and of those that it has waited for."""
    found = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in found)


def sleep(task, python):
    """In the place of Task.command."""
    return ["sh", "-c", f"sleep 1; echo '{RECORD}' > {task.folder}/out/metrics.json"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path)
    for option, default in {"--stages": 300, "--slots": 8, "--jobs": 2}.items():
        parser.add_argument(option, type=int, default=default)
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    folder = options.folder.absolute()
    folder.mkdir(parents=True)
    project(folder, options.stages)
    os.chdir(folder)
    Task.command = sleep
    with Slurm(folder / "slurm", cores=-(-options.slots // 2)) as found:
        os.environ["SLURM_CONF"] = str(found.conf)
        jobs, board = local.read_jobs(), Board(options.stages, 1)
        before, began = processor_seconds(), time.monotonic()
        with slurm.workers(jobs, set(jobs), options.jobs, board) as (threads, execute):
            failed = Scheduler(jobs, set(jobs), threads, board, execute).run()
        took, used = time.monotonic() - began, processor_seconds() - before
    print(f"{options.stages} stages of a second on {options.slots} slots, {len(failed)} failed: {took:.1f} s, where the slots "
          f"alone would take {options.stages / options.slots:.1f}; {used / options.stages:.2f} s of a core here for each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
