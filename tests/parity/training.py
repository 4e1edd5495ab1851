"""Twenty steps of each training stage: from the same weights, batches and augmented images, the same losses.

The rewrite's stages run as they are, one step an epoch; what they drew and augmented is handed to the authors' training
functions. In float64 the losses are the same to nine digits. In float32 they are within 1e-3, SimCLR at a lower learning rate:
from random weights, where all embeddings are alike, it blows differences of rounding up by half at each step.
"""

import contextlib
import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.datasets import load_digits, load_sample_images

from harness import weights
from harness.files import write_npz
from harness.params import overlay
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.session import derive_seed
from reimpl.augment import Normalize
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet

STEPS, CLUSTERS, HEADS = 20, 10, 2
MEAN, STD = 0.3, 0.3
EXECUTION = "execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 1000}"
SETTINGS = f"""
dataset: {{source: digits, mean: [{MEAN}], std: [{STD}]}}
network: {{width: 8, blocks: [1, 1]}}
augmentation: {{none: {{}}, strong: {{flip: 0.5, operations: 2, cutout: 4}}}}
pretext:
  simclr:
    training:
      epochs: {STEPS}
      batch_size: 96
      optimizer: {{kind: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.0005, schedule: cosine}}
    augmentation: {{simclr: {{crop_scale: [0.5, 1], flip: 0.5, jitter: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.4,
                    hue: 0.1, gray: 0.2}}}}
    evaluate_every: 100
    temperature: 0.5
    dim: 16
scan:
  training: {{epochs: {STEPS}, batch_size: 96, optimizer: {{kind: adam, lr: 0.001, weight_decay: 0.0001}}}}
  augmentation: strong
  clusters: {CLUSTERS}
  num_neighbors: 5
  entropy_weight: 5.0
  heads: {HEADS}
selflabel:
  training: {{epochs: {STEPS}, batch_size: 96, optimizer: {{kind: adam, lr: 0.001, weight_decay: 0.0001}}}}
  augmentation: strong
  target_augmentation: none
  threshold: 0.12
"""


@dataclass(frozen=True)
class Scale:
    """Images uint8 [n, h, w, c], the first `train` of which are learned from, and a network for them: the rewrite's, and the
    authors' by a Reference."""

    name: str
    images: callable
    train: int
    ours: callable
    theirs: callable

    def arrays(self):
        """Training images, test images."""
        images = self.images()
        return images[: self.train], images[self.train :]


@dataclass(frozen=True)
class Training:
    """A stage that both are trained by. `theirs` goes from a Reference, this, and the rewrite's Ran to a mapping of arrays;
    `changes`: of SETTINGS."""

    stage: str
    dtype: torch.dtype
    theirs: callable
    scale: Scale
    changes: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"training-{self.scale.name}{self.stage}-{str(self.dtype).removeprefix('torch.')}"

    @property
    def settings(self):
        return overlay(yaml.safe_load(SETTINGS), self.changes)

    def optimizer(self, model):
        """The one of the stage's settings, over a model of the authors'."""
        stage = self.settings[self.stage]
        found = dict(stage.get("simclr", stage)["training"]["optimizer"])
        found.pop("schedule", None)
        return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[found.pop("kind")](
            (weights for weights in model.parameters() if weights.requires_grad), **found)


@dataclass(frozen=True)
class Ran:
    """What the rewrite's stage came to (as `found`, a mapping of arrays), what its augmentations made, and its learning rates."""

    found: dict
    made: list
    rates: list


class Recorded:
    """An augmentation that keeps what it made."""

    def __init__(self, augment):
        self.augment, self.made = augment, []

    def draw(self, *arguments):
        return self.augment.draw(*arguments)

    def apply(self, images, drawn):
        self.made.append(self.augment.apply(images, drawn).to(torch.get_default_dtype()))
        return self.made[-1]

    def __call__(self, images):
        return self.augment(images).to(torch.get_default_dtype())


@contextlib.contextmanager
def networks_of(dtype):
    """What networks are made in."""
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_num_threads(threads)


# --- What both start from

def digits():
    return np.rint(load_digits().images[:160] * (255 / 16)).astype(np.uint8)[..., None]


def photographs():
    """Patches of 32x32 of two photographs."""
    tiles = [photo[top : top + 32, left : left + 32] for photo in load_sample_images().images
             for top in range(0, 384, 96) for left in range(0, 608, 128)]
    return np.stack(tiles)


def small(reference):
    """Of the authors' blocks, in the size of the test."""
    from original_ref.adapters import backbone as build

    return {"backbone": build(8, (1, 1), 1), "dim": 16}


def shallow(reference):
    """A block of each of the first two stages of the authors' ResNet-50: through all of it, rounding grows too fast."""
    backbone = reference.resnet.resnet50()["backbone"]
    backbone.layer1, backbone.layer2 = backbone.layer1[:1], backbone.layer2[:1]
    backbone.layer3 = backbone.layer4 = torch.nn.Identity()
    return {"backbone": backbone, "dim": 512}


SMALL = Scale("", digits, 96, lambda: ResNet(1, 8, (1, 1)), small)
IMAGENET = Scale("imagenet-", photographs, 24, lambda: ResNet(3, 64, (1, 1), stem="imagenet", block="bottleneck"), shallow)


def started(model, scale):
    """The weights of a model that has seen images, without which a deep one gives numbers that no head can learn from."""
    images = torch.from_numpy(scale.arrays()[0]).permute(0, 3, 1, 2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # its averages are those of these images at once
    with torch.no_grad():
        model(Normalize((MEAN,), (STD,))(images).to(torch.get_default_dtype()))
    return model.state_dict()


def pretext_weights(scale):
    torch.manual_seed(2)
    return started(ContrastiveModel(scale.ours(), 16), scale)


def clustering_weights(scale):
    torch.manual_seed(1)
    return started(ClusteringModel(scale.ours(), CLUSTERS), scale)


def renamed(state, model):
    """Weights of the rewrite by the names of a model of the authors', whose ResNet-50 is torchvision's."""
    known = model.state_dict()
    model.load_state_dict({name if name in known else name.replace("shortcut", "downsample"): state[name] for name in state})
    return model


def neighbors(scale):
    """Of the training images, and of the test images."""
    train, test = map(len, scale.arrays())
    drawn = np.random.default_rng(0).integers(0, train, (train, 6))
    return {"train": drawn, "test": drawn[:test] % test}


# --- The rewrite

def run(training, folder):
    """Run the rewrite's stage in an empty folder. Returns: a Ran."""
    folder, scale, splits = Path(folder), training.scale, dict(zip(("train", "test"), training.scale.arrays()))
    (folder / "params").mkdir()
    (folder / "params.yaml").write_text(EXECUTION)
    (folder / "params/tiny.yaml").write_text(yaml.safe_dump(training.settings))
    data, upstream = folder / "data", folder / "in"
    data.mkdir()
    for split, images in splits.items():
        np.save(data / f"{split}_images.npy", images)
        np.save(data / f"{split}_labels.npy", np.arange(len(images)) % CLUSTERS)
    (data / "dataset.json").write_text(json.dumps({"name": "tiny", "source": "digits", "shape": splits["train"].shape[1:],
                                                   "classes": [str(i) for i in range(CLUSTERS)],
                                                   "images": {split: len(images) for split, images in splits.items()}}))
    module, recorded = importlib.import_module(f"reimpl.{training.stage}"), []
    make = module.make_augmentation

    def make_recorded(*arguments):
        recorded.append(Recorded(make(*arguments)))
        return recorded[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(module, "make_augmentation", make_recorded)
        patch.setattr(module, "Normalize", lambda mean, std: Recorded(Normalize(mean, std)))
        start = clustering_weights if training.stage == "selflabel" else pretext_weights
        weights.save(upstream / "model.pt", start(scale))
        write_npz(upstream / "neighbors.npz", **neighbors(scale))
        inputs = {"data": data, "pretext": upstream, "neighbors": upstream, "scan": upstream}
        variant = "simclr" if training.stage == "pretext" else ""
        cell = Cell("reimpl", training.stage, "tiny", 0, variant=variant)
        module.run(cell, in_force(cell), inputs, folder / "out")
    curves = json.loads((folder / "out/metrics.json").read_text())["curves"]
    found = {key: np.array([row[key] for row in curves]) for key in ("loss", "validation_loss", "head") if key in curves[0]}
    return Ran(found, [augmentation.made for augmentation in recorded], [row["lr"] for row in curves])


# --- The authors' code

def their_steps(train, model, criterion, optimizer, batches, rates, **options):
    """After each of the steps of the authors' training function, one batch an epoch: what the criterion gave."""
    given = []
    criterion.register_forward_hook(lambda module, inputs, output: given.append(output))
    for epoch, (batch, rate) in enumerate(zip(batches, rates)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        given.clear()
        train([batch], model, criterion, optimizer, epoch, **options)
        yield list(given)


def their_pretext(reference, training, ran):
    model = reference.models.ContrastiveModel(training.scale.theirs(reference), features_dim=16)
    torch.manual_seed(derive_seed("pretext", 0))
    renamed(ContrastiveModel(training.scale.ours(), 16).state_dict(), model)
    (views,) = ran.made
    batches = [dict(zip(("image", "image_augmented"), made.chunk(2)), target=torch.zeros(len(made) // 2)) for made in views]
    steps = their_steps(reference.train_utils.simclr_train, model, reference.losses.SimCLRLoss(0.5), training.optimizer(model),
                        batches, ran.rates)
    return {"loss": np.array([loss.item() for (loss,) in steps])}


def their_scan(reference, training, ran):
    settings, scale = training.settings["scan"], training.scale
    model = reference.models.ClusteringModel(scale.theirs(reference), CLUSTERS, settings["heads"])
    torch.manual_seed(derive_seed("scan", 0))
    start = ClusteringModel(scale.ours(), CLUSTERS, settings["heads"]).state_dict()
    start |= {name: value for name, value in pretext_weights(scale).items() if name.startswith("backbone.")}
    renamed(start, model)
    heads_only = settings.get("frozen_backbone", False)
    model.backbone.requires_grad_(not heads_only)  # as their get_optimizer does
    (pairs,) = ran.made
    batches = [dict(zip(("anchor", "neighbor"), made.chunk(2))) for made in pairs]
    test_images = torch.from_numpy(scale.arrays()[1]).permute(0, 3, 1, 2)
    test_images = Normalize((MEAN,), (STD,))(test_images).to(training.dtype)
    losses, selected, best = [], [], []
    for heads in their_steps(reference.train_utils.scan_train, model, reference.losses.SCANLoss(5.0), training.optimizer(model),
                             batches, ran.rates, update_cluster_head_only=heads_only):
        losses.append(sum(total.item() for total, _, _ in heads))
        model.eval()
        with torch.no_grad():
            predictions = [{"probabilities": logits.softmax(1), "neighbors": torch.from_numpy(neighbors(scale)["test"])}
                           for logits in model(test_images)]
        found = reference.evaluate_utils.scan_evaluate(predictions)
        selected.append(float(found["lowest_loss"]))
        best.append(found["lowest_loss_head"])
    return {"loss": np.array(losses), "validation_loss": np.array(selected), "head": np.array(best)}


def their_selflabel(reference, training, ran):
    settings = training.settings["selflabel"]
    model = renamed(clustering_weights(training.scale),
                    reference.models.ClusteringModel(training.scale.theirs(reference), CLUSTERS, 1))
    criterion = reference.losses.ConfidenceBasedCE(settings["threshold"], settings.get("class_balancing", True))
    averages = reference.ema.EMA(model, alpha=settings["ema"]) if settings.get("ema") else None
    strong, plain = ran.made
    batches = [{"image": target, "image_augmented": image} for target, image in zip(plain, strong)]
    steps = their_steps(reference.train_utils.selflabel_train, model, criterion, training.optimizer(model), batches, ran.rates,
                        ema=averages)
    return {"loss": np.array([loss.item() for (loss,) in steps])}


def as_on_imagenet(stage, lr, **changes):
    """The settings of a stage, with what the authors' configs for ImageNet switch (configs/scan, configs/selflabel)."""
    optimizer = {"kind": "sgd", "lr": lr, "momentum": 0.9, "weight_decay": 0.0}
    return {"dataset": {"mean": 3 * [MEAN], "std": 3 * [STD]},
            "network": {"width": 64, "blocks": [1, 1], "stem": "imagenet", "block": "bottleneck"},
            stage: {"training": {"batch_size": IMAGENET.train, "optimizer": optimizer}, **changes}}


TRAININGS = [
    Training("pretext", torch.float32, their_pretext, SMALL, {"pretext": {"simclr": {"training": {"optimizer": {"lr": 0.02}}}}}),
    Training("pretext", torch.float64, their_pretext, SMALL),
    Training("scan", torch.float32, their_scan, SMALL), Training("scan", torch.float64, their_scan, SMALL),
    Training("selflabel", torch.float32, their_selflabel, SMALL),  # theirs knows float32 alone
    Training("scan", torch.float32, their_scan, IMAGENET, as_on_imagenet("scan", 0.0003, heads=10, frozen_backbone=True)),
    Training("selflabel", torch.float32, their_selflabel, IMAGENET,  # the threshold: that no rounding lifts an image over it
             as_on_imagenet("selflabel", 0.003, threshold=0.1, class_balancing=False, ema=0.9)),
]
