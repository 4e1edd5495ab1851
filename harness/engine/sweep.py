"""A study as a W&B sweep: a grid over its arms and seeds, whose agents each run one cell through DVC."""

from pathlib import Path

import yaml

from harness.engine.plan import upstream
from harness.engine.run import bring
from harness.errors import UserError
from harness.files import read_json, write_text
from harness.params import clustering_seeds, dataset_name, pretext_seeds
from harness.pipeline.pipeline import dvc_name
from harness.pipeline.study import load_study
from harness.record import FILE
from harness.tracking import PROJECT, run_group


def sweep(name):
    """Write the file for `wandb sweep`."""
    study, dataset = load_study(name), dataset_name()
    out = Path("runs") / dataset / "sweeps" / f"{name}.yaml"
    write_text(out, yaml.safe_dump({
        "project": PROJECT, "name": f"{dataset}/{name}", "method": "grid", "program": "studies",
        "command": ["${env}", "${interpreter}", "-m", "${program}", "cell", "${args}"],
        "parameters": {
            "study": {"value": name},
            "arm": {"values": [f"{implementation}/{arm}" for implementation, _, arm, _ in study.each_arm()]},
            "seed": {"values": seeds_of(study)},
        },
    }, sort_keys=False))
    print(f"{out}: `wandb sweep {out}` registers it, and `wandb agent` as often as wanted runs its cells")


def seeds_of(study):
    """Those of the cells of a Study, as `<pretext seed>-<clustering seed>`."""
    return [f"{pretext}-{seed}" for pretext in pretext_seeds() for seed in study.clustering_seeds or clustering_seeds()]


def run_cell(name, arm, seed):
    """Run one cell, with all that it needs, and log its figures to the W&B run of the sweep's agent.

    Raises UserError for an arm or a seed that the study does not have, and as bring does.
    """
    import wandb

    implementation, _, arm = arm.partition("/")
    study = load_study(name)
    group = study.group(implementation, arm)
    if seed not in (known := seeds_of(study)):
        raise UserError(f"the study {name} has no seed {seed} by params.yaml, but {', '.join(known)}: add it there, or make the "
                        "sweep anew")
    seeds = {"pretext": seed.split("-")[0], "clustering": seed}
    wanted = [f"studies/{name}/dvc.yaml:{dvc_name(stage, implementation, group, study.variant(stage, implementation, arm))}@"
              f"{arm}-{seeds[stage.seeds]}" for stage in study.run(implementation, group)]
    bring(lambda jobs: upstream(jobs, wanted), 1)
    dataset = dataset_name()
    folder = Path("runs") / dataset / "studies" / name / implementation / arm / seed
    run = wandb.init(group=run_group(dataset, name, implementation, arm), job_type="cell", config={"dataset": dataset})
    for file in sorted(folder.glob(f"*/{FILE}")):
        figures = read_json(file)["metrics"].items()
        run.summary.update({f"{file.parent.name}/{key}": value for key, value in figures if isinstance(value, float)})
    run.finish()
