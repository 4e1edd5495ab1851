"""BYOL against a loop that is written out here: two networks, distances by hand, a momentum that rises."""

import copy
import math

import pytest
import torch
from torch import nn

from harness.settings import Optimizer, Training
from reimpl.tasks import byol
from reimpl.train.batch import Batch
from tests.reimpl import naive

HIDDEN, DIM, MOMENTUM, IMAGES, BATCH, EPOCHS = 24, 16, 0.8, 100, 32, 3


def settings(**changes):
    training = Training(EPOCHS, BATCH, Optimizer("sgd", 0.02, 0.001, momentum=0.9))
    return byol.Settings(**{"training": training, "augmentation": {"simclr": {}}, "evaluate_every": 100, "hidden": HIDDEN,
                            "dim": DIM, "momentum": MOMENTUM, **changes})


def test_the_loss_equals_a_naive_derivation(generator):
    """Equation 2: the squared distance of the two vectors, once they have length 1."""
    predictions, targets = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    distances = []
    for p, t in zip(predictions.tolist(), targets.tolist()):
        long, far = math.hypot(*p), math.hypot(*t)
        distances.append(sum((a / long - b / far) ** 2 for a, b in zip(p, t)))
    assert byol.regression(predictions, targets).item() == pytest.approx(sum(distances) / 5)


def head(dim, out):
    return nn.Sequential(nn.Linear(dim, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, out))


def plain(images):
    """The online network, its predictor, and the target network, after every step of training."""
    with naive.begun() as generator:
        body = naive.backbone()
        online = nn.Sequential(body, head(body.dim, DIM))
        predictor = head(DIM, DIM)
        target = copy.deepcopy(online)
        optimizer = torch.optim.SGD([*online.parameters(), *predictor.parameters()], 0.02, momentum=0.9, weight_decay=0.001)
        for step, (first, second, _) in enumerate(naive.steps(images, settings(), generator)):
            asked, answered = [predictor(online(view)) for view in (first, second)], []
            for view in (first, second):
                answered.append(torch.tensor(target(view).tolist()))  # numbers, so that nothing can be learned through them
            loss = 0.0
            for p, t in zip(asked, reversed(answered)):
                p, t = p / p.norm(dim=1, keepdim=True), t / t.norm(dim=1, keepdim=True)
                loss = loss + (p - t).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            momentum = 1 - (1 - MOMENTUM) * (math.cos(math.pi * step / (EPOCHS * (IMAGES // BATCH))) + 1) / 2
            with torch.no_grad():
                for there, here in zip(target.parameters(), online.parameters()):
                    there.copy_(momentum * there + (1 - momentum) * here)
    return online.state_dict(), predictor.state_dict(), target.state_dict()


def test_training_is_that_of_the_loop(tmp_path, monkeypatch, digits):
    monkeypatch.chdir(tmp_path)
    model, _ = naive.train(byol.Task, settings(), digits[:IMAGES], tmp_path)
    online, predictor, target = plain(digits[:IMAGES])
    names = {"0": "backbone", "1": "projector"}

    def renamed(state):
        return {f"{names[name[0]]}{name[1:]}": value for name, value in state.items()}

    found = model.state_dict()
    for prefix, expected in (("", renamed(online)), ("target.", renamed(target)), ("predictor.", predictor)):
        naive.close({name: found[f"{prefix}{name}"] for name in expected}, expected)
    assert len(found) == 2 * len(online) + len(predictor)


def test_the_target_is_learned_by_no_gradient():
    task = byol.Task(settings(), [naive.AUGMENT] * 2)
    model = task.network(naive.backbone())
    task.loss(model, Batch((torch.rand(2 * BATCH, 1, 8, 8),), {}, torch.arange(BATCH)), None)["loss"].backward()
    assert all(parameter.grad is None for parameter in model.target.parameters())
    assert all(parameter.grad is not None for group in task.parameter_groups(model) for parameter in group.parameters)


def test_the_target_stays_at_the_end_and_moves_most_at_the_start():
    """By hand, of one weight that is 1 where the target's is 0: 1 - tau_base of it at first, half as much half way, 0 at last."""
    task = byol.Task(settings(), [naive.AUGMENT] * 2)
    for progress, moved in ((0.0, 0.2), (0.5, 0.1), (1.0, 0.0)):
        model = task.network(naive.backbone())
        nn.init.ones_(model.projector[0].weight), nn.init.zeros_(model.target.projector[0].weight)
        with torch.no_grad():
            task.after_step(model, {}, torch.tensor(progress))
        assert model.target.projector[0].weight.flatten().tolist() == pytest.approx([moved] * 16 * HIDDEN, abs=1e-6)
