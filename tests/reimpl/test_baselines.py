"""The baselines that train: each one's rule by hand, and the stage on real digits."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import mutual_info_score

import reimpl.baseline
from harness import tasks
from harness.errors import UserError
from harness.files import read_npz, read_yaml, write_json
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.settings import Optimizer, Training
from reimpl.baselines import autoencoder, dec, iic, supervised
from reimpl.networks import ResNet
from reimpl.train.task import MAY_SEE_LABELS, Task, training_labels

TRAINING = Training(2, 32, Optimizer("adam", 0.01, 0.0))
PARAMS = read_yaml("params/digits.yaml")
TRAIN, TEST = slice(0, 128), slice(128, 192)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A function that runs the stage on the first digits 0 to 3: the record and the predictions of a method."""
    found = load_digits(n_class=4)
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    for split, rows in {"train": TRAIN, "test": TEST}.items():
        np.save(data / f"{split}_images.npy", images[rows])
        np.save(data / f"{split}_labels.npy", found.target[rows])
    write_json(data / "dataset.json", {"name": "tiny", "source": "digits", "shape": [8, 8, 1], "classes": list("0123"),
                                       "images": {"train": 128, "test": 64}})
    execution = {"device": "cpu", "threads": 1, "tracking": "disabled", "checkpoint_seconds": 0}
    params = json.loads(json.dumps(PARAMS)) | {"network": {"width": 8, "blocks": [1, 1]}}
    for settings in params["baseline"].values():
        settings["clusters"] = 4
        if "training" in settings:
            settings["training"].update(epochs=3, batch_size=32)
            settings.update({name: 2 for name in settings if name.endswith("_epochs")})
    write_json(tmp_path / "params/tiny.yaml", params)

    def run(method, resident_mib=256, **changes):
        write_json(tmp_path / "params.yaml", {"pretext_seeds": [0], "clustering_seeds": [0],
                                              "execution": execution | {"resident_mib": resident_mib}})
        write_json(tmp_path / "params/tiny.yaml", params | {"baseline": {method: params["baseline"][method] | changes}})
        cell = Cell("reimpl", "baseline", "tiny", "0", variant=method)
        reimpl.baseline.run(cell, in_force(cell), {"data": data}, tmp_path / "out")
        return json.loads((tmp_path / "out/metrics.json").read_text()), read_npz(tmp_path / "out/predictions.npz")

    return run


def shuffle_labels():
    labels = np.load("data/train_labels.npy")
    np.save("data/train_labels.npy", np.random.default_rng(0).permutation(labels))


@pytest.mark.parametrize("method", tasks.known("baseline"))
def test_a_baseline_sees_no_labels_unless_it_is_named_among_those_that_may(lab, method):
    """Shuffled, the labels of the training images change the predictions of no other."""
    record, before = lab(method)
    assert record["metrics"]["acc"] > 0 and record["settings"]["baseline"]["clusters"] == 4
    shuffle_labels()
    again, after = lab(method)
    same = all(np.array_equal(before[name], after[name]) for name in before)
    assert same != (method in MAY_SEE_LABELS) and (not same or again["curves"] == record["curves"])


@pytest.mark.parametrize("method", tasks.known("baseline"))
def test_a_baseline_makes_the_same_of_images_that_stay_in_their_files(lab, method):
    record, before = lab(method)
    again, after = lab(method, resident_mib=0)
    assert again["curves"] == record["curves"] and all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method, changes", [
    ("adc", {"warm_up_epochs": 1}), ("dec", {"reconstruction_epochs": 1}), ("deepcluster", {"every": 1}), ("jule", {"every": 1})])
def test_a_baseline_that_diverges_before_it_clusters_is_recorded(lab, method, changes):
    """The only step of the first epoch: its loss is finite, and the weights are beyond all numbers afterwards."""
    training = {"epochs": 3, "batch_size": 128, "optimizer": {"kind": "adam", "lr": 1e38, "weight_decay": 0.0}}
    record, _ = lab(method, training=training, **changes)
    assert record["degenerate"][-1] == "the loss is not finite from epoch 2 on; training stopped there"


@pytest.mark.parametrize("method", ["spectral", "jule"])
def test_a_baseline_that_asks_for_more_neighbors_than_images_is_refused_in_a_line(lab, method):
    lab(method, neighbors=128)
    with pytest.raises(UserError, match=f"baseline.{method}.neighbors is 129, but there are only 128 training images; it should"):
        lab(method, neighbors=129)


def test_with_its_labels_the_supervised_one_learns_the_digits(lab):
    record, _ = lab("supervised", training={"epochs": 12, "batch_size": 32, "optimizer": {
        "kind": "adam", "lr": 0.01, "weight_decay": 0.0}}, augmentation="none")
    assert record["metrics"]["acc"] > 0.9 and record["metrics"]["match"] == [0, 1, 2, 3]


def test_only_the_one_that_is_named_is_given_labels():
    class Curious(Task):
        sees_labels = True
        network = loss = embed = None

    Curious.__module__ = "reimpl.baselines.iic"
    with pytest.raises(UserError, match="the task iic asks for labels, which only supervised may see"):
        training_labels(Curious(None), None)
    assert [name for name in tasks.known("baseline") if getattr(getattr(reimpl.baselines, name, None), "Task", Task).sees_labels
            ] == ["supervised"]


def backbone():
    torch.manual_seed(0)
    return ResNet(1, 8, (1, 1))


def batch(images, drawn=None, labels=None):
    return SimpleNamespace(views=images, drawn=drawn or {}, indices=torch.arange(len(images[0])), labels=labels)


def test_supervised_loss_is_the_mean_of_minus_the_log_of_the_right_class(digits):
    task = supervised.Task(supervised.Settings(4, TRAINING, "none"), (), None)
    model = task.network(backbone()).eval()
    images, labels = digits[:6].float() / 255, torch.tensor([0, 1, 2, 3, 0, 1])
    found = task.loss(model, batch([images], labels=labels), None)["loss"]
    probabilities = task.predict(model, task.embed(model, images))[0]
    torch.testing.assert_close(found, -sum(probabilities[i, label].log() for i, label in enumerate(labels)) / 6)


@pytest.mark.parametrize("side", [8, 12, 13])
def test_an_autoencoder_gives_back_images_of_their_size(side):
    model = autoencoder.Autoencoder(backbone(), (1, side, side))
    assert model(torch.rand(3, 1, side, side)).shape == (3, 1, side, side)


def test_a_denoising_autoencoder_sees_a_part_and_is_asked_for_all(digits, generator):
    task = autoencoder.Task(autoencoder.Settings(4, TRAINING, "none", 1, noise=0.25), (), (64, 1, 8, 8))
    images, drawn = digits[:64].float() / 255 + 1, task.draw(torch.arange(64), generator)
    assert drawn["masked"].float().mean().item() == pytest.approx(0.25, abs=0.03)  # 4 deviations of 4,096 draws

    def same(seen):
        masked = drawn["masked"]
        assert (seen[masked] == 0).all() and torch.equal(seen[~masked], images[~masked])
        return seen

    found = task.loss(same, batch([images], drawn), None)["loss"]
    torch.testing.assert_close(found, images[drawn["masked"]].square().sum() / images.numel())


def test_the_code_of_an_autoencoder_is_clustered_as_scikit_learn_does(lab):
    """As by its fit and predict on the same codes, from the same seed."""
    kept = []
    cluster, autoencoder.cluster = autoencoder.cluster, lambda *arguments: kept.append(arguments) or cluster(*arguments)
    try:
        _, predictions = lab("autoencoder")
    finally:
        autoencoder.cluster = cluster
    train, test, settings, seed, _ = kept[0]
    own = KMeans(4, n_init=settings.restarts, random_state=seed).fit(train).predict(test)
    assert own.tolist() == predictions["clusters"].tolist() and settings.restarts == 10
    assert train.shape == (128, 16) and test.shape == (64, 16)


def test_assignment_and_target_of_dec_by_hand():
    """Two codes on a line, and centres at 0 and 3: distances 1 and 2, 3 and 0."""
    q = dec.assignment(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [3.0]]))
    expected = np.array([[1 / 2, 1 / 5], [1 / 10, 1]])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(q, expected, rtol=1e-6)
    p = np.array([[expected[i, j] ** 2 / expected[:, j].sum() for j in range(2)] for i in range(2)])
    np.testing.assert_allclose(dec.target(q), p / p.sum(1, keepdims=True), rtol=1e-6)


def test_assignment_target_and_loss_of_dec_are_those_of_clustpy(digits):
    """On pixels as codes; ClustPy is no dependency, since it ships as source that takes a compiler."""
    theirs = pytest.importorskip("clustpy.deep.dec", reason="needs ClustPy: pip install clustpy")
    codes = digits[:64].flatten(1).float() / 64  # so near that no image is of one cluster alone
    centres = codes[[0, 1, 2, 3]].clone()
    q = dec.assignment(codes, centres)
    torch.testing.assert_close(q, theirs._dec_predict(centres, codes, 1, None))
    torch.testing.assert_close(dec.target(q), theirs._dec_compression_value(q))
    p = dec.target(q)
    entropy = -(p * p.log()).sum(1).mean()  # which theirs, a cross entropy, has besides the divergence, and no gradient
    torch.testing.assert_close(F.kl_div(q.log(), p, reduction="batchmean") + entropy, theirs._dec_compression_loss_fn(q, p))


def test_dec_learns_images_first_and_then_its_target(digits, generator):
    """One epoch of each: its loss is the square, and then the divergence, of the codes as they are, by torch's own kl_div."""
    normalize = SimpleNamespace(normalize=lambda images: images.float() / 255)
    task = dec.Task(dec.Settings(4, TRAINING, "none", restarts=3, reconstruction_epochs=1), [normalize], (64, 1, 8, 8))
    model, images = task.network(backbone()), digits[:64]
    task.before_epoch(model, images, generator)
    view = batch([images.float() / 255])
    torch.testing.assert_close(task.loss(model, view, None)["loss"], F.mse_loss(model(view.views[0]), view.views[0]))
    task.before_epoch(model, images, generator)
    model.eval()
    codes = model.backbone(view.views[0]).detach()
    inertia = (codes - model.centres[dec.assignment(codes, model.centres).argmax(1)]).square().sum()
    assert inertia.item() == pytest.approx(KMeans(4, n_init=10, random_state=0).fit(codes.numpy()).inertia_, rel=0.05)
    q = task.predict(model, codes)[0]
    found = task.loss(model, view, None)["loss"]
    torch.testing.assert_close(found, F.kl_div(q.log(), dec.target(q), reduction="batchmean"), rtol=1e-4, atol=1e-6)
    found.backward()
    assert model.centres.grad.abs().sum() > 0 and model.backbone.conv1.weight.grad.abs().sum() > 0


def test_information_of_pairs_by_hand():
    """Pairs in hard clusters, each also the other way round, as scikit-learn counts it; of even probabilities there is none."""
    one, other = torch.tensor([0, 0, 1, 2, 2, 1]), torch.tensor([0, 1, 1, 2, 0, 1])
    found = iic.mutual_information(F.one_hot(one, 3).float(), F.one_hot(other, 3).float())
    both = mutual_info_score(torch.cat([one, other]), torch.cat([other, one]))
    assert found.item() == pytest.approx(both, abs=1e-6)
    assert iic.mutual_information(torch.full((5, 3), 1 / 3), torch.full((5, 3), 1 / 3)).item() == pytest.approx(0, abs=1e-6)


def test_iic_predicts_by_the_head_of_lowest_loss(digits):
    task = iic.Task(iic.Settings(4, TRAINING, "none", "none", heads=3, overclustering=2), (), None)
    model, views = task.network(backbone()), [digits[:32].float() / 255, digits[32:64].float() / 255]
    found = task.loss(model, batch(views), None)
    assert [head.out_features for head in (*model.main, *model.over)] == [4, 4, 4, 8, 8, 8]
    assert found["heads"].shape == (3,) and found["information"].item() == pytest.approx(-found["heads"].mean().item())
    task.after_step(model, {"heads": torch.tensor([-1.0, -2.0, -1.5])}, None)
    codes = task.embed(model, views[0])
    torch.testing.assert_close(task.predict(model, codes)[0], model.main[1](codes).softmax(1))
