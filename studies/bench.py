"""Speed, side by side: images a second of each training stage and of the augmentations alone, both implementations in turn.

    python -m studies.bench

They run through the command line that the pipeline uses, on one thread, each with the settings of params.yaml but a few epochs.
One round after another, so that what slows the machine down slows both; the ratio is taken within a round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from PIL import Image
from sklearn.datasets import load_sample_images

from harness.command import guarded
from harness.errors import UserError
from harness.files import read_json, read_yaml, write_json
from harness.params import PARAMS, overlay
from harness.record import FILE

IMPLEMENTATIONS = ("original_ref", "reimpl")
EPOCHS = 4  # the first, in which libraries are loaded, does not count
SMALL = {"width": 16, "blocks": [1, 1, 1]}  # with the paper's network, hours on a CPU would go into convolutions alone
PATCHES = {"train": 512, "test": 128}
ARM = {"scan": {"augmentation": "strong"}, "selflabel": {"augmentation": "strong", "target_augmentation": "none"}}


def bench(out, rounds):
    """Write `out`, a JSON with a row per data set and stage: the rates of each round, their ratios, mean and deviation."""
    project = Path(__file__).parent.parent
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        for dataset in ("digits", "photos"):
            inputs(root, project, dataset)
            for stage, arguments in stages(dataset).items():
                rates = {implementation: [] for implementation in IMPLEMENTATIONS}
                for _ in range(rounds):
                    for implementation in IMPLEMENTATIONS:
                        rates[implementation].append(measure(root, project, implementation, arguments))
                rows.append(row(dataset, stage, rates))
                print(line(rows[-1]), flush=True)
        evidence = read_json(root / "out" / FILE)["evidence"]
    write_json(out, {"rows": rows, "rounds": rounds, "hardware": evidence["hardware"], "packages": evidence["packages"],
                     "revision": evidence["revision"]})


def prepare(root):
    """A params.yaml of few epochs, a study of one arm, and CIFAR-sized patches of scikit-learn's two photographs."""
    params = read_yaml(PARAMS)
    few = {"training": {"epochs": EPOCHS}}
    small = {"pretext": {"simclr": {**few, "evaluate_every": EPOCHS}}, "scan": few,
             "selflabel": {**few, "threshold": 0.11}}  # so low that early predictions, too, are learned from
    photos = overlay(params["datasets"]["cifar10"], {
        "dataset": {"source": "folder", "root": "photos"}, "network": SMALL, "kmeans": {"clusters": 2},
        "pretext": {"simclr": {"training": {"batch_size": 128}}}, "selflabel": {"training": {"batch_size": 128}}})
    params["datasets"] = {"digits": overlay(params["datasets"]["digits"], small), "photos": overlay(photos, small)}
    params["execution"] |= {"threads": 1, "tracking": "disabled"}
    (root / PARAMS).write_text(yaml.safe_dump(params))
    study = root / "studies/bench/study.yaml"
    study.parent.mkdir(parents=True)
    study.write_text(yaml.safe_dump({"arms": {name: {"default": ARM} for name in IMPLEMENTATIONS}}))
    for name, photo in zip(("temple", "flower"), load_sample_images().images):
        for split, count in PATCHES.items():
            target = root / "photos" / split / name
            target.mkdir(parents=True)
            for index in range(count // 2):
                top, left = 32 * (index // 19), 32 * (index % 19)
                Image.fromarray(photo[top % 384 : top % 384 + 32, left : left + 32]).save(target / f"{index:04}.png")


def inputs(root, project, dataset):
    """The upstream stages' outputs, by the rewrite, for both to start from."""
    common = ["--dataset", dataset, "--seed", "0", "--data", "data"]
    arm = ["--study", "bench", "--arm", "default"]
    run(root, project, "harness", ["dataset", "--dataset", dataset, "--out", "data"])
    run(root, project, "reimpl", ["pretext", "--task", "simclr", *common, "--out", "pretext"])
    run(root, project, "reimpl", ["neighbors", "--task", "simclr", *common, "--pretext", "pretext", "--out", "neighbors"])
    run(root, project, "reimpl", ["scan", *arm, *common, "--pretext", "pretext", "--neighbors", "neighbors", "--out", "scan"])


def stages(dataset):
    """The arguments of each stage, the same for both implementations."""
    common = ["--dataset", dataset, "--seed", "0", "--data", "data", "--out", "out"]
    arm = ["--study", "bench", "--arm", "default"]
    return {
        "SimCLR": ["pretext", "--task", "simclr", *common],
        "SCAN": ["scan", *arm, *common, "--pretext", "pretext", "--neighbors", "neighbors"],
        "self-label": ["selflabel", *arm, *common, "--scan", "scan"],
        "SimCLR augmentation alone": ["augmentation", "--kind", "simclr", *common],
        "strong augmentation alone": ["augmentation", "--kind", "strong", *common],
    }


def measure(root, project, implementation, arguments):
    """Images a second, from the record."""
    run(root, project, implementation, arguments)
    record = read_json(root / "out" / FILE)
    if record["not_run"]:
        raise UserError(f"{implementation} did not run: {record['not_run']}")
    return record["evidence"]["images_per_second"]


def run(root, project, package, arguments):
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", package, *arguments], cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"python -m {package} {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")


def row(dataset, stage, rates):
    ratios = [ours / theirs for theirs, ours in zip(rates["original_ref"], rates["reimpl"])]
    spread = statistics.stdev(ratios) if len(ratios) > 1 else None
    return {"dataset": dataset, "stage": stage, "images_per_second": rates, "ratios": ratios,
            "ratio_mean": statistics.mean(ratios), "ratio_std": spread}


def line(row):
    means = {name: statistics.mean(values) for name, values in row["images_per_second"].items()}
    spread = "" if row["ratio_std"] is None else f" ± {row['ratio_std']:.2f}"
    return (f"{row['dataset']:7} {row['stage']:26} authors' {means['original_ref']:8.0f}/s   rewrite {means['reimpl']:8.0f}/s   "
            f"ratio {row['ratio_mean']:.2f}{spread}")


def main():
    parser = argparse.ArgumentParser(prog="python -m studies.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"))
    options = parser.parse_args()
    return guarded(bench, options.out, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
