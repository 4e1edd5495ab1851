"""What runs on a GPU: as much of it as a CPU can show, and, where there is a GPU, that it computes the same there."""

import copy

import pytest
import torch

from harness.augmentations import AUGMENTATIONS
from harness.record import Cell
from harness.session import Session
from harness.settings import Optimizer, Training
from reimpl.augment import KINDS, Normalize, batches
from reimpl.mining import mine, search_with_faiss, search_with_torch
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet, place
from reimpl.predict import embed_all, predict
from reimpl.scan import validation_loss
from reimpl.tasks import selflabel, simclr
from reimpl.tasks.selflabel import label_logits
from reimpl.train.batch import Batch
from reimpl.train.draws import leaves, move, pack, unpack
from reimpl.train.optimizers import Group, make_optimizer
from reimpl.train.steps import Step
from reimpl.train.trainer import Trainer

NORMALIZE = Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
SIMCLR = dict(crop_scale=(0.2, 1.0), flip=0.5, jitter=0.8, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, gray=0.2)
SETTINGS = {"none": {}, "standard": dict(crop_scale=(0.2, 1.0), flip=0.5), "simclr": SIMCLR | {"rotation": 15.0},
            "strong": dict(flip=0.5, operations=4, cutout=16)}
BATCH = 32

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def augmentation(kind, channels=3):
    settings = AUGMENTATIONS[kind](**SETTINGS[kind])
    return KINDS[type(settings)](settings, NORMALIZE if channels == 3 else Normalize((0.5,), (0.2,)))


def gray(photos):
    return photos[:, :1]


def odd(photos):
    """Of another side than a power of two, with flat images and images of two values among them."""
    photos = photos[:, :, :21, :21].clone()
    photos[:8] = torch.tensor([0, 1, 7, 127, 128, 200, 254, 255], dtype=torch.uint8).view(-1, 1, 1, 1)
    photos[8:16, :, ::2], photos[8:16, :, 1::2] = photos[:8, :, ::2], 99
    return photos


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("of", [torch.clone, gray, odd])
def test_work_on_all_images_gives_the_bytes_of_work_on_some(photos, kind, of, monkeypatch):
    """On a GPU each image goes through every operation, with numbers that change nothing where it did not draw one. The work on
    some is held against PIL in test_augment.py."""
    images, augment = of(photos), augmentation(kind, of(photos).shape[1])
    some = [augment(images, torch.Generator().manual_seed(seed)) for seed in range(4)]
    monkeypatch.setattr(batches, "picks", lambda images: False)
    for seed, expected in enumerate(some):
        assert torch.equal(augment(images, torch.Generator().manual_seed(seed)), expected)


def test_draws_are_moved_whole():
    drawn = {"a": torch.ones(2), "b": {"c": torch.zeros(3), "d": {}}}
    moved = move(drawn, torch.device("cpu"))
    assert [leaf.tolist() for leaf in leaves(moved)] == [[1, 1], [0, 0, 0]] and moved["b"]["d"] == {}


def test_draws_are_packed_into_one_piece_and_back(photos, generator):
    """Those of the strong augmentation, and tensors of no, one and an odd number of bytes among wider ones; then other draws of
    the same shapes, into the same memory."""
    def draw():
        return {"rows": torch.randperm(7, generator=generator), "flag": torch.rand(3, generator=generator) > 0.5,
                "none": torch.empty(2, 0, dtype=torch.float64), "one": torch.tensor(True), "pixels": photos[:1],
                "strong": augmentation("strong").draw(5, 32, 32, generator), "task": {}}

    first, second = draw(), draw()
    packed = pack(first, torch.device("cpu"))
    unpacked = unpack(packed, first)
    for drawn in (first, second):
        packed.copy_(pack(drawn, torch.device("cpu")))
        assert unpacked.keys() == drawn.keys() and unpacked["strong"].keys() == drawn["strong"].keys()
        for found, value in zip(leaves(unpacked), leaves(drawn), strict=True):
            assert found.dtype == value.dtype and torch.equal(found, value)


def test_the_search_of_a_gpu_finds_what_faiss_finds(photos):
    embeddings = torch.nn.functional.normalize(photos.flatten(1).to(torch.float32) - 128, dim=1)
    faiss, ours = search_with_faiss(embeddings, 21), search_with_torch(embeddings, 21)
    assert (faiss == ours).mean() > 0.999  # near ties apart, which are rounded differently
    similarity = (embeddings @ embeddings.T).numpy()
    assert abs(similarity[0, faiss[0]] - similarity[0, ours[0]]).max() < 1e-5


def simclr_settings(epochs, batch):
    training = Training(epochs, batch, Optimizer("sgd", 0.02, 5e-4, momentum=0.9, schedule="cosine"))
    return simclr.Settings(training, {"simclr": {}}, 1000, temperature=0.5, dim=16)


def nothing(found, progress):
    """After a step."""


def train(folder, photos, execution, epochs=25, batch=BATCH):
    """The losses of SimCLR on the patches, an epoch each, as the stage trains."""
    (folder / "params.yaml").write_text(f"execution: {{threads: 1, tracking: disabled, checkpoint_seconds: 1000, {execution}}}")
    session = Session(Cell("reimpl", "pretext", "photos", 0, variant="simclr"), {}, {})
    torch.manual_seed(0)
    settings = simclr_settings(epochs, batch)
    task = simclr.Task(settings, [augmentation("simclr")] * 2)
    model = task.network(ResNet(3, 8, (1, 1)))
    trainer = Trainer(session, task, model, settings.training, photos.to(session.device), lambda epoch, state: {})
    return [row["loss"] for row in trainer.run()], session, model


def simclr_loss(model, views, settings):
    """Of normalised views float32 [2 * b, c, h, w]."""
    return simclr.Task(settings).loss(model, Batch((views,), {}, torch.arange(len(views) // 2)), None)["loss"]


@pytest.mark.rounding
@pytest.mark.parametrize("seed", range(3))
def test_a_step_in_bfloat16_is_that_in_float64_up_to_its_rounding(photos, seed):
    """Loss and gradient of the same weights and views, at the start of a training and after 30 and 60 steps of it.

    One step at a time, since in so small a network any rounding grows from step to step: from weights that are one unit in the
    last place of float32 apart, single losses of 200 steps in float32 end up to 7 % apart, and their means over 40 steps up to
    1.3 %, which is as far as bfloat16 takes them (on five seeds).
    bfloat16 rounds by up to 2^-9 at each of some ten places on the way to the loss, and again on the way back. On five seeds, at
    five states each, that moved the loss by up to 7e-4 of itself, and the gradient by 0.01 to 0.06 of its length. float32 moves
    the loss by 5e-7 and the gradient by up to 4e-3, where a ReLU is at its kink.
    """
    images, augment = photos[:, :, ::2, ::2].contiguous(), augmentation("simclr")
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    model = ContrastiveModel(ResNet(3, 8, (1, 1)), 16)
    settings = simclr_settings(1, BATCH)
    step = Step(make_optimizer([Group(list(model.parameters()))], settings.training.optimizer),
                lambda views, progress: {"loss": simclr_loss(model, views, settings)}, nothing, torch.device("cpu"))
    step.set_lr(0.02)

    def learned_from(views, dtype, bfloat16=False):
        other = copy.deepcopy(model).to(dtype)
        other.backbone.bfloat16 = bfloat16
        loss = simclr_loss(other, views.to(dtype), settings)
        loss.backward()
        return loss.item(), torch.cat([parameter.grad.flatten() for parameter in other.parameters()]).to(torch.float64)

    losses = []
    for number in range(61):
        picked = torch.randperm(len(images), generator=draws)[:BATCH]
        views = augment(images[picked].repeat(2, 1, 1, 1), draws)
        if number % 30 == 0:
            (loss, gradient), (coarse, direction) = learned_from(views, torch.float64), learned_from(views, torch.float32, True)
            assert 0 < abs(coarse - loss) < loss * 2**-8
            assert 0.002 < (direction - gradient).norm() / gradient.norm() < 0.1
            losses.append(loss)
        step(views, 0)
    assert losses[-1] < losses[0] - 0.3  # so that the states are three


@pytest.mark.rounding
def test_a_gpus_path_trains_as_float32_does(tmp_path, monkeypatch, photos):
    """bfloat16 in the backbone and masks in the augmentations, on the CPU: the mean loss of eight steps, which bfloat16 moved by
    0.0005 of itself at most on five seeds, and weights that stay in float32."""
    monkeypatch.chdir(tmp_path)
    photos = photos[:, :, ::2, ::2].contiguous()
    (plain,), session, _ = train(tmp_path, photos, "device: cpu, precision: float32", epochs=1)
    assert session.trained_in == "float32"
    monkeypatch.setattr(batches, "picks", lambda images: False)
    (fast,), session, model = train(tmp_path, photos, "device: cpu, precision: bfloat16", epochs=1)
    assert session.trained_in == "bfloat16" and {value.dtype for value in model.parameters()} == {torch.float32}
    assert fast != plain and fast == pytest.approx(plain, rel=2**-8)


def test_losses_and_embeddings_stay_in_float32_beside_a_backbone_in_bfloat16():
    model = ContrastiveModel(ResNet(3, 8, (1, 1)), 16)
    model.backbone.bfloat16 = True  # in training mode
    seen = []
    model.backbone.layer1.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    embedded = model(torch.randn(4, 3, 8, 8))
    assert seen == [torch.bfloat16] and embedded.dtype == torch.float32
    assert torch.allclose(embedded.norm(dim=1), torch.ones(4), atol=1e-6)


def in_precision(precision, network, folder):
    """`network` as a stage has it that trains in `precision`, on the CPU, in training mode."""
    (folder / "params.yaml").write_text(
        f"execution: {{device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 0, precision: {precision}}}")
    return place(copy.deepcopy(network), Session(Cell("reimpl", "scan", "photos", "0-0"), {}, {})).train()


def test_what_evaluates_mines_and_selects_is_in_float32_whatever_trains(tmp_path, monkeypatch, photos):
    """The same weights under either precision give the same bits wherever nothing is learned, and others where something is."""
    monkeypatch.chdir(tmp_path)
    photos = photos[::4, :, ::2, ::2].contiguous()
    neighbors, images = torch.arange(len(photos)).view(-1, 1).roll(1), photos.float() / 255

    def evaluated(precision):
        torch.manual_seed(0)
        clustering = in_precision(precision, ClusteringModel(ResNet(3, 8, (1, 1)), 4, heads=2), tmp_path)
        pretext = in_precision(precision, ContrastiveModel(ResNet(3, 8, (1, 1)), 16), tmp_path)
        predictions = predict(selflabel.Task(None, (), clusters=4), clustering, photos, NORMALIZE)
        embedded = embed_all(simclr.Task(None), pretext, photos, NORMALIZE)
        losses = [validation_loss(head, neighbors, 1.0) for head in predictions.probabilities]
        nothing_learned = [predictions.features, predictions.probabilities, label_logits(clustering, images, False), embedded,
                           torch.tensor(losses), torch.from_numpy(mine(embedded, 5)[0])]
        return nothing_learned, [label_logits(clustering, images, True), pretext.train()(images)]

    (plain, trained), (fast, coarser) = evaluated("float32"), evaluated("bfloat16")
    assert not any(map(torch.equal, trained, coarser))
    assert all(map(torch.equal, plain, fast)) and {value.dtype for value in fast[:-1]} == {torch.float32}


def test_float32_is_not_tf32(tmp_path, monkeypatch, tf32):
    """torch allows TF32 in convolutions unless told otherwise."""
    monkeypatch.chdir(tmp_path)
    for kind in tf32:
        kind.fp32_precision = "tf32"
    in_precision("float32", ResNet(3, 8, (1,)), tmp_path)
    assert [kind.fp32_precision for kind in tf32] == ["ieee", "ieee"]


@gpu
@pytest.mark.parametrize("kind", SETTINGS)
def test_augmentations_have_the_same_bytes_on_a_gpu(photos, kind):
    """Up to the division of the normalisation, which may round differently."""
    here = augmentation(kind)(photos, torch.Generator().manual_seed(5))
    there = augmentation(kind)(photos.cuda(), torch.Generator().manual_seed(5)).cpu()
    assert (here - there).abs().max() < 1e-5


@gpu
def test_a_recorded_step_is_the_step(tmp_path, monkeypatch, photos):
    """On a GPU in float32, recorded and not, and on the CPU: the same losses, up to rounding; the last batch is smaller."""
    monkeypatch.chdir(tmp_path)
    settings = dict(epochs=10, batch=BATCH)
    recorded, *_ = train(tmp_path, photos, "device: cuda, precision: float32, cuda_graph: true", **settings)
    plain, *_ = train(tmp_path, photos, "device: cuda, precision: float32, cuda_graph: false", **settings)
    here, *_ = train(tmp_path, photos, "device: cpu, precision: float32", **settings)
    assert recorded == pytest.approx(plain, rel=1e-3) and recorded == pytest.approx(here, rel=1e-2)


@gpu
def test_neighbors_are_the_same_on_a_gpu(photos):
    embeddings = torch.nn.functional.normalize(photos.flatten(1).to(torch.float32) - 128, dim=1)
    assert (mine(embeddings, 20)[0] == mine(embeddings.cuda(), 20)[0]).mean() > 0.999
