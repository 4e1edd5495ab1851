"""SGD and Adam bit for bit against torch.optim, LARS against its formula, weight decay and a step left out by hand."""

import copy

import pytest
import torch

from harness.settings import Optimizer
from reimpl.train.optimizers import Group, make_optimizer

CLASSES = {
    ("sgd", 0.9): lambda groups: torch.optim.SGD(groups, 0.1, momentum=0.9, weight_decay=0.5, fused=True),
    ("sgd", 0.0): lambda groups: torch.optim.SGD(groups, 0.1, weight_decay=0.5, fused=True),
    ("adam", 0.0): lambda groups: torch.optim.Adam(groups, 0.1, weight_decay=0.5, fused=True),
}


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3))


def everything(model):
    return [Group(list(model.parameters()))]


def train(model, optimizer, steps, first=0):
    for step in range(first, first + steps):
        images = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


def equal(ours, theirs):
    return all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize("kind, momentum", CLASSES)
@pytest.mark.parametrize("decay_norms", [True, False])
def test_steps_are_those_of_torchs_classes(kind, momentum, decay_norms):
    ours, theirs = network(), network()
    parameters = list(theirs.parameters())
    groups = [{"params": parameters}] if decay_norms else [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0}]
    optimizer = make_optimizer(everything(ours), Optimizer(kind, 0.1, 0.5, momentum=momentum, decay_norms=decay_norms))
    assert equal(train(ours, optimizer, 5), train(theirs, CLASSES[kind, momentum](groups), 5))


@pytest.mark.parametrize("decay_norms", [True, False])
def test_lars_is_its_formula(decay_norms):
    """You et al. 2017, algorithm 1, number by number in float64, with the momentum as torch has it; vectors as SGD moves them."""
    settings = Optimizer("lars", 0.1, 0.5, momentum=0.9, decay_norms=decay_norms, trust=0.02)
    model, shadow = network(), network().to(torch.float64)
    optimizer, moving = make_optimizer(everything(model), settings), [0.0] * len(list(model.parameters()))
    torch.nn.init.zeros_(model[3].bias), torch.nn.init.zeros_(shadow[3].bias)
    for step in range(4):
        optimizer.lr = lr = 0.1 / (step + 1)
        train(model, optimizer, 1, first=step)
        images = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(step)).to(torch.float64)
        gradients = torch.autograd.grad(shadow(images).square().sum(), list(shadow.parameters()))
        with torch.no_grad():
            for index, (w, g) in enumerate(zip(shadow.parameters(), gradients)):
                g = g + 0.5 * w if decay_norms or w.ndim > 1 else g
                if w.ndim > 1:
                    g = g * 0.02 * sum(x**2 for x in w.flatten().tolist()) ** 0.5 / sum(x**2 for x in g.flatten().tolist()) ** 0.5
                moving[index] = 0.9 * moving[index] + g
                w -= lr * moving[index]
    # float32 against float64: four steps of sums of a few numbers each
    torch.testing.assert_close(list(model.parameters()), [w.to(torch.float32) for w in shadow.parameters()], rtol=1e-4, atol=1e-5)


def test_lars_moves_a_matrix_of_zeros_and_leaves_one_without_a_gradient():
    """Neither has a length to divide by, or into."""
    model = torch.nn.Linear(2, 2, bias=False)
    for weight, gradient, expected in ((0.0, 1.0, -0.1), (1.0, 0.0, 1.0)):
        torch.nn.init.constant_(model.weight, weight)
        model.weight.grad = torch.full((2, 2), gradient)
        make_optimizer(everything(model), Optimizer("lars", 0.1, 0.0)).step()
        assert model.weight.flatten().tolist() == pytest.approx([expected] * 4)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("decay_norms", [True, False])
def test_weight_decay_covers_vectors_only_if_it_is_to(kind, decay_norms):
    """Without a gradient, weight decay is all that moves a parameter: a matrix always, BatchNorm's weight and a bias if told."""
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2))
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 2.0)
        parameter.grad = torch.zeros_like(parameter)
    settings = Optimizer(kind, 0.1, 0.5, decay_norms=decay_norms)
    make_optimizer(everything(model), settings).step()
    decayed = 1.9  # by hand: SGD takes off 0.1 * 0.5 * 2, and the first step of Adam the learning rate
    for name, parameter in model.named_parameters():
        expected = decayed if decay_norms or name in ("0.weight", "2.weight") else 2.0
        assert parameter.detach().flatten().tolist() == pytest.approx([expected] * parameter.numel()), name


@pytest.mark.parametrize("kind, momentum", [*CLASSES, ("lars", 0.9)])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_step_that_is_left_out_changes_nothing_then_or_later(kind, momentum, steps):
    settings = Optimizer(kind, 0.1, 0.5, momentum=momentum)
    ours, theirs = network(), network()
    optimizer = make_optimizer(everything(ours), settings)
    train(ours, optimizer, steps)
    before = copy.deepcopy([parameter.detach() for parameter in ours.parameters()])
    optimizer.leave_out = torch.ones(())
    assert equal(train(ours, optimizer, 1, first=7), before)
    optimizer.leave_out = torch.zeros(())
    assert equal(train(ours, optimizer, 2, first=steps), train(theirs, make_optimizer(everything(theirs), settings), steps + 2))


@pytest.mark.parametrize("kind, momentum", [*CLASSES, ("lars", 0.9)])
def test_what_was_kept_goes_on_in_another_optimizer(kind, momentum, tmp_path):
    settings = Optimizer(kind, 0.1, 0.5, momentum=momentum)
    ours, theirs = network(), network()
    first = make_optimizer(everything(ours), settings)
    train(ours, first, 2)
    torch.save(first.state_dict(), tmp_path / "kept.pt")
    second = make_optimizer(everything(ours), settings)
    second.load_state_dict(torch.load(tmp_path / "kept.pt", weights_only=True))
    assert equal(train(ours, second, 2, first=2), train(theirs, make_optimizer(everything(theirs), settings), 4))
