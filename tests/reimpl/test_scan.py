"""What is SCAN's own: whom a neighbor is drawn from, and which epoch is kept."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.settings import Optimizer, Scan, Training
from reimpl.predict import Predictions
from reimpl.scan import best_head, takes_its_place, validation_loss
from reimpl.selflabel import nothing_learned
from reimpl.tasks import rotation
from reimpl.tasks.scan import candidates
from reimpl.train.batch import Batch


def scan(**changes):
    return Scan(**{"training": Training(1, 2, Optimizer("adam", 1e-4, 0.0)), "clusters": 3, "augmentation": "strong",
                   "num_neighbors": 2, "entropy_weight": 5.0, "heads": 1, **changes})


MINED = torch.tensor([[0, 3, 2, 1], [1, 2, 0, 3]])


@pytest.mark.parametrize("changes, expected", [
    ({}, [[0, 3, 2], [1, 2, 0]]),
    ({"draw_itself": False}, [[3, 2], [2, 0]]),
    ({"num_neighbors": 0}, [[0], [1]]),
    ({"num_neighbors": 3}, MINED.tolist()),
])
def test_a_neighbor_is_drawn_from_the_nearest_and_the_image_itself(changes, expected):
    assert candidates(MINED, scan(**changes)).tolist() == expected


def test_more_neighbors_than_mined_is_an_error():
    with pytest.raises(UserError, match="scan.num_neighbors is 4, but only 3 are mined; raise neighbors.train or lower it"):
        candidates(MINED, scan(num_neighbors=4))


@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0])
def test_validation_loss_equals_a_naive_derivation(weight, generator):
    probabilities = torch.randn(6, 3, generator=generator, dtype=torch.float64).softmax(1)
    neighbors = torch.randint(6, (6, 4), generator=generator)
    p = probabilities.tolist()
    pairs = [(i, j) for i in range(6) for j in neighbors[i].tolist()]
    consistency = -sum(math.log(sum(a * b for a, b in zip(p[i], p[j]))) for i, j in pairs) / len(pairs)
    mean = [sum(column) / 6 for column in zip(*p)]
    expected = consistency + weight * sum(m * math.log(m) for m in mean)
    assert validation_loss(probabilities, neighbors, weight) == pytest.approx(expected)


NAN = math.nan


@pytest.mark.parametrize("losses, expected", [
    ([2.0, 1.0, 3.0], 1), ([1.0, 1.0], 0), ([NAN, 2.0, 1.0], 2), ([2.0, NAN], 0), ([NAN, math.inf], 0), ([NAN], 0)])
def test_a_loss_that_is_no_number_is_never_the_lowest(losses, expected):
    """Of the heads, and of the epochs: every comparison with NaN is false, so that the first one would stay."""
    assert best_head(losses) == expected
    kept = {}
    for epoch, loss in enumerate(losses):
        if takes_its_place(loss, kept, "best"):
            kept = {"loss": loss, "epoch": epoch}
    assert kept["epoch"] == expected


def test_scores_are_of_the_head_that_is_asked_for():
    """Two heads that cluster four images differently: the first gets all right, the second three of four."""
    right, astray = torch.eye(2)[[1, 1, 0, 0]], torch.eye(2)[[0, 0, 0, 1]]
    predictions = Predictions(torch.zeros(4, 3), torch.stack([right, astray]))
    dataset = SimpleNamespace(labels=lambda split: np.array([0, 0, 1, 1]), classes=["a", "b"])
    assert [predictions.scores(dataset, head).acc for head in (0, 1)] == [1.0, 0.75] and predictions.scores(dataset).acc == 1.0
    assert predictions.clusters(1).tolist() == [0, 0, 0, 1]


def test_self_labeling_that_learns_nothing_says_so():
    assert nothing_learned([{"confident": 0.0}, {"confident": 0.1}], 0.99) == []
    assert nothing_learned([{"confident": 0.0}], 0.99) == ["no image was ever more confident than 0.99: nothing was learned"]


def test_rotation_labels_are_the_quarter_turns(photos):
    """A network that is handed the answer by the picture's corners has no loss; one that is off by a turn has."""
    marked = torch.zeros(3, 1, 8, 8)
    marked[:, :, 0, 0] = 100.0  # a mark in the top left corner; a turn counter-clockwise takes it down, then right, then up

    def by_corner(x):
        return torch.stack([x[:, 0, 0, 0], x[:, 0, -1, 0], x[:, 0, -1, -1], x[:, 0, 0, -1]], 1)

    task, batch = rotation.Task(None), Batch((marked,), {}, torch.arange(3))
    loss = task.loss(by_corner, batch, None)["loss"]
    wrong = task.loss(lambda x: by_corner(x).roll(1, 1), batch, None)["loss"]
    assert loss.item() == pytest.approx(0, abs=1e-6) and wrong.item() > 10
