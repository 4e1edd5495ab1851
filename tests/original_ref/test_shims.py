"""Each shim switched off, and what then happens: a shim that is no longer needed fails here."""

import re

import numpy as np
import pytest
import torch
import yaml

from original_ref.shims import SHIMS

# The stage in which the obstacle is met first.
STAGE = {"numpy_scalars": "scan", "whole_checkpoints": None, "data_root": None, "few_clusters": None}


@pytest.mark.parametrize("name", [name for name in SHIMS if STAGE.get(name, "pretext")])
def test_without_the_shim_the_script_stops_with_its_symptom(project, name):
    if (SHIMS[name].without_gpu_only or name == "faiss_gpus") and torch.cuda.is_available():
        pytest.skip("not needed with a GPU")
    done = project.stage(STAGE.get(name, "pretext"), before=f"from original_ref.shims import SHIMS; del SHIMS[{name!r}]; "
                         f"sys.argv = []", check=False)
    assert done.returncode == 2
    assert re.search(SHIMS[name].symptom, done.stderr), done.stderr


def test_without_its_shim_the_data_root_is_a_placeholder(ran):
    """Their class takes its folder from it when it is made. No folder is created here: the class is not asked for data."""
    program = """
import pathlib, sys
from original_ref import checkout, launch, shims
if sys.argv[1] == "off":
    del shims.SHIMS["data_root"]
launch.import_from(checkout.fetch())
shims.apply_shims(pathlib.Path("here"), gpu=False)
from data.cifar import CIFAR10
print(CIFAR10.__init__.__defaults__[0])
"""
    assert re.search(SHIMS["data_root"].symptom, ran.python("-c", program, "off").stdout)
    assert ran.python("-c", program, "on").stdout.strip() == "here/data"


@pytest.mark.parametrize("switched_on", [False, True])
def test_without_its_shim_a_checkpoint_that_cannot_be_written_is_left_truncated(ran, tmp_path, switched_on):
    """The file may grow to 64 KiB: what was there before must still be whole with the shim, and is not without it."""
    program = f"""
import pathlib, resource, signal, sys, torch
from original_ref import shims
path = {str(tmp_path / "checkpoint.pth.tar")!r}
torch.save([1, 2, 3], path)
if {switched_on}:
    shims.whole_checkpoints(pathlib.Path("."))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    torch.save(torch.zeros(100_000), path)
except (OSError, RuntimeError):
    pass
print(torch.load(path))
"""
    done = ran.python("-c", program, check=False)
    assert (done.stdout.strip() == "[1, 2, 3]") == switched_on


def test_four_clusters_are_sought_and_refined_which_ends_the_script_without_its_shim(project):
    settings = project.folder / "params/digits.yaml"
    params = yaml.safe_load(settings.read_text())
    params["scan"]["clusters"] = 4
    settings.write_text(yaml.safe_dump(params))
    done = project.stage("scan", before="from original_ref.shims import SHIMS; del SHIMS['few_clusters']", check=False)
    assert done.returncode == 2 and re.search(SHIMS["few_clusters"].symptom, done.stderr), done.stderr
    for stage in ("scan", "selflabel"):
        project.stage(stage)
        probabilities = np.load(project.folder / stage / "predictions.npz")["probabilities"]
        assert probabilities.shape == (360, 4) and np.isfinite(probabilities).all()
