"""Each loss against a derivation of its own, written image by image, over a grid of shapes."""

import math

import pytest
import torch
import torch.nn.functional as F

from reimpl.losses import entropy, log_likelihood, scan_loss, self_label_loss
from reimpl.tasks.simclr import nt_xent


def naive_nt_xent(views, temperature):
    first, second = views.tolist()
    total = 0.0
    for i, anchor in enumerate(first):
        def likeness(other, anchor=anchor):
            return math.exp(sum(a * b for a, b in zip(anchor, other)) / temperature)

        others = [likeness(x) for j, x in enumerate(first) if j != i] + [likeness(x) for x in second]
        total -= math.log(likeness(second[i]) / sum(others))
    return total / len(first)


@pytest.mark.parametrize("batch, dim", [(2, 1), (3, 8), (7, 5)])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent(batch, dim, temperature, generator):
    views = F.normalize(torch.randn(2, batch, dim, generator=generator, dtype=torch.float64), dim=2)
    assert nt_xent(views, temperature).item() == pytest.approx(naive_nt_xent(views, temperature))


def test_nt_xent_has_its_anchors_from_the_first_view_only(generator):
    """By hand: the two anchors see the same three others whichever view they are of, so only swapping the views tells."""
    views = F.normalize(torch.randn(2, 5, 4, generator=generator, dtype=torch.float64), dim=2)
    assert nt_xent(views, 0.5) != pytest.approx(nt_xent(views.flip(0), 0.5).item(), rel=1e-6)
    equal = torch.ones(2, 4, 1)
    assert nt_xent(equal, 0.5).item() == pytest.approx(math.log(7))  # four images: the positive is one of seven equals


def naive_equation_1(views, temperature):
    """SimCLR's, as it is printed: all images of both views in a row, each tells the other view of its own from all the rest."""
    rows = views.flatten(0, 1).tolist()
    half, total = len(rows) // 2, 0.0
    for i, anchor in enumerate(rows):
        likeness = [math.exp(sum(a * b for a, b in zip(anchor, other)) / temperature) for other in rows]
        total -= math.log(likeness[(i + half) % len(rows)] / sum(value for k, value in enumerate(likeness) if k != i))
    return total / len(rows)


@pytest.mark.parametrize("batch, dim", [(2, 1), (3, 8), (7, 5)])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_symmetric_nt_xent(batch, dim, temperature, generator):
    views = F.normalize(torch.randn(2, batch, dim, generator=generator, dtype=torch.float64), dim=2)
    found = nt_xent(views, temperature, symmetric=True)
    assert found.item() == pytest.approx(naive_equation_1(views, temperature))
    assert found.item() == pytest.approx(nt_xent(views.flip(0), temperature, symmetric=True).item(), rel=1e-12)


def naive_scan(anchors, neighbors, entropy_over="anchors"):
    p, q = anchors.softmax(1).tolist(), neighbors.softmax(1).tolist()
    consistency = -sum(math.log(sum(a * b for a, b in zip(pi, qi))) for pi, qi in zip(p, q)) / len(p)
    counted = {"anchors": p, "both": p + q}[entropy_over]
    mean = [sum(column) / len(counted) for column in zip(*counted)]
    return consistency, -sum(m * math.log(m) for m in mean)


@pytest.mark.parametrize("batch, clusters", [(1, 2), (4, 3), (9, 20)])
@pytest.mark.parametrize("sharpness", [0.1, 1, 10])
@pytest.mark.parametrize("entropy_over", ["anchors", "both"])
def test_scan_loss(batch, clusters, sharpness, entropy_over, generator):
    anchors, neighbors = sharpness * torch.randn(2, batch, clusters, generator=generator, dtype=torch.float64)
    expected = naive_scan(anchors, neighbors, entropy_over)
    assert [term.item() for term in scan_loss(anchors, neighbors, entropy_over)] == pytest.approx(list(expected), rel=1e-6)


def test_the_entropy_over_both_by_hand():
    """All anchors in one cluster, all neighbors in the other: no entropy over the anchors, a fair coin's over both."""
    anchors = torch.tensor([[50.0, -50.0], [50.0, -50.0]])
    assert scan_loss(anchors, -anchors)[1].item() == pytest.approx(0, abs=1e-6)
    assert scan_loss(anchors, -anchors, "both")[1].item() == pytest.approx(math.log(2))


def test_scan_loss_by_hand():
    """Sure and agreeing, over both clusters evenly: no inconsistency, and the entropy of a fair coin."""
    sure = torch.tensor([[50.0, -50.0], [-50.0, 50.0]])
    consistency, spread = scan_loss(sure, sure)
    assert consistency.item() == pytest.approx(0, abs=1e-6) and spread.item() == pytest.approx(math.log(2))


def test_scan_loss_where_predictions_exclude_each_other():
    """Likelihood 0 counts as a logarithm of -100, as in PyTorch's binary cross-entropy, and leaves a finite gradient."""
    anchors = torch.tensor([[200.0, -200.0]], requires_grad=True)
    consistency, _ = scan_loss(anchors, -anchors.detach())
    ones = torch.ones(1)
    assert consistency.item() == F.binary_cross_entropy(torch.zeros(1), ones).item() == 100
    consistency.backward()
    assert torch.isfinite(anchors.grad).all()
    for value in (1e-30, 1e-13, 0.3, 1.0):
        ours, theirs = (torch.tensor([value], requires_grad=True) for _ in range(2))
        log_likelihood(ours).sum().neg().backward()
        F.binary_cross_entropy(theirs, ones).backward()
        assert -log_likelihood(ours).item() == pytest.approx(F.binary_cross_entropy(theirs, ones).item(), rel=1e-6)
        assert ours.grad.item() == pytest.approx(theirs.grad.item(), rel=1e-6)
    assert log_likelihood(torch.tensor([1.0000001])).item() == 0 and log_likelihood(torch.tensor([torch.nan])).isnan()


def test_entropy_by_hand():
    assert entropy(torch.full((4,), 0.25)).item() == pytest.approx(math.log(4))
    assert entropy(torch.tensor([1.0, 0.0])).item() == pytest.approx(-1e-8 * math.log(1e-8), abs=1e-9)


def naive_self_label(targets, predictions, threshold, balancing):
    per_class = {}
    for target, prediction in zip(targets.softmax(1), predictions.log_softmax(1)):
        if target.max() > threshold:
            label = int(target.argmax())
            per_class.setdefault(label, []).append(-prediction[label].item())
    confident = sum(map(len, per_class.values()))
    if not confident:
        return 0.0, 0.0
    if balancing:
        loss = sum(sum(values) / len(values) for values in per_class.values()) / len(per_class)
    else:
        loss = sum(map(sum, per_class.values())) / confident
    return loss, confident / len(targets)


@pytest.mark.parametrize("batch, clusters", [(1, 2), (8, 3), (40, 10)])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 0.999999])
@pytest.mark.parametrize("balancing", [True, False])
def test_self_label_loss(batch, clusters, threshold, balancing, generator):
    targets, predictions = 3 * torch.randn(2, batch, clusters, generator=generator)
    loss, confident = self_label_loss(targets, predictions, threshold, balancing)
    expected = naive_self_label(targets, predictions, threshold, balancing)
    assert (loss.item(), confident.item()) == pytest.approx(expected, rel=1e-5)


def test_no_confident_image_gives_no_loss_and_no_gradient():
    predictions = torch.randn(4, 3, requires_grad=True)
    loss, confident = self_label_loss(torch.zeros(4, 3), predictions, 0.99, True)
    loss.backward()
    assert loss.item() == 0 and confident.item() == 0 and (predictions.grad == 0).all()


def test_the_threshold_itself_is_not_confident_enough():
    logits = torch.tensor([[0.0, 0.0]])
    assert self_label_loss(logits, logits, 0.5, True)[1] == 0
    assert self_label_loss(logits, logits, 0.4999, True)[1] == 1
