"""The contract of tasks: whose views are made together, what a loss sees, who sees labels, what is kept and resumed."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from harness import tasks
from harness.errors import UserError
from harness.record import Cell
from harness.session import Session
from harness.settings import Optimizer, Training
from reimpl.networks import ResNet
from reimpl.train.batch import draw_batch, make_batch
from reimpl.train.optimizers import Group
from reimpl.train.task import MAY_SEE_LABELS, Task, make_network, training_labels
from reimpl.train.trainer import Trainer

EXECUTION = "execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 0}"


class Brighter:
    """An augmentation that adds to each image a number of its own, and keeps what it was asked for."""

    def __init__(self):
        self.asked = []

    def draw(self, count, height, width, generator):
        self.asked.append((count, height, width))
        return {"by": torch.rand(count, generator=generator)}

    def apply(self, images, drawn):
        return images + drawn["by"].view(-1, 1, 1, 1)


class Watched(Task):
    """Learns the mean of its images, and notes what it is called with."""

    def __init__(self, views=(), rows=None):
        super().__init__(None, views)
        self.rows, self.seen = rows, []

    def network(self, backbone):
        model = nn.Module()
        model.backbone, model.level = backbone, nn.Parameter(torch.zeros(()))
        model.register_buffer("steps", torch.zeros(()))
        model.register_buffer("average", torch.zeros(()))
        return model

    def draw(self, indices, generator):
        return {"noise": torch.rand(len(indices), generator=generator), **({} if self.rows is None else {"rows": self.rows})}

    def before_epoch(self, model, images, generator):
        self.seen.append(("epoch", len(images), torch.rand((), generator=generator).item()))

    def loss(self, model, batch, progress):
        self.seen.append((progress.item(), batch))
        error = model.level - batch.drawn["noise"].mean() - model.average
        return {"loss": error.square(), "errors": error.expand(3), "level": model.level}

    def after_step(self, model, found, progress):
        model.steps.add_(1)
        model.average.lerp_(found["errors"].mean(), progress)

    def embed(self, model, images):
        return images.flatten(1)


def images(count):
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3).contiguous()


def test_views_that_share_an_augmentation_are_drawn_and_made_together(generator):
    """Three views: two of one augmentation, of the image and of another, and one of an augmentation of the same kind."""
    first, second = Brighter(), Brighter()
    indices = torch.tensor([4, 2])
    task = Watched([first, first, second], rows=torch.tensor([[4, 2], [0, 1], [4, 2]]))
    drawn = draw_batch(task, indices, images(5), generator)
    batch = make_batch(task, images(5), drawn, labels=torch.tensor([9, 8, 7, 6, 5]))
    assert first.asked == [(4, 2, 3)] and second.asked == [(2, 2, 3)]
    assert [view.floor().long()[:, 0, 0, 0].tolist() for view in batch.views] == [[4, 2], [0, 1], [4, 2]]
    added = torch.cat([drawn["augmentations"][number]["by"] for number in "01"])
    torch.testing.assert_close(batch.joined[:, 0, 1, 2], torch.tensor([4.0, 2, 0, 1, 4, 2]) + added)
    assert batch.drawn.keys() == {"noise"} and batch.indices.tolist() == [4, 2] and batch.labels.tolist() == [5, 7]


def test_a_view_shows_the_image_itself_unless_the_task_says_otherwise(generator):
    task = Watched([Brighter(), Brighter()])
    batch = make_batch(task, images(5), draw_batch(task, torch.tensor([3, 1]), images(5), generator))
    assert [view.floor().long()[:, 0, 0, 0].tolist() for view in batch.views] == [[3, 1], [3, 1]] and batch.labels is None


def trainer(task, epochs, seed=0):
    session = Session(Cell("reimpl", "pretext", "d", seed), {}, {})
    model = make_network(task, nn.Linear(1, 1))
    return Trainer(session, task, model, Training(epochs, 2, Optimizer("sgd", 0.1, 0.0, 0.9)), images(5), lambda epoch, state: {})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(EXECUTION)
    return tmp_path


def test_a_loss_sees_how_far_training_is_and_no_labels(folder):
    """By hand: three epochs of two steps, so that the shares are sixths; only scalars are shown in the curves."""
    task = Watched()
    curves = trainer(task, 3).run()
    assert [entry[:2] for entry in task.seen if entry[0] == "epoch"] == [("epoch", 5)] * 3
    shares = [entry[0] for entry in task.seen if entry[0] != "epoch"]
    assert shares == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6])
    assert all(entry[1].labels is None for entry in task.seen if entry[0] != "epoch")
    assert [row.keys() for row in curves] == [{"epoch", "lr", "loss", "level"}] * 3


class Stopped(Watched):
    def before_epoch(self, *arguments):
        super().before_epoch(*arguments)
        if sum(entry[0] == "epoch" for entry in self.seen) == 3:
            raise KeyboardInterrupt


def test_what_a_task_changes_in_its_network_is_resumed_to_the_same_bits(folder):
    """Stopped after two of four epochs, and gone on with by a new task and a new network."""
    whole = trainer(Watched(), 4)
    whole.run()
    whole.file.unlink()
    with pytest.raises(KeyboardInterrupt):
        trainer(Stopped(), 4).run()
    resumed = trainer(Watched(), 4)
    resumed.run()
    assert len(resumed.task.seen) == 2 * (1 + 2) and resumed.curves == whole.curves
    assert resumed.model.steps == 8 and resumed.model.average != 0
    assert all(map(torch.equal, resumed.model.state_dict().values(), whole.model.state_dict().values()))


def test_groups_are_learned_as_a_task_says(folder):
    """By hand, one step: the level follows the schedule, from its first rate on; the other keeps the rate as it is set."""
    class Grouped(Watched):
        def loss(self, model, batch, progress):
            return {"loss": model.level + model.backbone.weight.sum()}

        def after_step(self, model, found, progress):
            pass

        def parameter_groups(self, model):
            return [Group([model.level]), Group([model.backbone.weight], scheduled=False)]

    session = Session(Cell("reimpl", "pretext", "d", 0), {}, {})
    task = Grouped()
    model = make_network(task, nn.Linear(1, 1))
    before = model.backbone.weight.item()
    bias = model.backbone.bias.item()
    training = Training(2, 4, Optimizer("sgd", 0.5, 0.0, schedule="cosine"))
    Trainer(session, task, model, training, images(5), lambda epoch, state: {}).run()
    assert model.level.item() == pytest.approx(-0.5 - (0.0005 + 0.4995 / 2))
    assert model.backbone.weight.item() == pytest.approx(before - 1.0) and model.backbone.bias.item() == bias


def test_a_task_without_what_it_has_to_have_is_none():
    class Lacking(Task):
        def network(self, backbone):
            return backbone

        def embed(self, model, images):
            return images

    with pytest.raises(TypeError, match="loss"):
        Lacking(None)


def test_a_network_whose_backbone_is_not_to_be_found_is_refused_before_it_is_trained():
    class Nameless(Watched):
        def network(self, backbone):
            return nn.Sequential(backbone)

    with pytest.raises(UserError, match="should have its backbone as the attribute `backbone`"):
        make_network(Nameless(), nn.Linear(1, 1))


# --- Labels

DATASET = SimpleNamespace(joint=False, labels=lambda split: np.array([1, 0]) if split == "train" else None)


def test_only_the_tasks_that_are_named_for_it_see_labels():
    assert MAY_SEE_LABELS == ("supervised",)
    asking = type("Task", (Watched,), {"sees_labels": True})
    for module in ("reimpl.tasks.simclr", "supervised.tasks", __name__):
        asking.__module__ = module
        with pytest.raises(UserError, match="asks for labels, which only supervised may see"):
            training_labels(asking(), DATASET)
    asking.__module__ = "reimpl.tasks.supervised"
    assert training_labels(asking(), DATASET).tolist() == [1, 0]
    with pytest.raises(UserError, match="learns from labels, and the training images have none"):
        training_labels(asking(), SimpleNamespace(joint=False, labels=lambda split: None))
    with pytest.raises(UserError, match="would learn those of the test images"):
        training_labels(asking(), SimpleNamespace(joint=True, labels=DATASET.labels))
    assert training_labels(Watched(), DATASET) is None


@pytest.mark.parametrize("name", sorted({*tasks.known(), "scan", "selflabel"}))
def test_no_task_sees_labels(name):
    assert not importlib.import_module(f"reimpl.tasks.{name}").Task.sees_labels


def test_a_task_that_does_not_cluster_says_so():
    with pytest.raises(NotImplementedError, match="Watched does not cluster"):
        Watched().predict(ResNet(1, 8, (1,)), torch.zeros(2, 8))
