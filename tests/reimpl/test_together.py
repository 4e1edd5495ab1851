"""Processes that train one network together, two on this machine by gloo: they find the gradients that one finds."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import distributed

from harness import processes, settings, tasks
from harness.errors import UserError
from harness.settings import Optimizer, Training
from reimpl.norms import share_norms
from reimpl.pretext import load_task
from reimpl.tasks import byol, moco, rotation, scan, selflabel, simclr, simsiam
from reimpl.train.batch import draw_batch, make_batch
from reimpl.train.optimizers import make_optimizer
from reimpl.train.steps import Step
from reimpl.train.task import make_network

from .naive import AUGMENT, backbone, train

ROOT = Path(__file__).parent.parent.parent
PROCESSES, BATCH, STEPS = 2, 16, 2
TRAINING = Training(1, BATCH, Optimizer("sgd", 0.1, 1e-4, momentum=0.9))
PRETEXT = {"training": TRAINING, "augmentation": {"none": {}}, "evaluate_every": 1}
SCAN = settings.Scan(TRAINING, 4, "none", 3, 5.0, 2)
SELFLABEL = settings.SelfLabel(TRAINING, "none", "none", 0.26)
NEIGHBORS = torch.arange(64).view(-1, 1).add(torch.arange(4)) % 64
TWO = [AUGMENT] * 2
TASKS = {
    "simclr": simclr.Task(simclr.Settings(**PRETEXT, temperature=0.1, dim=8), TWO),
    "simclr, symmetric": simclr.Task(simclr.Settings(**PRETEXT, temperature=0.1, dim=8, symmetric=True), TWO),
    "rotation": rotation.Task(rotation.Settings(**PRETEXT), [AUGMENT]),
    "moco": moco.Task(moco.Settings(**PRETEXT, temperature=0.1, dim=8, momentum=0.9, queue=2 * BATCH), TWO),
    "byol": byol.Task(byol.Settings(**PRETEXT, hidden=8, dim=8, momentum=0.9), TWO),
    "simsiam": simsiam.Task(simsiam.Settings(**PRETEXT, dim=8, hidden=4), TWO),
    "scan": scan.Task(SCAN, TWO, NEIGHBORS),
    "scan, one batch": scan.Task(replace(SCAN, joint_batch=True, entropy_over="both"), TWO, NEIGHBORS),
    "scan, heads alone": scan.Task(replace(SCAN, frozen_backbone=True), TWO, NEIGHBORS),
    "selflabel": selflabel.Task(SELFLABEL, TWO, 4),
    "selflabel, unbalanced": selflabel.Task(replace(SELFLABEL, class_balancing=False, targets_in_training_mode=False), TWO, 4),
}


def trained(task):
    """What two steps of a task in float64 end with: the losses of each, then weights and buffers, and the gradients."""
    images = torch.from_numpy(load_digits().images[:64]).mul(255 / 16).to(torch.uint8).unsqueeze(1)
    torch.manual_seed(0)
    model = make_network(task, backbone())
    share_norms(model)

    def loss(drawn, progress):
        batch = make_batch(task, images, drawn)
        return task.loss(model, replace(batch, pieces=tuple(piece.double() for piece in batch.pieces)), progress)

    step = Step(make_optimizer(task.parameter_groups(model), TRAINING.optimizer), loss,
                lambda found, progress: task.after_step(model, found, progress), torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    losses = [step(draw_batch(task, indices, images, generator), 0.5)
              for indices in torch.randperm(64, generator=generator).split(BATCH)[:STEPS]]
    gradients = {f"gradient of {name}": parameter.grad for name, parameter in model.named_parameters()
                 if parameter.grad is not None}
    return {f"{name} {number}": value for number, found in enumerate(losses) for name, value in found.items()
            } | model.state_dict() | gradients


def one_of(rank, folder):
    """What one of the processes does: the same as `alone`. Only the first then goes on, as one that never had others."""
    distributed.init_process_group("gloo", f"file://{folder}/meet", rank=int(rank), world_size=PROCESSES)
    torch.save(alone(), f"{folder}/{rank}.pt")
    processes.first_goes_on()
    assert rank == "0" and not distributed.is_initialized()


def alone():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    found = {name: trained(task) for name, task in TASKS.items()}
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the processes has found, and what one alone finds."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-c", "import sys; from tests.reimpl.test_together import one_of; one_of(*sys.argv[1:])"]
    processes = [subprocess.Popen([*command, str(rank), folder], cwd=ROOT) for rank in range(PROCESSES)]
    assert [process.wait(600) for process in processes] == [0] * PROCESSES
    return [torch.load(folder / f"{rank}.pt") for rank in range(PROCESSES)], alone()


def test_every_task_that_is_trained_is_among_them():
    known = {task for task in tasks.known() if load_task(task).trained}
    assert {name.partition(",")[0] for name in TASKS} == known | {"scan", "selflabel"}


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_with_half_the_batch_each_find_the_gradients_of_one(found, name):
    """Loss, gradients, weights, BatchNorm's statistics, queues and averages after two steps; they sum in another order."""
    (first, second), whole = ([part[name] for part in found[0]], found[1][name])
    assert first.keys() == whole.keys() and any(key.startswith("gradient") for key in whole)
    for key, value in whole.items():
        assert torch.allclose(first[key], value, rtol=1e-6, atol=1e-9) and torch.equal(first[key], second[key]), key


def test_what_processes_cannot_train_together_is_named(monkeypatch, tmp_path, digits):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(UserError, match="execution.processes is 3, and should divide each batch; one has 16 images"):
        train(simclr.Task, TASKS["simclr"].settings, digits, tmp_path)
    monkeypatch.setattr(moco, "count", lambda: 2)
    with pytest.raises(UserError, match="norm_groups above 1 is for one process: execution.processes should be 1"):
        moco.Task(replace(TASKS["moco"].settings, norm_groups=2)).network(backbone())
