"""Speed: both implementations side by side; the rewrite against the machine; its cost against the number of images.

    python -m harness.bench

Stages run through the command line that the pipeline uses, on one thread, each with the settings of params/ but a few epochs,
and on a GPU where torch finds one. One round after another, so that what slows the machine down slows both implementations; the
ratio is taken within a round.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from harness.bench.workspace import DATASETS, IMPLEMENTATIONS, Workspace
from harness.errors import guarded
from harness.files import write_json
from harness.params import execution
from harness.session import find_device

TRAINED = {"pretext": "SimCLR", "scan": "SCAN", "selflabel": "self-label"}
SIZES = {"cpu": (256, 512, 1024, 2048), "cuda": (12_500, 25_000, 50_000, 100_000)}


def bench(out, rounds):
    """Write `out`, a JSON of the rows of side_by_side, stage_costs and growth, with what they ran on."""
    device = find_device(execution().device).type
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder, on_gpu=device == "cuda")
        stages = [row for dataset in DATASETS for row in stage_costs(workspace, dataset)]
        sides = [row for dataset in DATASETS for row in side_by_side(workspace, dataset, rounds)]
        grown = list(growth(workspace, SIZES[device]))
        evidence = workspace.record("reimpl", operations("digits"))["evidence"]
    write_json(out, {"side_by_side": sides, "stages": stages, "growth": grown, "rounds": rounds,
                     **{key: evidence[key] for key in ("hardware", "packages", "revision")}})
    print(f"{out}: `dvc repro --force --single-item report` puts it into the report")


def operations(dataset):
    return ["operations", "--task", "simclr", "--dataset", dataset, "--seed", "0", "--data", f"data/{dataset}",
            "--out", "out/operations"]


def augmentation(kind, dataset):
    return ["augmentation", "--kind", kind, "--dataset", dataset, "--seed", "0", "--data", f"data/{dataset}",
            "--out", "out/measured"]


def stage_costs(workspace, dataset):
    """A row for each training stage of the rewrite: images and operations a second, memory, and seconds to the first step.

    Leaves the outputs of all stages, for the implementations to start from.
    """
    counted = workspace.record("reimpl", operations(dataset))["metrics"]
    for stage, arguments in workspace.stages(dataset).items():
        if stage not in TRAINED:
            workspace.run("reimpl", arguments)
            continue
        record, start = workspace.record_and_start(arguments)
        evidence = record["evidence"]
        achieved = counted["simclr" if stage == "pretext" else stage] * evidence["images_per_second"]
        yield told({"dataset": dataset, "stage": TRAINED[stage], "images_per_second": evidence["images_per_second"],
                    "operations_per_second": achieved, "matmul_per_second": counted["matmul"],
                    "share": achieved / counted["matmul"], "peak_memory_mib": evidence["peak_memory_mib"],
                    "seconds_to_first_step": start})


def side_by_side(workspace, dataset, rounds):
    """A row for each training stage and augmentation: images a second of each round and implementation, and their ratios; of an
    augmentation also the kernels that the rewrite takes for a batch on a GPU."""
    stages = {TRAINED[stage]: [*arguments[:-1], "out/measured"] for stage, arguments in workspace.stages(dataset).items()
              if stage in TRAINED}
    for kind, title in (("simclr", "SimCLR augmentation alone"), ("strong", "strong augmentation alone")):
        stages[title] = augmentation(kind, dataset)
    for title, arguments in stages.items():
        rates, reason = {implementation: [] for implementation in IMPLEMENTATIONS}, None
        for _ in range(rounds):
            for implementation in IMPLEMENTATIONS:
                record = workspace.record(implementation, arguments)
                reason = reason or record["not_run"]
                if not record["not_run"]:
                    rates[implementation].append(record["evidence"]["images_per_second"])
        kernels = {key: value for key, value in record["metrics"].items() if key == "kernels"}  # the rewrite's, which comes last
        yield told({"dataset": dataset, "stage": title, "not_run": reason, **kernels, **compared(rates)})


def compared(rates):
    """The rates by implementation, with the rewrite's as multiples of the authors', their mean and deviation."""
    ratios = [ours / theirs for theirs, ours in zip(rates["original_ref"], rates["reimpl"])]
    return {"images_per_second": rates, "ratios": ratios, "ratio_mean": statistics.mean(ratios) if ratios else None,
            "ratio_std": statistics.stdev(ratios) if len(ratios) > 1 else None}


def growth(workspace, sizes):
    """A row for each stage of the rewrite and number of images: seconds an epoch, of `neighbors` those of the whole stage."""
    for count in sizes:
        workspace.repeat("photos", "grown", count)
        for stage, arguments in workspace.stages("photos", "grown").items():
            evidence = workspace.record("reimpl", arguments)["evidence"]
            rate = evidence["images_per_second"]
            yield told({"stage": TRAINED.get(stage, stage), "images": count, "seconds": count / rate if rate else
                        evidence["seconds"]})


def told(row):
    """The row, after a line of its numbers for who waits."""
    numbers = [f"{key} {value:.4g}" if isinstance(value, float) else f"{value}" for key, value in row.items()
               if isinstance(value, (int, float, str))]
    print("   ".join(numbers), flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"))
    options = parser.parse_args()
    return guarded(bench, options.out, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
