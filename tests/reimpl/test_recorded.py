"""Steps that are recorded once and replayed, as a CUDA graph is: by a stand-in, since there may be no GPU."""

from unittest import mock

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness import ROOT, tasks
from harness.files import read_yaml
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.settings import Optimizer
from reimpl.augment import batches, make_augmentation
from reimpl.networks import ResNet
from reimpl.pretext import load_task
from reimpl.train.batch import draw_batch, make_batch
from reimpl.train.optimizers import Group, make_optimizer
from reimpl.train.steps import WARM_UP, RecordedStep, Step

TASKS = sorted({*tasks.known()} & {*read_yaml(ROOT / "params/digits.yaml")["pretext"]})


UNSAID = ("running_mean", "running_var")  # what BatchNorm's operations write, and do not say so


class FakeGraph(TorchDispatchMode):
    """A recording as a CUDA graph holds it: the operations, their numbers as they were, and their places in memory.

    A replay repeats these and runs no Python of the step, so that a number which is not in memory stays what it was. What the
    recording itself computed is undone, as a CUDA graph's computes nothing; reading a value is an error, as it is there.
    """

    def __enter__(self):
        self.done, self.before = [], []
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function is not torch.ops.aten._local_scalar_dense.default, "a recorded step must not wait for a value"
        given = {**dict(zip((argument.name for argument in function._schema.arguments), args)), **(kwargs or {})}
        written = [given[argument.name] for argument in function._schema.arguments if given.get(argument.name) is not None
                   and (argument.alias_info is not None and argument.alias_info.is_write or argument.name in UNSAID)]
        self.before += [(tensor, tensor.clone()) for tensor in tensors(written)]
        made = function(*args, **(kwargs or {}))
        self.done.append((function, args, kwargs or {}, made))
        return made

    def __exit__(self, *error):
        super().__exit__(*error)
        with torch.no_grad():
            for tensor, before in reversed(self.before):
                tensor.copy_(before)

    @torch.no_grad()
    def replay(self):
        for function, args, kwargs, made in self.done:
            for there, value in zip(tensors(made), tensors(function(*args, **kwargs))):
                if there.data_ptr() != value.data_ptr():  # neither in place nor a view
                    there.copy_(value)


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


@pytest.fixture
def recorder(monkeypatch):
    """FakeGraph in the place of torch's CUDA graphs; a mock that counts replays."""
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: mock.MagicMock())
    for name in ("current_stream", "stream"):
        monkeypatch.setattr(torch.cuda, name, mock.MagicMock())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph)
    replay = mock.Mock(side_effect=FakeGraph.replay)
    monkeypatch.setattr(FakeGraph, "replay", lambda graph: replay(graph))
    return replay


class Followed(torch.nn.Module):
    """A network that is learned, an average that follows it, and a queue of its outputs, the oldest of which make way."""

    def __init__(self):
        super().__init__()
        self.learned, self.average = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1).requires_grad_(False)
        self.register_buffer("queue", torch.zeros(6))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

    def loss(self, drawn, progress):
        outputs = self.learned(drawn["x"])
        loss = (outputs - self.average(drawn["x"]) * progress - self.queue.mean()).square().mean()
        return {"loss": loss, "outputs": outputs.flatten(), "progress": progress.clone(), "learnable": drawn["x"].sum() > 0}

    def after(self, found, progress):
        assert not torch.is_grad_enabled() and not found["outputs"].requires_grad
        for there, here in zip(self.average.parameters(), self.learned.parameters()):
            there.lerp_(here, progress)
        outputs = found["outputs"]
        self.queue.index_copy_(0, (self.oldest + torch.arange(len(outputs))) % len(self.queue), outputs)
        self.oldest.add_(len(outputs)).remainder_(len(self.queue))


@pytest.mark.parametrize("kind", [Optimizer("sgd", 0.1, 0.1, momentum=0.9), Optimizer("adam", 0.1, 0.1),
                                  Optimizer("lars", 0.1, 0.1, momentum=0.9, trust=0.1)], ids=lambda kind: kind.kind)
def test_recorded_steps_are_warmed_up_recorded_and_replayed(recorder, kind):
    """Against steps as they come: rates, progress, draws and whether anything is learned change, and so does what the task does
    after a step; a smaller batch is never replayed."""
    def begin(step):
        torch.manual_seed(0)
        model = Followed()
        return step(make_optimizer([Group(list(model.learned.parameters()))], kind), model.loss, model.after,
                    torch.device("cpu")), model

    (plain, expected), (recorded, model) = begin(Step), begin(RecordedStep)
    batches = [(4, True), (4, True), (2, True), (4, False), (4, True), (4, False), (2, True), (4, True), (4, True)]
    for number, (size, learnable) in enumerate(batches):
        drawn = {"x": torch.rand(size, 3) if learnable else -torch.rand(size, 3)}
        found = []
        for step in (plain, recorded):
            step.set_lr(2.0 ** -(number + 3))  # of which the float32 in memory is no rounding
            found.append(step(drawn, number / 16))
        assert found[0] == found[1] and found[0].keys() == {"loss", "progress"}
        assert all(map(torch.equal, expected.state_dict().values(), model.state_dict().values()))
    assert recorder.call_count == sum(size == 4 for size, _ in batches) - WARM_UP == 4


@pytest.mark.parametrize("name", TASKS)
def test_every_pretext_task_can_be_recorded(recorder, monkeypatch, digits, name):
    """With the settings of the digits: the same weights, and whatever else is in the network, as by steps as they come."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(batches, "picks", lambda images: False)  # as on a GPU
    settings = in_force(Cell("reimpl", "pretext", "digits", "0", variant=name))
    pretext, Task = settings["pretext"], load_task(name)
    task = Task(pretext, [make_augmentation(settings["augmentation"], settings["dataset"])] * Task.VIEWS)

    def begin(step):
        torch.manual_seed(0)
        model = task.network(ResNet(1, 8, (1, 1)))
        return step(make_optimizer(task.parameter_groups(model), pretext.training.optimizer),
                    lambda drawn, progress: task.loss(model, make_batch(task, digits, drawn), progress),
                    lambda found, progress: task.after_step(model, found, progress), torch.device("cpu")), model

    (plain, expected), (recorded, model) = begin(Step), begin(RecordedStep)
    generator = torch.Generator().manual_seed(1)
    for number in range(WARM_UP + 3):
        indices = torch.randperm(len(digits), generator=generator)[: pretext.training.batch_size]
        drawn = draw_batch(task, indices, digits, generator)
        losses = [step(drawn, number / 8)["loss"].item() for step in (plain, recorded)]
        assert losses[0] == losses[1]
    ours, theirs = model.state_dict(), expected.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == [] and recorder.call_count == 3
