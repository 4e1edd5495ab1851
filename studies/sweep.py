"""A study as a W&B sweep: a grid over its arms and seeds, whose agents each run one cell through DVC."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from harness.errors import UserError
from harness.files import read_json, writing
from harness.params import clustering_seeds, dataset_name, pretext_seeds
from harness.record import FILE
from harness.tracking import PROJECT
from studies.pipeline import LAST
from studies.study import load_study


def sweep(name, out):
    """Write the file for `wandb sweep`."""
    study = load_study(name)
    clustering = study.clustering_seeds or clustering_seeds()
    text = yaml.safe_dump({
        "project": PROJECT, "name": name, "method": "grid",
        "command": ["${env}", "${interpreter}", "-m", "studies", "cell", "${args}"],
        "parameters": {
            "study": {"value": name},
            "arm": {"values": [f"{implementation}/{arm}" for implementation, groups in study.arms.items()
                               for names in groups.values() for arm in names or {}]},
            "seed": {"values": [f"{pretext}-{seed}" for pretext in pretext_seeds() for seed in clustering]},
        },
    }, sort_keys=False)
    with writing(out) as temporary:
        temporary.write_text(text)
    print(f"{out}: `wandb sweep {out}` registers it, and `wandb agent` as often as wanted runs its cells")


def cell(name, arm, seed):
    """Run one cell, with all that it needs, and log its figures to the W&B run of the sweep's agent."""
    import wandb

    implementation, _, arm = arm.partition("/")
    group = load_study(name).group(implementation, arm)
    # The stages have W&B runs of their own; only this process is the agent's.
    environment = {key: value for key, value in os.environ.items() if key not in ("WANDB_RUN_ID", "WANDB_SWEEP_ID")}
    stage = f"studies/{name}/dvc.yaml:{LAST[implementation, group]}@{arm}-{seed}"
    if subprocess.run([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", stage], env=environment).returncode:
        raise UserError(f"`dvc repro {stage}` failed")
    folder = Path("runs") / dataset_name() / name / implementation / arm / seed
    run = wandb.init(project=PROJECT, group=f"{name}/{arm}", job_type="cell", config={"study": name, "arm": arm, "seed": seed})
    for file in sorted(folder.glob(f"*/{FILE}")):
        figures = read_json(file)["metrics"].items()
        run.summary.update({f"{file.parent.name}/{key}": value for key, value in figures if isinstance(value, float)})
    run.finish()
