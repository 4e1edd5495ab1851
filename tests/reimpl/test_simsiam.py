"""SimSiam against a loop that is written out here: targets that are numbers, and a predictor whose learning rate stays."""

import math

import pytest
import torch
from torch import nn

from harness.settings import Optimizer, Training
from reimpl.tasks import simsiam
from reimpl.train.batch import Batch
from tests.reimpl import naive

DIM, HIDDEN, IMAGES, BATCH, EPOCHS, LR = 16, 8, 100, 32, 3, 0.02


def settings(**changes):
    training = Training(EPOCHS, BATCH, Optimizer("sgd", LR, 0.001, momentum=0.9, schedule="cosine"))
    return simsiam.Settings(**{"training": training, "augmentation": {"simclr": {}}, "evaluate_every": 100, "dim": DIM,
                               "hidden": HIDDEN, **changes})


def test_the_similarity_equals_a_naive_derivation(generator):
    predictions, targets = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    cosines = [sum(a * b for a, b in zip(p, t)) / math.hypot(*p) / math.hypot(*t)
               for p, t in zip(predictions.tolist(), targets.tolist())]
    assert simsiam.similarity(predictions, targets).item() == pytest.approx(sum(cosines) / 5)


def plain(images):
    """The network and its predictor, after every step of training."""
    with naive.begun() as generator:
        body = naive.backbone()
        projector = nn.Sequential(nn.Linear(body.dim, DIM, bias=False), nn.BatchNorm1d(DIM), nn.ReLU(),
                                  nn.Linear(DIM, DIM, bias=False), nn.BatchNorm1d(DIM, affine=False))
        predictor = nn.Sequential(nn.Linear(DIM, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM))
        network = nn.ModuleDict({"backbone": body, "projector": projector, "predictor": predictor})
        scheduled = torch.optim.SGD([*body.parameters(), *projector.parameters()], momentum=0.9, weight_decay=0.001)
        steady = torch.optim.SGD(predictor.parameters(), LR, momentum=0.9, weight_decay=0.001)
        for step, (*views, _) in enumerate(naive.steps(images, settings(), generator)):
            epoch = step // (IMAGES // BATCH)
            scheduled.param_groups[0]["lr"] = LR * (0.001 + 0.999 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2)
            projected = [projector(body(view)) for view in views]
            targets = [torch.tensor(z.tolist()) for z in projected]  # numbers, so that nothing can be learned through them
            loss = 0.0
            for z, target in zip(projected, reversed(targets)):
                p = predictor(z)
                loss = loss - (p / p.norm(dim=1, keepdim=True) * target / target.norm(dim=1, keepdim=True)).sum(1).mean() / 2
            network.zero_grad()
            loss.backward()
            scheduled.step(), steady.step()
    return network.state_dict()


def test_training_is_that_of_the_loop(tmp_path, monkeypatch, digits):
    monkeypatch.chdir(tmp_path)
    model, _ = naive.train(simsiam.Task, settings(), digits[:IMAGES], tmp_path)
    naive.close(dict(model.state_dict()), dict(plain(digits[:IMAGES])))


def test_no_gradient_goes_through_the_target():
    """Where the predictor is the identity, both halves of the loss are the same cosine, and each pulls at one of its views:
    together they do what half of the loss does without a stop."""
    task = simsiam.Task(settings(), [naive.AUGMENT] * 2)
    model = task.network(naive.backbone())
    model.backbone, model.projector, model.predictor = nn.Identity(), nn.Flatten(), nn.Identity()
    first, second = torch.randn(2, BATCH, 1, 2, 2)
    views = torch.cat([first, second]).requires_grad_()
    task.loss(model, Batch((views,), {}, torch.arange(BATCH)), None)["loss"].backward()
    leaf = torch.cat([first, second]).requires_grad_()
    one, other = leaf.flatten(1).split(BATCH)
    (-nn.functional.cosine_similarity(one, other).mean() / 2).backward()
    torch.testing.assert_close(views.grad, leaf.grad)
