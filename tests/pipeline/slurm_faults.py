"""A study over a Slurm that is hit by one fault after another: the same cells.csv in the end, byte for byte, and no job left.

    python -m tests.pipeline.slurm_faults --folder /tmp/trial [--seed 0] [--epochs 40]
    python -m tests.pipeline.slurm_faults --folder /tmp/trial --all

The Slurm is one of its own (cluster.py), which takes root. Faults strike at random moments, each once; a run that one has ended
is begun again. What it is compared with is a run by the local engine. With --all it is every study, in small, and no fault.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.pipeline.cluster import NODES, Slurm, until, why_not
from tests.pipeline.conftest import ROOT, tiny_project

SUMMARIES = "runs/*/summary/*/*.csv"
STUDIES = [file.parent.name for file in (ROOT / "studies").glob("*/study.yaml")]


def tell_all(slurm, *command):
    """Do it to each job that is at work."""
    for job in slurm.rows("%i", "RUNNING"):
        slurm.ask(*command, *job, check=False)


def kill_node(slurm, process):
    """A node without power, that comes back after Slurm has noticed."""
    node = random.choice(NODES)
    slurm.lose(node)
    until(lambda: node not in slurm.ask("sinfo", "-h", "-N", "-t", "idle,mix,alloc", "-o", "%N", check=False).split(), 90)
    slurm.begin_node(node)
    slurm.ask("scontrol", "update", f"nodename={node}", "state=resume", check=False)


def kill_slurmd(slurm, process):
    """The slurmd alone: its jobs go on."""
    node = random.choice(NODES)
    slurm.kill(node)
    time.sleep(2)
    slurm.begin_node(node)


def kill_controller(slurm, process):
    slurm.kill("slurmctld")
    time.sleep(random.uniform(1, 10))
    slurm.begin_controller()


def kill_head(slurm, process):
    os.killpg(process.pid, signal.SIGKILL)


FAULTS = {
    "slurmd killed": kill_slurmd,
    "slurmctld killed, and begun again": kill_controller,
    "a node gone": kill_node,
    "jobs requeued": lambda slurm, process: tell_all(slurm, "scontrol", "requeue"),
    "jobs warned of their limit": lambda slurm, process: tell_all(slurm, "scancel", "--batch", "--signal=USR1"),
    "jobs cancelled by hand": lambda slurm, process: tell_all(slurm, "scancel"),
    "the head process killed": kill_head,
}


def start(project, log):
    command = [sys.executable, "-m", "studies", "run", "--engine", "slurm", "--jobs", "2"]
    with open(log, "a") as file:
        return subprocess.Popen(command, cwd=project.folder, env=project.environment(), stdout=file,
                                stderr=subprocess.STDOUT, start_new_session=True)


def strike(slurm, project, faults, draw, log):
    """Each of some faults once, while jobs are at work; a run that one has ended is begun again."""
    process = start(project, log)
    for name in draw.sample(sorted(faults), len(faults)):
        while not slurm.rows("%i", "RUNNING") and process.poll() != 0:
            if process.poll() is not None:
                process = again(project, log, process)
            time.sleep(0.2)
        if process.poll() == 0:
            print(f"{name}: the study was done before it", flush=True)
            continue
        time.sleep(draw.uniform(0, 5))
        began = time.monotonic()
        FAULTS[name](slurm, process)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    while process.wait():
        process = again(project, log, process)


def again(project, log, process):
    print(f"  a run ended with {process.returncode}, and is begun again", flush=True)
    return start(project, log)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40, help="of each training, so that there is time for the faults")
    parser.add_argument("--all", action="store_true", help="every study, without faults")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    options.folder.mkdir(parents=True)
    random.seed(options.seed)
    faults = {} if options.all else FAULTS
    fresh = tiny_project(options.folder.absolute() / "fresh", STUDIES if options.all else ["main"])

    def longer(digits):
        for settings in (digits["pretext"]["simclr"], digits["scan"], digits["selflabel"]):
            settings["training"]["epochs"] = options.epochs

    if options.all:
        fresh.edit("params.yaml", lambda params: params.update(pretext_tasks=["simclr", "rotation"], pretext_seeds=[0, 1]))
        fresh.edit("params/digits.yaml", lambda digits: digits["neighbors"].update(train=100))
    else:
        fresh.edit("params/digits.yaml", longer)
    fresh.edit("params/slurm.yaml", lambda settings: settings.update(poll_seconds=0.5))
    alone = fresh.copy(options.folder.absolute() / "local")
    began = time.monotonic()
    alone.run("studies", "run", "--jobs", "2", timeout=None)
    print(f"by the local engine: {time.monotonic() - began:.0f} s", flush=True)
    with Slurm(options.folder.absolute() / "slurm") as slurm:
        os.environ["SLURM_CONF"] = str(slurm.conf)
        project = fresh.copy(options.folder.absolute() / "struck")
        began = time.monotonic()
        strike(slurm, project, faults, random.Random(options.seed), options.folder / "struck.log")
        same, left = project.bytes(SUMMARIES) == alone.bytes(SUMMARIES) != {}, slurm.live()
        print(f"by Slurm, with {len(faults)} faults: {time.monotonic() - began:.0f} s; "
              f"{'the same' if same else 'NOT THE SAME'}, {len(left)} jobs left", flush=True)
    return 0 if same and not left else 1


if __name__ == "__main__":
    sys.exit(main())
