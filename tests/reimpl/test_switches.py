"""Switches between paper and reference: each stage against a training loop written out here, switch by switch.

By default the loops are those of the reference, and the stages end with the same bits. With a switch they end with the weights
of the loop that is changed in the same way, which are others.
"""

import json
import math
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reimpl.neighbors
import reimpl.pretext
import reimpl.scan
import reimpl.selflabel
from harness import augmentations, weights
from harness.files import write_npz
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.session import derive_seed
from reimpl.augment import Normalize, SimCLR, Standard, Strong
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet

IMAGES, BATCH, EPOCHS, CLUSTERS, HEADS = 80, 32, 3, 4, 3  # two full batches, and one of 16
STANDARD, STRONG = augmentations.Standard((0.5, 1.0), 0.5), augmentations.Strong(0.5, 2, 4)
SIMCLR = augmentations.SimCLR((0.5, 1.0), 0.5, 0.8, 0.4, 0.4, 0.4, 0.1, 0.2)
NORMALIZE = Normalize((0.3,), (0.3,))
DECAY = 0.05  # so much that it shows
PARAMS = {
    "execution": {"device": "cpu", "threads": 1, "tracking": "disabled", "checkpoint_seconds": 1000},
    "dataset": {"source": "digits", "mean": [0.3], "std": [0.3]},
    "network": {"width": 8, "blocks": [1, 1]},
    "augmentation": {"none": {}, "standard": {"crop_scale": [0.5, 1], "flip": 0.5},
                     "strong": {"flip": 0.5, "operations": 2, "cutout": 4}},
    "pretext": {"simclr": {
        "training": {"epochs": EPOCHS, "batch_size": BATCH,
                     "optimizer": {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": DECAY}},
        "augmentation": {"simclr": {"crop_scale": [0.5, 1], "flip": 0.5, "jitter": 0.8, "brightness": 0.4, "contrast": 0.4,
                                    "saturation": 0.4, "hue": 0.1, "gray": 0.2}},
        "evaluate_every": 100, "temperature": 0.5, "dim": 16}},
    "neighbors": {"train": 20, "test": 5, "scored": 5},
    "scan": {"training": {"epochs": EPOCHS, "batch_size": BATCH, "optimizer": {"kind": "adam", "lr": 0.01, "weight_decay": 0}},
             "augmentation": "strong", "clusters": CLUSTERS, "num_neighbors": 5, "entropy_weight": 5.0, "heads": HEADS},
    "selflabel": {
        "training": {"epochs": EPOCHS, "batch_size": BATCH, "optimizer": {"kind": "adam", "lr": 0.01, "weight_decay": 0}},
        "augmentation": "strong", "target_augmentation": "none", "threshold": 0.3},
}


def backbone():
    return ResNet(1, 8, (1, 1))


class Lab:
    """A folder to run stages of the rewrite in, on a few digits, from weights and neighbors of its own."""

    def __init__(self, folder, digits):
        self.folder, self.images, self.test_images = folder, digits[:IMAGES], digits[IMAGES : IMAGES + 40]
        data = folder / "data"
        data.mkdir()
        for split, images in {"train": self.images, "test": self.test_images}.items():
            np.save(data / f"{split}_images.npy", images.permute(0, 2, 3, 1).numpy())
            np.save(data / f"{split}_labels.npy", np.arange(len(images)) % CLUSTERS)
        (data / "dataset.json").write_text(json.dumps({"name": "tiny", "source": "digits", "shape": [8, 8, 1],
                                                       "classes": [str(i) for i in range(CLUSTERS)],
                                                       "images": {"train": len(self.images), "test": len(self.test_images)}}))
        torch.manual_seed(2)
        self.pretext = ContrastiveModel(backbone(), 16).state_dict()
        weights.save(folder / "pretext/model.pt", self.pretext)
        self.clustering = ClusteringModel(backbone(), CLUSTERS).state_dict()
        weights.save(folder / "scan/model.pt", self.clustering)
        rng = np.random.default_rng(0)
        self.neighbors = {split: np.concatenate([np.arange(count)[:, None], rng.integers(0, count, (count, 5))], 1)
                          for split, count in (("train", IMAGES), ("test", 40))}
        write_npz(folder / "neighbors/neighbors.npz", **self.neighbors)

    def run(self, module, stage, inputs=(), changes=(), variant="simclr"):
        """Weights and record of a stage, with the settings `changes` laid over its section."""
        params = json.loads(json.dumps(PARAMS))
        section = params["pretext"]["simclr"] if stage == "pretext" else params[stage]
        for key, value in dict(changes).items():
            *path, last = key.split(".")
            place = section
            for part in path:
                place = place[part]
            place[last] = value
        execution = params.pop("execution")
        (self.folder / "params.yaml").write_text(json.dumps({"execution": execution}))
        (self.folder / "params").mkdir(exist_ok=True)
        (self.folder / "params/tiny.yaml").write_text(json.dumps(params))
        out = self.folder / "out"
        cell = Cell("reimpl", stage, "tiny", 0, variant=variant)
        module.run(cell, in_force(cell), {name: self.folder / name for name in ("data", *inputs)}, out)
        state = torch.load(out / "model.pt", weights_only=True) if (out / "model.pt").exists() else None
        return state, json.loads((out / "metrics.json").read_text())


@pytest.fixture
def lab(tmp_path, monkeypatch, digits):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the stages; another number would round sums differently
    yield Lab(tmp_path, digits)
    torch.set_num_threads(threads)


def the_same(found, expected):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def check(found, expected, default, switched):
    """By default the bits are those of the loop; with a switch the weights are those of the loop, and not the default's."""
    assert the_same(default, expected) != switched
    if switched:
        # Loops that sum in another order than the stage were seen to move a weight by 0.003 of this, the others by nothing.
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    else:
        assert the_same(found, expected)


def begin(stage, make):
    """A stage's generator, and its model with the weights that it starts from."""
    torch.manual_seed(derive_seed(stage, 0))
    generator = torch.Generator().manual_seed(derive_seed(f"{stage} training", 0))
    return generator, make().to(memory_format=torch.channels_last)


def full_batches(order):
    return [order[:32], order[32:64]]


def all_batches(order):
    return [order[:32], order[32:64], order[64:]]


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


# --- SimCLR

def half_of_equation_1(embedded, count):
    similarity = (embedded[:count] @ embedded.T / 0.5).masked_fill(torch.eye(count, 2 * count, dtype=torch.bool), -math.inf)
    return F.cross_entropy(similarity, torch.arange(count) + count)


def equation_1(embedded, count):
    similarity = (embedded @ embedded.T / 0.5).masked_fill(torch.eye(2 * count, dtype=torch.bool), -math.inf)
    return F.cross_entropy(similarity, torch.cat([torch.arange(count) + count, torch.arange(count)]))


def decay_all(model):
    return [{"params": list(model.parameters())}]


def decay_weights_alone(model):
    spared = [parameter for module in model.modules() if isinstance(module, nn.BatchNorm2d) for parameter in module.parameters()]
    spared += [module.bias for module in model.modules() if isinstance(module, nn.Linear)]
    others = [parameter for parameter in model.parameters() if not any(parameter is other for other in spared)]
    return [{"params": others}, {"params": spared, "weight_decay": 0.0}]


def plain_pretext(lab, loss_of=half_of_equation_1, groups=decay_all, batches=full_batches):
    generator, model = begin("pretext", lambda: ContrastiveModel(backbone(), 16))
    optimizer = torch.optim.SGD(groups(model), 0.05, momentum=0.9, weight_decay=DECAY, fused=True)
    augment = SimCLR(SIMCLR, NORMALIZE)
    means = []
    for _ in range(EPOCHS):
        total, count = 0.0, 0
        for batch in batches(torch.randperm(IMAGES, generator=generator)):
            images = lab.images[batch]
            loss = loss_of(model(augment(torch.cat([images, images]), generator)), len(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(batch), count + len(batch)
        means.append(total / count)
    return snapshot(model), means


@pytest.mark.parametrize("changes, plain", [
    ({}, {}),
    ({"symmetric": True}, {"loss_of": equation_1}),
    ({"training.optimizer.decay_norms": False}, {"groups": decay_weights_alone}),
    ({"training.drop_last": False}, {"batches": all_batches}),
], ids=["default", "symmetric", "decay_norms", "drop_last"])
def test_pretext(lab, changes, plain):
    default, _ = plain_pretext(lab)
    expected, means = plain_pretext(lab, **plain)
    found, record = lab.run(reimpl.pretext, "pretext", changes=changes)
    check(found, expected, default, bool(changes))
    assert [row["loss"] for row in record["curves"]] == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize("count", [1, 3])
def test_a_pretext_task_is_watched_by_what_neighbors_few_test_images_have(lab, count):
    """Of three, the other two, of other classes; of one, none, and so nothing is said of neighbors."""
    for name in ("images", "labels"):
        file = lab.folder / f"data/test_{name}.npy"
        np.save(file, np.load(file)[:count])
    facts = lab.folder / "data/dataset.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"images": {"train": IMAGES, "test": count}}))
    _, record = lab.run(reimpl.pretext, "pretext", changes={"evaluate_every": 1})
    assert [row.get("neighbor_accuracy") for row in record["curves"]] == [0.0 if count == 3 else None] * EPOCHS


# --- SCAN

def one_draw(images, neighbors, generator):
    return Strong(STRONG, NORMALIZE)(torch.cat([images, neighbors]), generator).chunk(2)


def neighbors_apart(images, neighbors, generator):
    anchors = Strong(STRONG, NORMALIZE)(images, generator)
    return anchors, Standard(STANDARD, NORMALIZE)(neighbors, generator)


def two_batches(model, anchors, neighbors):
    return list(zip(model(anchors), model(neighbors)))


def one_batch(model, anchors, neighbors):
    both = model(torch.cat([anchors, neighbors]))
    return [(logits[: len(anchors)], logits[len(anchors) :]) for logits in both]


def heads_alone(model, anchors, neighbors):
    model.backbone.eval()
    features = [model.backbone(images).detach() for images in (anchors, neighbors)]
    model.backbone.train()
    return [tuple(head(part) for part in features) for head in model.cluster_head]


def validation_losses(model, lab):
    """A naive derivation for each head: consistency over every neighbor of every test image, minus the entropy of the mean."""
    model.eval()
    with torch.no_grad():
        heads = [logits.softmax(1) for logits in model(NORMALIZE(lab.test_images))]
    model.train()
    losses = []
    for p in heads:
        logs = [math.log(float(p[i] @ p[j])) for i in range(40) for j in lab.neighbors["test"][i]]
        mean = p.mean(0).tolist()
        losses.append(-sum(logs) / len(logs) + sum(m * math.log(m) for m in mean))
    return losses


def of_lowest_loss(epochs):
    return min(epochs, key=lambda row: row[0])


def plain_scan(lab, pair=one_draw, forward=two_batches, counted=lambda p, q: p, kept=of_lowest_loss, batches=full_batches):
    generator, model = begin("scan", lambda: ClusteringModel(backbone(), CLUSTERS, HEADS))
    model.load_state_dict({**model.state_dict(), **{k: v for k, v in lab.pretext.items() if k.startswith("backbone.")}})
    optimizer = torch.optim.Adam(model.parameters(), 0.01, fused=True)
    columns = torch.from_numpy(lab.neighbors["train"])
    epochs = []
    for epoch in range(EPOCHS):
        for batch in batches(torch.randperm(IMAGES, generator=generator)):
            neighbors = columns[batch, torch.randint(6, batch.shape, generator=generator)]
            total = 0
            for a, n in forward(model, *pair(lab.images[batch], lab.images[neighbors], generator)):
                p, q = a.softmax(1), n.softmax(1)
                similarity, mean = (p * q).sum(1), counted(p, q).mean(0)
                entropy = -(mean * mean.log()).sum()
                total = total + F.binary_cross_entropy(similarity, torch.ones_like(similarity)) - 5.0 * entropy
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        losses = validation_losses(model, lab)
        head = losses.index(min(losses))
        epochs.append((losses[head], epoch, head, snapshot(model)))
    loss, epoch, head, state = kept(epochs)
    state = {name: value for name, value in state.items() if "cluster_head" not in name or f"cluster_head.{head}." in name}
    chosen = {"epoch": epoch + 1, "head": head, "validation_loss": pytest.approx(loss, rel=1e-4)}
    return {name.replace(f"cluster_head.{head}.", "cluster_head.0."): value for name, value in state.items()}, chosen


@pytest.mark.parametrize("changes, plain", [
    ({}, {}),
    ({"neighbor_augmentation": "standard"}, {"pair": neighbors_apart}),
    ({"entropy_over": "both"}, {"counted": lambda p, q: torch.cat([p, q])}),
    ({"joint_batch": True}, {"forward": one_batch}),
    ({"frozen_backbone": True}, {"forward": heads_alone}),
    ({"selection": "last"}, {"kept": lambda epochs: epochs[-1]}),
    ({"training.drop_last": False}, {"batches": all_batches}),
], ids=["default", "neighbor_augmentation", "entropy_over", "joint_batch", "frozen_backbone", "selection", "drop_last"])
def test_scan(lab, changes, plain):
    default, _ = plain_scan(lab)
    expected, chosen = plain_scan(lab, **plain)
    found, record = lab.run(reimpl.scan, "scan", ("pretext", "neighbors"), changes)
    check(found, expected, default, bool(changes))
    assert {key: record["metrics"][key] for key in chosen} == chosen


def test_an_epochs_scores_are_of_its_head_of_lowest_loss(lab):
    """Accuracy over all matchings, of the clusters that the loop's weights give the test images."""
    seen = []
    plain_scan(lab, kept=lambda epochs: seen.extend(epochs) or epochs[-1])
    _, record = lab.run(reimpl.scan, "scan", ("pretext", "neighbors"))

    def accuracy(state, head):
        model = ClusteringModel(backbone(), CLUSTERS, HEADS)
        model.load_state_dict(state)
        found = model.eval()(NORMALIZE(lab.test_images))[head].argmax(1)
        labels = torch.arange(len(found)) % CLUSTERS
        return max((torch.tensor(match)[found] == labels).float().mean().item() for match in permutations(range(CLUSTERS)))

    expected = [(head, pytest.approx(accuracy(state, head))) for _, _, head, state in seen]
    assert [(row["head"], row["acc"]) for row in record["curves"]] == expected
    assert any(accuracy(state, 0) != accuracy(state, head) for _, _, head, state in seen)  # so that the head matters


def test_the_images_augmentation_named_for_the_neighbor_changes_nothing(lab):
    found, _ = lab.run(reimpl.scan, "scan", ("pretext", "neighbors"))
    named, _ = lab.run(reimpl.scan, "scan", ("pretext", "neighbors"), {"neighbor_augmentation": "strong"})
    assert the_same(found, named)


# --- Self-labeling

def in_training_mode(model, images):
    with torch.no_grad():
        return model(images)[0]


def in_evaluation_mode(model, images):
    model.eval()
    with torch.no_grad():
        logits = model(images)[0]
    model.train()
    return logits


def no_averages(model, averages):
    averages.update(snapshot(model))


def averages_for_weights(model, averages):
    """As utils/ema.py: of the parameters alone, and all of it is loaded into the model."""
    for name, parameter in model.named_parameters():
        averages[name] = 0.9 * averages[name] + 0.1 * parameter.detach()
    model.load_state_dict(averages)


def averages_apart(model, averages):
    """As in Tarvainen and Valpola 2017, with the statistics of the model that trains."""
    parameters = dict(model.named_parameters())
    for name, value in snapshot(model).items():
        averages[name] = 0.9 * averages[name] + 0.1 * value if name in parameters else value


def plain_selflabel(lab, labels_of=in_training_mode, batches=full_batches, average=no_averages):
    generator, model = begin("selflabel", lambda: ClusteringModel(backbone(), CLUSTERS))
    model.load_state_dict(lab.clustering)
    averages = snapshot(model)
    optimizer = torch.optim.Adam(model.parameters(), 0.01, fused=True)
    for _ in range(EPOCHS):
        for batch in batches(torch.randperm(IMAGES, generator=generator)):
            confidence, label = labels_of(model, NORMALIZE(lab.images[batch])).softmax(1).max(1)
            predictions = model(Strong(STRONG, NORMALIZE)(lab.images[batch], generator))[0]
            share = torch.tensor([((label == k) & (confidence > 0.3)).sum() for k in range(CLUSTERS)])
            weight = torch.where(confidence > 0.3, 1 / share.clamp(min=1)[label], 0.0)
            loss = (weight * F.cross_entropy(predictions, label, reduction="none")).sum() / weight.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average(model, averages)
    return averages


@pytest.mark.parametrize("changes, plain", [
    ({}, {}),
    ({"ema": 0.9}, {"average": averages_for_weights}),
    ({"ema": 0.9, "ema_replaces_weights": False}, {"average": averages_apart}),
    ({"targets_in_training_mode": False}, {"labels_of": in_evaluation_mode}),
    ({"training.drop_last": False}, {"batches": all_batches}),
], ids=["default", "ema", "ema_apart", "targets_in_training_mode", "drop_last"])
def test_selflabel(lab, changes, plain):
    expected = plain_selflabel(lab, **plain)
    found, _ = lab.run(reimpl.selflabel, "selflabel", ("scan",), changes)
    check(found, expected, plain_selflabel(lab), bool(changes))


# --- Neighbors

@pytest.mark.parametrize("scored", [1, 5, 20])
def test_the_accuracy_of_training_images_is_over_the_nearest_scored(lab, scored):
    _, record = lab.run(reimpl.neighbors, "neighbors", ("pretext",), {"scored": scored})
    with np.load(lab.folder / "out/neighbors.npz") as mined:
        rows = mined["train"].tolist()
    assert len(rows[0]) == 21
    right = [row[0] % CLUSTERS == other % CLUSTERS for row in rows for other in row[1 : 1 + scored]]
    assert record["metrics"]["train_accuracy"] == pytest.approx(sum(right) / len(right))
