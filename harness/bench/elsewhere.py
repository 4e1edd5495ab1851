"""The main study's first seed on a machine that is at hand for minutes, with a GPU and without DVC, W&B and faiss.

    python -m harness.bench.elsewhere measure
    python -m harness.bench.elsewhere train --images FOLDER --seconds 480 --work FOLDER --out FOLDER
    python -m harness.bench.elsewhere unpack --pieces FOLDER --work FOLDER

`measure` runs the tests that wait for a GPU, and times each training stage, its step recorded and not. `train` goes through
pretext task, neighbors, SCAN and self-labeling as far as the time allows, in a folder of its own, and packs the results; the
next call goes on in that folder, or in one that was unpacked. The images lie in <images>/{train,test}/<class>/<file>.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from harness import ROOT
from harness.bench.__main__ import augmentation, stage_costs, told
from harness.bench.luggage import pack, unpack
from harness.bench.workspace import Workspace
from harness.errors import GO_ON, UserError, guarded
from harness.files import read_yaml
from harness.params import PARAMS, SETTINGS_FOLDER, data_set_settings, execution, overlay
from harness.record import FILE
from harness.session import find_device

SPARE = 30  # seconds for the epoch that a stage is in, for packing, and for the way back
CHECKPOINT_SECONDS = 120
IMAGES = "images"  # a link, since a checkpoint goes by the path that is set


def measure():
    """Print how the tests went, and a line for each augmentation and stage: kernels; images and operations a second."""
    tests = ["-m", "pytest", "-W", "default", "tests/reimpl/test_steps.py", "-k", "on_a_gpu or recorded_step"]
    subprocess.run([sys.executable, *tests], cwd=ROOT, check=False)
    on_gpu = find_device(execution().device).type == "cuda"
    for recorded in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(folder, on_gpu, {"cuda_graph": recorded})
            for kind in ("simclr", "strong"):
                record = workspace.record("reimpl", augmentation(kind, "photos"))
                told({"augmentation": kind, **record["metrics"], "images_per_second": record["evidence"]["images_per_second"]})
            print(f"the step {'recorded' if recorded else 'as it comes'}", flush=True)
            for _ in stage_costs(workspace, "photos"):  # it prints each
                pass


def train(work, dataset, images, seconds, out, changes):
    """Run the stages that are not done yet until `seconds` are over, and pack.

    Args: changes: a mapping that is laid over the settings of the data set.
    """
    deadline, code = time.monotonic() + seconds - SPARE, 0
    for name, module, arguments in commands(dataset):
        done = work / arguments[-1] / ("dataset.json" if name == "dataset" else FILE)
        left = deadline - time.monotonic()
        if done.exists() or left <= 0:
            print(f"{name}: {'done' if done.exists() else 'no time left'}", flush=True)
            continue
        settle(work, dataset, images, left, changes)
        code = subprocess.run([sys.executable, "-m", module, *arguments], cwd=work,
                              env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode
        print(f"{name}: {'to go on' if code == GO_ON else f'code {code}'}, {deadline - time.monotonic():.0f} s left", flush=True)
        if code:
            break
    for file in pack(work, out):
        print(f"{file} does not fit into the pieces, and is left behind")
    if code not in (0, GO_ON):
        raise UserError(f"{name} ended with the code {code}; what there was is packed")


def commands(dataset):
    """(name, module, arguments) of each stage, with the folders that dvc.yaml has for it."""
    data, runs, arm = f"data/{dataset}", f"runs/{dataset}", ["--study", "main", "--arm", "default"]
    pretext, neighbors = f"{runs}/pretext/simclr/0", f"{runs}/neighbors/simclr/0"
    cluster = f"{runs}/studies/main/reimpl/default/0-0"
    shared = ["--dataset", dataset]
    first, both = [*shared, "--seed", "0", "--data", data], [*shared, "--seed", "0-0", "--data", data]
    yield "dataset", "harness", ["dataset", *shared, "--out", data]
    yield "pretext", "reimpl", ["pretext", "--task", "simclr", *first, "--out", pretext]
    yield "neighbors", "reimpl", ["neighbors", "--task", "simclr", *first, "--pretext", pretext, "--out", neighbors]
    yield "scan", "reimpl", ["scan", *arm, *both, "--pretext", pretext, "--neighbors", neighbors, "--out", f"{cluster}/scan"]
    yield "selflabel", "reimpl", ["selflabel", *arm, *both, "--scan", f"{cluster}/scan", "--out", f"{cluster}/selflabel"]


def settle(work, dataset, images, seconds, changes):
    """Write the settings into the folder that the stages run in: the project's, the images' place, and the time there is."""
    for name in (SETTINGS_FOLDER, Path("studies/main")):
        (work / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "studies/main/study.yaml", work / "studies/main")
    place = work / IMAGES
    place.unlink(missing_ok=True)
    place.symlink_to(images.resolve())
    with contextlib.chdir(ROOT):
        settings = overlay(data_set_settings(dataset), {"dataset": {"source": "folder", "root": IMAGES}})
    (work / SETTINGS_FOLDER / f"{dataset}.yaml").write_text(yaml.safe_dump(overlay(settings, changes)))
    params = read_yaml(ROOT / PARAMS)
    params["execution"] |= {"engine": "local", "tracking": "disabled", "checkpoint_seconds": CHECKPOINT_SECONDS,
                            "stop_after": seconds}
    (work / PARAMS).write_text(yaml.safe_dump(params | {"dataset": dataset}))


def main():
    parser = argparse.ArgumentParser(prog="python -m harness.bench.elsewhere", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    calls = parser.add_subparsers(required=True, dest="call")
    calls.add_parser("measure")
    training, unpacking = calls.add_parser("train"), calls.add_parser("unpack")
    training.add_argument("--dataset", default="cifar10")
    training.add_argument("--images", type=Path, required=True)
    training.add_argument("--seconds", type=float, required=True)
    training.add_argument("--out", type=Path, required=True)
    training.add_argument("--changes", type=json.loads, default={}, metavar="JSON", help="of the settings of the data set")
    unpacking.add_argument("--pieces", type=Path, required=True)
    for call in (training, unpacking):
        call.add_argument("--work", type=Path, required=True)
    options = vars(parser.parse_args())
    return guarded({"measure": measure, "train": train, "unpack": unpack}[options.pop("call")], **options)


if __name__ == "__main__":
    sys.exit(main())
