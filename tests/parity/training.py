"""Twenty steps of each training stage: from the same weights, batches and augmented images, the same losses.

The rewrite's stages run as they are, one step an epoch; what they drew and augmented is handed to the authors' training
functions. In float64 the losses are the same to nine digits. In float32 they are within 1e-3, SimCLR at a lower learning rate:
from random weights, where all embeddings are alike, it blows differences of rounding up by half at each step.
"""

import contextlib
import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from harness import weights
from harness.files import write_npz
from harness.pipeline.resolve import in_force
from harness.record import Cell
from harness.session import derive_seed
from reimpl.augment import Normalize
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet

STEPS, IMAGES, TEST_IMAGES, SIDE = 20, 96, 64, 8
WIDTH, BLOCKS, CLUSTERS, HEADS = 8, (1, 1), 10, 2
MEAN, STD = (0.3,), (0.3,)
SIMCLR_RATES = {torch.float32: 0.02, torch.float64: 0.1}
EXECUTION = "execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 1000}"
SETTINGS = f"""
dataset: {{source: digits, mean: {list(MEAN)}, std: {list(STD)}}}
network: {{width: {WIDTH}, blocks: {list(BLOCKS)}}}
augmentation: {{none: {{}}, strong: {{flip: 0.5, operations: 2, cutout: 4}}}}
pretext:
  simclr:
    training:
      epochs: {STEPS}
      batch_size: {IMAGES}
      optimizer: {{kind: sgd, lr: SIMCLR_RATE, momentum: 0.9, weight_decay: 0.0005, schedule: cosine}}
    augmentation: {{simclr: {{crop_scale: [0.5, 1], flip: 0.5, jitter: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.4,
                    hue: 0.1, gray: 0.2}}}}
    evaluate_every: 100
    temperature: 0.5
    dim: 16
scan:
  training: {{epochs: {STEPS}, batch_size: {IMAGES}, optimizer: {{kind: adam, lr: 0.001, weight_decay: 0.0001}}}}
  augmentation: strong
  clusters: {CLUSTERS}
  num_neighbors: 5
  entropy_weight: 5.0
  heads: {HEADS}
selflabel:
  training: {{epochs: {STEPS}, batch_size: {IMAGES}, optimizer: {{kind: adam, lr: 0.001, weight_decay: 0.0001}}}}
  augmentation: strong
  target_augmentation: none
  threshold: 0.12
"""


@dataclass(frozen=True)
class Training:
    """A stage that both are trained by. `theirs` goes from a Reference and the rewrite's Ran to a mapping of arrays."""

    stage: str
    dtype: torch.dtype
    theirs: callable

    @property
    def name(self):
        return f"training-{self.stage}-{str(self.dtype).removeprefix('torch.')}"


@dataclass(frozen=True)
class Ran:
    """What the rewrite's stage came to (as `found`, a mapping of arrays), what its augmentations made, and its learning rates."""

    found: dict
    made: list
    rates: list
    dtype: torch.dtype


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
    """uint8 [n, 8, 8, 1]: training images, then test images."""
    return np.rint(load_digits().images[: IMAGES + TEST_IMAGES] * (255 / 16)).astype(np.uint8)[..., None]


def backbone():
    return ResNet(1, WIDTH, BLOCKS)


def pretext_weights():
    torch.manual_seed(2)
    return ContrastiveModel(backbone(), 16).state_dict()


def clustering_weights():
    torch.manual_seed(1)
    return ClusteringModel(backbone(), CLUSTERS).state_dict()


def neighbors():
    """Of the training images, and of the test images."""
    drawn = np.random.default_rng(0).integers(0, IMAGES, (IMAGES, 6))
    return {"train": drawn, "test": drawn[:TEST_IMAGES] % TEST_IMAGES}


# --- The rewrite

def run(training, folder):
    """Run the rewrite's stage in an empty folder. Returns: a Ran."""
    folder, images = Path(folder), digits()
    (folder / "params").mkdir()
    (folder / "params.yaml").write_text(EXECUTION)
    (folder / "params/tiny.yaml").write_text(SETTINGS.replace("SIMCLR_RATE", str(SIMCLR_RATES[training.dtype])))
    data, upstream = folder / "data", folder / "in"
    data.mkdir()
    for split, rows in {"train": slice(0, IMAGES), "test": slice(IMAGES, None)}.items():
        np.save(data / f"{split}_images.npy", images[rows])
        np.save(data / f"{split}_labels.npy", np.arange(len(images[rows])) % CLUSTERS)
    (data / "dataset.json").write_text(json.dumps({"name": "tiny", "source": "digits", "shape": [SIDE, SIDE, 1],
                                                   "classes": [str(i) for i in range(10)],
                                                   "images": {"train": IMAGES, "test": len(images) - IMAGES}}))
    module, recorded = importlib.import_module(f"reimpl.{training.stage}"), []
    make = module.make_augmentation

    def make_recorded(*arguments):
        recorded.append(Recorded(make(*arguments)))
        return recorded[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(module, "make_augmentation", make_recorded)
        patch.setattr(module, "Normalize", lambda mean, std: Recorded(Normalize(mean, std)))
        weights.save(upstream / "model.pt", clustering_weights() if training.stage == "selflabel" else pretext_weights())
        write_npz(upstream / "neighbors.npz", **neighbors())
        inputs = {"data": data, "pretext": upstream, "neighbors": upstream, "scan": upstream}
        variant = "simclr" if training.stage == "pretext" else ""
        cell = Cell("reimpl", training.stage, "tiny", 0, variant=variant)
        module.run(cell, in_force(cell), inputs, folder / "out")
    curves = json.loads((folder / "out/metrics.json").read_text())["curves"]
    found = {key: np.array([row[key] for row in curves]) for key in ("loss", "validation_loss") if key in curves[0]}
    return Ran(found, [augmentation.made for augmentation in recorded], [row["lr"] for row in curves], training.dtype)


# --- The authors' code

def their_steps(train, model, criterion, optimizer, batches, rates):
    """After each of the steps of the authors' training function, one batch an epoch: what the criterion gave."""
    given = []
    criterion.register_forward_hook(lambda module, inputs, output: given.append(output))
    for epoch, (batch, rate) in enumerate(zip(batches, rates)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        given.clear()
        train([batch], model, criterion, optimizer, epoch)
        yield list(given)


def their_backbone():
    """Of the authors' blocks, in the size of the test."""
    from original_ref.adapters import backbone as build

    return {"backbone": build(WIDTH, BLOCKS, 1), "dim": WIDTH * 2}


def their_pretext(reference, ran):
    model = reference.models.ContrastiveModel(their_backbone(), features_dim=16)
    torch.manual_seed(derive_seed("pretext", 0))
    model.load_state_dict(ContrastiveModel(backbone(), 16).state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=SIMCLR_RATES[ran.dtype], momentum=0.9, weight_decay=0.0005)
    (views,) = ran.made
    batches = [dict(zip(("image", "image_augmented"), made.chunk(2)), target=torch.zeros(IMAGES)) for made in views]
    steps = their_steps(reference.train_utils.simclr_train, model, reference.losses.SimCLRLoss(0.5), optimizer, batches,
                        ran.rates)
    return {"loss": np.array([loss.item() for (loss,) in steps])}


def their_scan(reference, ran):
    model = reference.models.ClusteringModel(their_backbone(), CLUSTERS, HEADS)
    torch.manual_seed(derive_seed("scan", 0))
    start = ClusteringModel(backbone(), CLUSTERS, HEADS).state_dict()
    start |= {name: value for name, value in pretext_weights().items() if name.startswith("backbone.")}
    model.load_state_dict(start)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=0.0001)
    (pairs,) = ran.made
    batches = [dict(zip(("anchor", "neighbor"), made.chunk(2))) for made in pairs]
    test_images = torch.from_numpy(digits()[IMAGES:]).permute(0, 3, 1, 2)
    test_images = Normalize(MEAN, STD)(test_images).to(ran.dtype)
    losses, selected = [], []
    for heads in their_steps(reference.train_utils.scan_train, model, reference.losses.SCANLoss(5.0), optimizer, batches,
                             ran.rates):
        losses.append(sum(total.item() for total, _, _ in heads))
        model.eval()
        with torch.no_grad():
            predictions = [{"probabilities": logits.softmax(1), "neighbors": torch.from_numpy(neighbors()["test"])}
                           for logits in model(test_images)]
        selected.append(float(reference.evaluate_utils.scan_evaluate(predictions)["lowest_loss"]))
    return {"loss": np.array(losses), "validation_loss": np.array(selected)}


def their_selflabel(reference, ran):
    model = reference.models.ClusteringModel(their_backbone(), CLUSTERS, 1)
    model.load_state_dict(clustering_weights())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=0.0001)
    strong, plain = ran.made
    batches = [{"image": target, "image_augmented": image} for target, image in zip(plain, strong)]
    steps = their_steps(reference.train_utils.selflabel_train, model, reference.losses.ConfidenceBasedCE(0.12, True), optimizer,
                        batches, ran.rates)
    return {"loss": np.array([loss.item() for (loss,) in steps])}


TRAININGS = [
    Training("pretext", torch.float32, their_pretext), Training("pretext", torch.float64, their_pretext),
    Training("scan", torch.float32, their_scan), Training("scan", torch.float64, their_scan),
    Training("selflabel", torch.float32, their_selflabel),  # theirs knows float32 alone
]
