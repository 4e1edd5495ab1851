"""What is asked of Slurm, through its programs. Its accounting database is not needed."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.command import ENGINE, NODES
from harness.engine.task import ASK
from harness.errors import UserError
from harness.record import RESUBMITTED

SECONDS = 60  # that an answer may take
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "PREEMPTED")
AWAY = re.compile("contact slurm controller|timed out|Connection refused|temporarily|try again|Zero Bytes|Communication|standby")
MARK = "\x1f"  # between the columns


class NoAnswer(Exception):
    """Slurm cannot be asked at the moment. Its text is what its program says."""


class Refused(Exception):
    """Slurm will not do it. Its text is what its program says."""


@dataclass(frozen=True)
class Row:
    """A job as squeue has it: also for a while after its end, MinJobAge in slurm.conf."""

    job: str
    state: str
    reason: str
    nodes: str
    folder: str
    """Where it was submitted."""
    name: str

    @property
    def live(self):
        return self.state not in ENDED


def squeue():
    """A Row for each job of this user."""
    columns = MARK.join(("%i", "%T", "%r", "%N", "%Z", "%j"))
    try:
        lines = call("squeue", "--noheader", "--me", "--states=all", "-o", columns).splitlines()
    except Refused as refused:
        raise NoAnswer(str(refused)) from None
    return [Row(*line.split(MARK)) for line in lines if line.count(MARK) == 5]


def by_place():
    """The rows of this project's jobs, by Task.place. Raises NoAnswer."""
    found = {}
    for row in squeue():
        if row.folder == str(Path.cwd()) and row.name.count("-") == 2:
            found.setdefault(row.name.split("-")[1], []).append(row)
    return found


def sbatch(task, resources, warning, resubmitted):
    """Submit a Task. Returns the job's number. Raises Refused, NoAnswer.

    Args: warning: seconds before the time limit at which it is told; resubmitted: how often it was submitted before.
    """
    options = [f"--job-name={task.name}", f"--output={task.log.absolute()}", "--open-mode=append", "--requeue", "--parsable",
               f"--signal=B:USR1@{warning}", f"--time={resources.minutes}", f"--mem={resources.memory_mib}M",
               f"--cpus-per-task={resources.cpus}", f"--comment={task.out}", f"--nodes={resources.nodes}", "--ntasks-per-node=1"]
    options += [f"--{name}={value}" for name in ("gres", "partition", "account") if (value := getattr(resources, name))]
    environment = {key: value for key, value in os.environ.items() if key != ASK}
    environment |= {ENGINE: "local", RESUBMITTED: str(resubmitted), NODES: str(resources.nodes)}
    job = Path(__file__).with_name("job.sh")
    on_each = ["srun", f"--cpus-per-task={resources.cpus}", "--kill-on-bad-exit=1", "--wait=0"] if resources.nodes > 1 else []
    return call("sbatch", *options, *resources.flags, str(job), str(task.folder), *on_each, *task.command(sys.executable),
                environment=environment).split(";")[0].strip()


def scontrol(*arguments):
    """Raises Refused, NoAnswer."""
    return call("scontrol", *arguments)


def cancel(rows):
    """End jobs, if they have not ended by themselves."""
    if rows:
        call("scancel", *(row.job for row in rows))


def call(*command, environment=None):
    """What a program of Slurm's prints. Raises NoAnswer, Refused; UserError where it is not installed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    except FileNotFoundError:
        raise UserError(f"there is no {command[0]} here: the engine slurm needs Slurm's programs; execution.engine in "
                        "params.yaml may be local") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{shlex.join(command[:1])} does not answer") from None
    if done.returncode:
        said = done.stderr.strip().replace("\n", "; ")
        raise (NoAnswer if AWAY.search(said) else Refused)(said or f"{command[0]} ended with {done.returncode}")
    return done.stdout
