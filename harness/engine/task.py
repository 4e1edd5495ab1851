"""A stage's command as a job of a cluster: under which name, in which folder, and what becomes of its outputs.

    checkpoints/slurm/<name>/task.json   the command
                             code        its exit code, once it has ended (job.sh)
                             out/        what it writes, and job.log, which it prints

The job does not write into the stage's folder, since DVC clears that before it runs a command: so what a job has computed is
there still when DVC, or the machine that it ran on, was killed meanwhile. The command, called again, moves it into its place.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import OutOfTime, UserError
from harness.stages import READ

FOLDER = Path("checkpoints/slurm")
LOG = "job.log"
ASK = "SCAN_ASK"
"""The variable by which a run of studies tells a command not to wait for its job."""
QUEUED = "queued as "


@dataclass(frozen=True)
class Task:
    """`python -m <implementation> <arguments>`, under a name for squeue: `<stage>-<place>-<what it depends on>`."""

    implementation: str
    arguments: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, implementation, stage, arguments):
        """Args: stage: a Stage; arguments: what the command is called with, the stage's name first."""
        options = dict(zip(arguments[1::2], arguments[2::2]))
        if not {"--out", *(f"--{folder}" for folder in stage.folders)} <= {*options}:
            raise UserError(f"{stage.name}: on a cluster each option is written as --option VALUE; --out and "
                            f"{', '.join(stage.folders)} are needed")
        code = stage.code(implementation, options.get(f"--{stage.option}", ""))
        depends = [implementation, *arguments, *map(text, (Path(f"runs/code/{code}.json"), options.get("--settings"))),
                   *(state for folder in stage.folders for state in states(options[f"--{folder}"]))]
        name = f"{stage.name}-{place(options['--out'])}-{digest(*depends)[:12]}"
        return cls(implementation, tuple(arguments), name)

    @classmethod
    def named(cls, name):
        """The Task that was asked for under a name."""
        found = json.loads((FOLDER / name / "task.json").read_text())
        return cls(**found | {"arguments": tuple(found["arguments"])})

    @property
    def stage(self):
        return self.arguments[0]

    @property
    def out(self):
        return Path(self.arguments[self.arguments.index("--out") + 1])

    @property
    def place(self):
        """The part of the name that every job of this place has, whatever it depends on."""
        return self.name.split("-")[1]

    @property
    def folder(self):
        return FOLDER / self.name

    @property
    def log(self):
        return self.folder / "out" / LOG

    def command(self, python):
        """The command as the job runs it."""
        arguments = list(self.arguments)
        arguments[arguments.index("--out") + 1] = str(self.folder / "out")
        return [python, "-m", self.implementation, *arguments]

    def code(self):
        """The exit code of its job, or None while there is none."""
        try:
            return int((self.folder / "code").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def done(self):
        """Whether its job has ended well, and its outputs wait to be taken."""
        return self.code() == 0 and (self.folder / "out").is_dir()

    def ask(self):
        """Leave word of what is to be run, and what is in the stage's folder: the authors' code may know its own result."""
        for old in FOLDER.glob(f"*-{self.place}-*"):
            if old.name != self.name:
                shutil.rmtree(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "out").exists() and self.out.exists():
            shutil.copytree(self.out, self.folder / "out", ignore=shutil.ignore_patterns(LOG))
        (self.folder / "out").mkdir(exist_ok=True)
        (self.folder / "task.json").write_text(json.dumps(asdict(self)))

    def take(self):
        """Move what the job has written to where the stage's command was to write it."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.folder / "out", self.out)
        shutil.rmtree(self.folder)


def run(implementation, stage, arguments):
    """The stage as a job, or what its job has computed by now.

    Raises: OutOfTime where a run of studies is to wait for the job; UserError where it failed.
    """
    task = Task.of(implementation, stage, [stage.name, *arguments])
    if not task.done():
        task.ask()
        if ASK in os.environ:
            raise OutOfTime(f"{QUEUED}{task.name}")
        from harness.engine.queue import Queue  # here, since what is read above is read for each stage that ends
        from harness.resources import cluster

        with Queue(cluster(), print) as queue:
            if reason := queue.run(task, print):
                raise UserError(reason)
    task.take()


def place(out):
    """Task.place of the stage that writes into the folder `out`: that and the project's folder, as a hash."""
    return digest(Path.cwd(), Path(out))[:8]


def text(file):
    return Path(file).read_text() if file and Path(file).exists() else ""


def states(folder):
    """Path, size and time of each file that is read of a folder: to read them all takes longer than many a stage."""
    files = sorted(file for file in Path(folder).glob("*") if file.suffix in READ)
    return [f"{file} {found.st_size} {found.st_mtime_ns}" for file in files for found in [file.stat()]]


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
