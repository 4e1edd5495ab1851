"""The record of a stage: metrics.json, which carries its evidence with it.

A record holds the figures, the curves per epoch, the settings in force, the seed, the code's revision, package versions,
hardware, wall time, peak memory, and the hash of each input. Reports read records and nothing else.
"""

import hashlib
import os
import platform
import resource
import subprocess
import sys
from dataclasses import asdict, astuple, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from harness.files import read_json, sha256, write_json
from harness.stages import READ

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "faiss-gpu", "faiss-cpu", "pillow")
FILE = "metrics.json"
AVAILABILITY = Path("runs/reference.json")
"""Whether the authors' code is available: written once, so that a network that does not answer is waited for once."""
RESUBMITTED = "SCAN_RESUBMITTED"
"""The variable that tells a job how often the stage was submitted anew."""
NO_CODE = ("**dvc.lock", "records", "params.yaml", "params")


@dataclass(frozen=True)
class Cell:
    """One stage of one arm at one seed: what a record is a record of.

    >>> str(Cell("reimpl", "scan", "digits", "0-3", "main", "default"))
    'main/reimpl/default/scan/seed 0-3'
    """

    implementation: str
    stage: str
    dataset: str
    seed: str
    """Of the pretext task; for the stages after it a second one, of the clustering: `0-3`. The paper's own protocol is many
    clustering seeds on one pretext seed."""
    study: str = ""
    arm: str = ""
    variant: str = ""
    """What the stage is run on or as, where it has several: the pretext task, or what k-means clusters."""

    def __str__(self):
        parts = (self.study, self.implementation, self.arm, self.stage, self.variant, f"seed {self.seed}")
        return "/".join(part for part in parts if part)

    @property
    def key(self):
        """How its files under checkpoints/ begin; a dash follows, and what they depend on."""
        return f"{self.stage}-{hashlib.sha256('/'.join(map(str, astuple(self))).encode()).hexdigest()[:12]}"


def write_record(out, cell, *, settings, metrics, curves, degenerate, inputs, seconds, device, threads, processes=1,
                 trained_in=None, rate=None, known_by=None):
    """Write `<out>/metrics.json`.

    Args:
        settings: the settings dataclasses in force, by section.
        metrics: figures, fractions of 1 where they are shares.
        curves: one mapping an epoch.
        degenerate: what is wrong with the result, as sentences (metrics.degeneracies).
        inputs: sha256 by path.
        seconds: wall time, summed over interrupted attempts.
        processes: how many have trained the network together.
        trained_in: what the backbone computed in while it trained, float32 or bfloat16; None where nothing was trained. All else,
            evaluation, mining and the choice of epochs, is float32 on every device, and the record says so.
        rate: images trained on a second, where the stage trains.
        known_by: what a stage that may find its own result again knows it by.
    """
    write_json(Path(out) / FILE, {
        "cell": asdict(cell),
        "not_run": None,
        "metrics": metrics,
        "degenerate": degenerate,
        "curves": curves,
        "settings": {key: asdict(value) for key, value in settings.items()},
        "evidence": {
            "revision": revision(),
            "packages": {"python": platform.python_version(), **installed()},
            "hardware": {**hardware(device, threads, processes), **precision(device, trained_in)},
            "seconds": round(seconds, 2),
            "images_per_second": rate and round(rate, 1),
            "peak_memory_mib": peak_memory(device),
            "inputs": inputs,
            **({"known_by": known_by} if known_by else {}),
            **({"slurm": job} if (job := slurm_job()) else {}),
        },
    })


def write_not_run(out, cell, reason):
    """Write the record of a stage that could not run: the reason, and nothing else."""
    write_json(Path(out) / FILE, {"cell": asdict(cell), **nothing(reason), "evidence": {"revision": revision()}})


def nothing(reason):
    """The record of a cell that has none."""
    return {"not_run": reason, "metrics": {}, "degenerate": [], "curves": [], "settings": {}, "evidence": {}}


def reason_not_run():
    """Why the authors' code cannot run here, as the pipeline has found out; None where it can, or where nothing was found out."""
    return read_json(AVAILABILITY)["not_run"] if AVAILABILITY.exists() else None


def hashes(folders):
    """sha256 by path of every file in `folders` that a later stage may READ."""
    files = sorted(file for folder in folders for file in Path(folder).glob("*") if file.suffix in READ)
    return {str(file): sha256(file) for file in files}


def revision():
    """The commit of the code that runs, with '+changes' where files differ from it or are new.

    dvc.lock and kept records are no code; nor are params.yaml and params/, whose values in force stand in the record itself.

    Without git, as in a bare copy of the code, what the variable SCAN_REVISION says, or 'unknown'.
    """
    def git(*arguments):
        command = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", ":/", *(f":(top,exclude){path}" for path in NO_CODE))
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("SCAN_REVISION", "unknown")


def installed():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def slurm_job():
    """The job of a cluster that this process is: its number, its node, how often it was begun again. {} elsewhere."""
    variables = {"job": "SLURM_JOB_ID", "node": "SLURMD_NODENAME", "requeued": "SLURM_RESTART_COUNT", "resubmitted": RESUBMITTED}
    found = {name: os.environ.get(variable, "0") for name, variable in variables.items()}
    return found if RESUBMITTED in os.environ else {}


def hardware(device, threads, processes):
    """Processor, its cores, the threads used, the accelerator where one is, the processes where they were several."""
    facts = {"processor": _processor(), "cores": os.cpu_count(), "threads": threads, "device": device.type}
    facts |= {"processes": processes} if processes > 1 else {}
    if device.type == "cuda":
        import torch

        facts["accelerator"] = torch.cuda.get_device_name(device)
    return facts


def precision(device, trained_in):
    """What was computed in what; on a GPU also in what of float32 TF32, which keeps 10 bits of 23, is allowed."""
    facts = {"training_precision": trained_in} if trained_in else {}
    facts["evaluation_precision"] = "float32"
    if device.type == "cuda":
        from torch.backends import cuda, cudnn

        kinds = {"convolutions": cudnn.conv, "matrix products": cuda.matmul}
        facts["tf32"] = " and ".join(name for name, kind in kinds.items() if kind.fp32_precision == "tf32") or "nowhere"
    return facts


def peak_memory(device):
    """MiB: of the accelerator's allocator where there is one, else of this process."""
    if device.type == "cuda":
        import torch

        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def score_metrics(scores):
    """The part of a record's metrics that a clustering's scores are; nothing where they are None, without labels."""
    return {} if scores is None else {
        "acc": scores.acc,
        "acc_many_to_one": scores.acc_many_to_one,
        "acc_reference": scores.acc_reference,
        "nmi": scores.nmi,
        "ari": scores.ari,
        "confusion": scores.confusion.tolist(),
        "match": np.asarray(scores.match).tolist(),
    }
