"""Operations of a step, by the passes that it has through the network."""

import importlib
from types import SimpleNamespace

import pytest
import torch

from reimpl.operations import count, of_task
from reimpl.tasks import simclr
from tests.reimpl import naive

IMAGES = 8


@pytest.mark.parametrize("name, passes", [("simclr", 2), ("rotation", 4)])
def test_a_step_has_the_operations_of_its_passes(name, passes):
    """Two views are two passes, four turns four. SimCLR's loss adds by hand: each of the first views times all views, 16 numbers
    each, and on the way back the same again for either factor; two operations for a product and its addition."""
    training = SimpleNamespace(batch_size=IMAGES, drop_last=True)
    settings = simclr.Settings(training, {"simclr": {}}, 1, temperature=0.5, dim=16)
    task = importlib.import_module(f"reimpl.tasks.{name}").Task(settings)
    model, images = task.network(naive.backbone()), torch.rand(IMAGES, 1, 8, 8)
    one = count(lambda: model(images).sum().backward())
    loss = 3 * 2 * IMAGES * (2 * IMAGES) * 16 if name == "simclr" else 0
    assert of_task(task, model, images, torch.Generator()) == passes * one + loss
