"""The folder that the stages run in for `make bench`: few epochs, digits, and patches of scikit-learn's two photographs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images

from harness import ROOT
from harness.errors import UserError
from harness.files import read_json, read_npy, read_yaml, write_json, write_npy
from harness.params import PARAMS, SETTINGS_FOLDER, overlay
from harness.record import FILE

IMPLEMENTATIONS = ("original_ref", "reimpl")
DATASETS = ("digits", "photos")
EPOCHS = 4  # the first, in which libraries are loaded, does not count
SMALL = {"width": 16, "blocks": [1, 1, 1]}  # on a CPU; the paper's network would take hours there
PATCHES = {"train": 512, "test": 128}
ON_GPU = 12_500  # training images: a batch of the paper's is as many as all patches
ARM = {"scan": {"augmentation": "strong"}, "selflabel": {"augmentation": "strong", "target_augmentation": "none"}}


class Workspace:
    """A folder with params.yaml and a study of one arm, on which commands run as the pipeline runs them, on one thread.

    Args: execution: changes of that section of params.yaml.
    """

    def __init__(self, root, on_gpu, execution=None):
        self.root, self.on_gpu, self.execution = Path(root), on_gpu, execution or {}
        self._write_settings()
        self._write_photos()
        for dataset in DATASETS:
            self.run("harness", ["dataset", "--dataset", dataset, "--out", f"data/{dataset}"])
        if on_gpu:
            self.repeat("photos", "photos", ON_GPU)

    def _write_settings(self):
        digits, cifar10 = (read_yaml(ROOT / SETTINGS_FOLDER / f"{name}.yaml") for name in ("digits", "cifar10"))
        few = {"training": {"epochs": EPOCHS}}
        small = {"pretext": {"simclr": {**few, "evaluate_every": EPOCHS}}, "scan": few,
                 "selflabel": {**few, "threshold": 0.11}}  # so low that early predictions, too, are learned from
        photos = overlay(cifar10, {
            "dataset": {"source": "folder", "root": "photos"}, "kmeans": {"clusters": 2}})
        if not self.on_gpu:
            batch = {"training": {"batch_size": 128}}
            photos = overlay(photos, {"network": SMALL, "pretext": {"simclr": batch}, "selflabel": batch})
        params = read_yaml(ROOT / PARAMS)
        params["execution"] |= {"threads": 1, "tracking": "disabled", "engine": "local"} | self.execution
        (self.root / PARAMS).write_text(yaml.safe_dump(params))
        (self.root / SETTINGS_FOLDER).mkdir()
        for name, settings in (("digits", digits), ("photos", photos)):
            (self.root / SETTINGS_FOLDER / f"{name}.yaml").write_text(yaml.safe_dump(overlay(settings, small)))
        study = self.root / "studies/bench/study.yaml"
        study.parent.mkdir(parents=True)
        arms = {name: {"clustering": {"default": ARM}} for name in IMPLEMENTATIONS}
        study.write_text(yaml.safe_dump({"title": "Speed", "question": "how fast?", "arms": arms}))

    def _write_photos(self):
        for name, photo in zip(("temple", "flower"), load_sample_images().images):
            for split, count in PATCHES.items():
                target = self.root / "photos" / split / name
                target.mkdir(parents=True)
                for index in range(count // 2):
                    top, left = 32 * (index // 19), 32 * (index % 19)
                    Image.fromarray(photo[top % 384 : top % 384 + 32, left : left + 32]).save(target / f"{index:04}.png")

    def repeat(self, source, target, count):
        """Make the prepared data set `target` of `count` training images, those of `source` over and over."""
        old, new = self.root / "data" / source, self.root / "data" / target
        arrays = {file.name: np.array(read_npy(file)) for file in old.glob("*.npy")}
        facts = read_json(old / "dataset.json")
        for name, array in arrays.items():
            repeated = np.resize(array, (count, *array.shape[1:])) if name.startswith("train_") else array
            write_npy(new / name, repeated)
        write_json(new / "dataset.json", {**facts, "images": {**facts["images"], "train": count}})

    def stages(self, dataset, data=None):
        """The arguments of each training stage, the same for both implementations; its output goes into `out/<data>/<stage>`.

        Args: data: the prepared data set, where it is another than the one whose settings are used.
        """
        data = data or dataset
        out = f"out/{data}"
        common = ["--dataset", dataset, "--seed", "0", "--data", f"data/{data}"]
        arm = ["--study", "bench", "--arm", "default"]
        inputs = {name: [f"--{name}", f"{out}/{name}"] for name in ("pretext", "neighbors", "scan")}
        arguments = {
            "pretext": ["--task", "simclr", *common],
            "neighbors": ["--task", "simclr", *common, *inputs["pretext"]],
            "scan": [*arm, *common, *inputs["pretext"], *inputs["neighbors"]],
            "selflabel": [*arm, *common, *inputs["scan"]],
        }
        return {stage: [stage, *given, "--out", f"{out}/{stage}"] for stage, given in arguments.items()}

    def record(self, implementation, arguments):
        """Run a stage. Returns its record."""
        self.run(implementation, arguments)
        return read_json(self.root / arguments[-1] / FILE)

    def record_and_start(self, arguments):
        """Run a training stage of the rewrite. Returns its record, and the seconds from the command to the first step's end."""
        file = self.root / "first_step"
        file.unlink(missing_ok=True)
        began = time.time()
        self.run("harness.bench.first_step", ["first_step", "reimpl", *arguments])
        return read_json(self.root / arguments[-1] / FILE), float(file.read_text()) - began

    def run(self, module, arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"python -m {module} {' '.join(arguments)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
