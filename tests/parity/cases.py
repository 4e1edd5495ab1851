"""What is compared: for each case its inputs from a seed, the authors' result, and the rewrite's.

`theirs(reference, *inputs)` and `ours(*inputs)` return a mapping of arrays, which agree within `tolerance` (relative and
absolute; 0 means byte for byte).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from sklearn.datasets import load_digits, load_sample_images

from harness.metrics import score
from harness.settings import Optimizer, Scan, Training
from reimpl.augment import Normalize, color, geometry, strong
from reimpl.losses import scan_loss, self_label_loss
from reimpl.mining import mine, neighbor_accuracy
from reimpl.networks import ClusteringModel, ContrastiveModel, ResNet
from reimpl.scan import validation_loss
from reimpl.tasks.scan import candidates
from reimpl.tasks.simclr import nt_xent
from reimpl.train.trainer import learning_rate


@dataclass(frozen=True)
class Case:
    name: str
    inputs: Callable
    """From a NumPy generator to a tuple."""
    theirs: Callable
    ours: Callable
    tolerance: float = 1e-5


def normal(rng, *shape, scale=1.0):
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32)) * scale


def unit(rng, *shape):
    return torch.nn.functional.normalize(normal(rng, *shape), dim=-1)


def with_gradient(loss, *leaves):
    """A loss, and its gradient with respect to each leaf."""
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    return {"loss": loss.detach().numpy(), **{f"gradient{i}": g.numpy() for i, g in enumerate(gradients) if g is not None}}


# --- Losses

def nt_xent_case(batch, temperature):
    def theirs(reference, views):
        features = views.transpose(0, 1).contiguous().requires_grad_()
        result = with_gradient(reference.losses.SimCLRLoss(temperature)(features), features)
        return {**result, "gradient0": result["gradient0"].swapaxes(0, 1)}

    def ours(views):
        leaf = views.clone().requires_grad_()
        return with_gradient(nt_xent(leaf, temperature), leaf)

    return Case(f"nt_xent-{batch}-{temperature}", lambda rng: (unit(rng, 2, batch, 16),), theirs, ours)


def scan_case(name, inputs):
    def theirs(reference, anchors, neighbors):
        leaves = anchors.clone().requires_grad_(), neighbors.clone().requires_grad_()
        total, consistency, entropy = reference.losses.SCANLoss(entropy_weight=5.0)(*leaves)
        return {**with_gradient(total, *leaves), "consistency": consistency.detach().numpy(), "entropy": entropy.detach().numpy()}

    def ours(anchors, neighbors):
        leaves = anchors.clone().requires_grad_(), neighbors.clone().requires_grad_()
        consistency, entropy = scan_loss(*leaves)
        return {**with_gradient(consistency - 5.0 * entropy, *leaves),
                "consistency": consistency.detach().numpy(), "entropy": entropy.detach().numpy()}

    return Case(f"scan_loss-{name}", inputs, theirs, ours)


def collapsed(rng):
    """All anchors in one cluster, all neighbors in another: the logarithm of 0, which counts as -100."""
    anchors, neighbors = torch.zeros(8, 5), torch.zeros(8, 5)
    anchors[:, 0], neighbors[:, 1] = 200.0, 200.0
    return anchors, neighbors


def tied(rng):
    """Of two clusters, every other image has a probability of one half exactly."""
    targets = normal(rng, 16, 2)
    targets[::2] = 0
    return targets, normal(rng, 16, 2)


def self_label_case(threshold, balanced, scale, inputs=None):
    def theirs(reference, targets, predictions):
        leaf = predictions.clone().requires_grad_()
        return with_gradient(reference.losses.ConfidenceBasedCE(threshold, balanced)(targets, leaf), leaf)

    def ours(targets, predictions):
        leaf = predictions.clone().requires_grad_()
        return with_gradient(self_label_loss(targets, leaf, threshold, balanced)[0], leaf)

    return Case(f"self_label-{threshold}-{'balanced' if balanced else 'plain'}-{scale}",
                inputs or (lambda rng: (normal(rng, 64, 10, scale=scale), normal(rng, 64, 10))), theirs, ours)


# --- Learning rate

def schedule_case(kind):
    training = Training(epochs=30, batch_size=8, optimizer=Optimizer("sgd", lr=0.4, weight_decay=0, schedule=kind))

    def theirs(reference):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        p = {"optimizer_kwargs": {"lr": 0.4}, "scheduler": kind, "scheduler_kwargs": {"lr_decay_rate": 0.1}, "epochs": 30}
        rates = [reference.common_config.adjust_learning_rate(p, optimizer, epoch) for epoch in range(30)]
        return {"rates": np.array(rates)}

    return Case(f"schedule-{kind}", lambda rng: (), theirs,
                lambda: {"rates": np.array([learning_rate(training, epoch) for epoch in range(30)])}, 1e-12)


# --- Networks: from the same weights, the same outputs

def network_case(kind, training):
    """In float64, so that no processor's rounding shows."""
    def ours_of(backbone):
        return ContrastiveModel(backbone, 6) if kind == "contrastive" else ClusteringModel(backbone, 5, 2)

    def theirs_of(reference, backbone):
        return (reference.models.ContrastiveModel(backbone, features_dim=6) if kind == "contrastive"
                else reference.models.ClusteringModel(backbone, 5, 2))

    def inputs(rng):
        state = ours_of(ResNet(1, 4, (1, 2, 1))).state_dict()
        for name, value in state.items():
            if value.is_floating_point():  # what counts batches stays 0
                drawn = torch.from_numpy(rng.normal(size=value.shape))
                state[name] = drawn.abs() + 0.1 if name.endswith("running_var") else drawn
        return state, normal(rng, 6, 1, 8, 8)

    def outputs(model, state, images):
        model.double().load_state_dict(state)
        with torch.no_grad():
            found = model.train(training)(images.double())
        return {"outputs": (torch.stack(found) if isinstance(found, list) else found).numpy(),
                "moved": model.state_dict()["backbone.bn1.running_mean"].numpy()}

    def theirs(reference, state, images):
        from original_ref.adapters import backbone

        return outputs(theirs_of(reference, {"backbone": backbone(4, (1, 2, 1), 1), "dim": 16}), state, images)

    return Case(f"network-{kind}-{'training' if training else 'evaluation'}", inputs, theirs,
                lambda state, images: outputs(ours_of(ResNet(1, 4, (1, 2, 1))), state, images), 1e-9)


# --- Augmentations: for the same images and magnitudes, the same bytes

def pictures(gray):
    """Four real images at 16x16: digits, or patches of photographs. uint8 [4, c, 16, 16]."""
    if gray:
        images = [PIL.Image.fromarray((image * 15.9).astype(np.uint8)).resize((16, 16)) for image in load_digits().images[:4]]
        return torch.from_numpy(np.stack([np.asarray(image) for image in images])).unsqueeze(1)
    photos = [photo[y : y + 64 : 4, 200:264:4] for photo in load_sample_images().images for y in (100, 250)]
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).contiguous()


TONES = {"AutoContrast": 0, "Equalize": 1, "Solarize": 2, "Color": 3, "Contrast": 4, "Brightness": 5, "Sharpness": 6,
         "Posterize": 7}
WARPS = {"Rotate": 0, "ShearX": 1, "ShearY": 2, "TranslateX": 3, "TranslateY": 4}


def changed(operation, images, *parameters):
    """What the rewrite's operation, which works in place on float32, makes of uint8 images."""
    images = images.to(torch.float32)
    operation(images, *parameters)
    return {"images": images.numpy()}


def operation_case(name, gray):
    def inputs(rng):
        return pictures(gray), torch.from_numpy(rng.random(4))

    def theirs(reference, images, level):
        function, low, high = reference.augment.augment_dict[name]
        reference.augment.random_mirror = False  # the sign is drawn on top; parity is for a given magnitude
        results = []
        for image, share in zip(images, level.tolist()):
            array = image.permute(1, 2, 0).numpy()
            pil = PIL.Image.fromarray(array[..., 0] if gray else array)
            results.append(np.atleast_3d(np.asarray(function(pil, share * float(high - low) + low))).transpose(2, 0, 1))
        reference.augment.random_mirror = True
        return {"images": np.stack(results)}

    def ours(images, level):
        if name == "Identity":
            return {"images": images.numpy()}
        table, index = (strong.TONES, TONES[name]) if name in TONES else (strong.WARPS, WARPS[name])
        operation, low, high = table[index]
        magnitude = low + level * (high - low)
        if name in TONES:
            return changed(operation, images, magnitude)
        return {"images": geometry.warp(images, operation(magnitude, 16, 16)).numpy()}

    return Case(f"operation-{name}-{'gray' if gray else 'rgb'}", inputs, theirs, ours, 0)


def jitter_case(name, low, high):
    """SimCLR's colour operations, which the authors take from torchvision."""
    def theirs(reference, images, factors):
        function = getattr(reference.common_config.transforms.functional, f"adjust_{name}")
        pils = [PIL.Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        results = [np.asarray(function(pil, factor)).transpose(2, 0, 1) for pil, factor in zip(pils, factors.tolist())]
        return {"images": np.stack(results)}

    return Case(f"jitter-{name}", lambda rng: (pictures(False), torch.from_numpy(rng.uniform(low, high, 4))), theirs,
                lambda images, factors: changed(getattr(color, f"{name}_"), images, factors), 0)


def by_torchvision(function, image, *values):
    """`function` of torchvision, which the authors' code draws on, applied to uint8 [c, h, w] as a PIL image."""
    return np.asarray(function(PIL.Image.fromarray(image.permute(1, 2, 0).numpy()), *values)).transpose(2, 0, 1)


def crop_case():
    def inputs(rng):
        sizes = rng.integers(4, 17, (2, 4))
        return pictures(False), *(torch.from_numpy(values) for values in (*rng.integers(0, 17 - sizes), *sizes))

    def theirs(reference, images, *boxes):
        crop = reference.common_config.transforms.functional.resized_crop
        return {"images": np.stack([by_torchvision(lambda pil, *box: crop(pil, *box, (16, 16)), image, *map(int, box))
                                    for image, *box in zip(images, *boxes)])}

    def ours(images, *boxes):
        return {"images": geometry.crop_and_resize(images, torch.stack(boxes, 1), torch.zeros(len(images)) > 0).numpy()}

    return Case("crop", inputs, theirs, ours, 0)


def plain_case(name, theirs_of, ours):
    """Of what has no parameter."""
    def theirs(reference, images):
        function = theirs_of(reference.common_config.transforms.functional)
        return {"images": np.stack([by_torchvision(function, image) for image in images])}

    return Case(name, lambda rng: (pictures(False),), theirs, ours, 0)


def mirrored(images):
    return {"images": geometry.flip(images, torch.ones(len(images)) > 0).numpy()}


def normalize_case():
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)

    def theirs(reference, images):
        transform = reference.common_config.get_val_transformations(
            {"transformation_kwargs": {"crop_size": 16, "normalize": {"mean": mean, "std": std}}})
        return {"images": np.stack([transform(PIL.Image.fromarray(image.permute(1, 2, 0).numpy())) for image in images])}

    return Case("normalize", lambda rng: (pictures(False),), theirs,
                lambda images: {"images": Normalize(mean, std)(images).numpy()}, 1e-6)


def cutout_case():
    """The same lengths and centres: their draws are handed over one by one."""
    def inputs(rng):
        return (torch.Generator().manual_seed(int(rng.integers(2**31))),)

    def theirs(reference, generator):
        generator = generator.clone_state()
        longest, count, side = 16, 32, 32
        lengths, ys, xs = (torch.randint(low, high, (count, 1, 1, 1), generator=generator).flatten().tolist()
                           for low, high in ((1, longest + 1), (0, side), (0, side)))
        cut = reference.augment.Cutout(n_holes=1, length=longest, random=True)
        theirs_random, theirs_numpy = reference.augment.random, reference.augment.np
        masks = []
        for length, y, x in zip(lengths, ys, xs):
            places = iter((y, x))
            reference.augment.random = Fixed(randint=lambda low, high, length=length: length)
            reference.augment.np = Fixed(theirs_numpy, random=Fixed(randint=lambda high, places=places: next(places)))
            masks.append(cut(torch.ones(1, side, side)).numpy())
        reference.augment.random, reference.augment.np = theirs_random, theirs_numpy
        return {"masks": np.stack(masks)}

    return Case("cutout", inputs, theirs,
                lambda generator: {"masks": strong.outside(strong.draw_hole(32, 32, 32, 16, generator.clone_state()), 32, 32)
                                   .numpy()}, 0)


class Fixed:
    """A stand-in for a module, with some of its names replaced."""

    def __init__(self, module=None, **names):
        self.__dict__.update(vars(module) if module else {}, **names)


# --- Neighbors, scores, selection

class Images(list):
    """A data set, as far as the authors' NeighborsDataset looks at it."""

    transform = None


def mining_case():
    def inputs(rng):
        return unit(rng, 200, 16).numpy(), rng.integers(0, 5, 200)

    def theirs(reference, features, labels):
        bank = reference.memory.MemoryBank(200, 16, 5, 0.1)
        bank.update(torch.from_numpy(features), torch.from_numpy(labels))
        indices, accuracy = bank.mine_nearest_neighbors(7)
        return {"neighbors": indices, "accuracy": np.array(accuracy)}

    def ours(features, labels):
        neighbors, _, _ = mine(torch.from_numpy(features), 7)
        return {"neighbors": neighbors, "accuracy": np.array(neighbor_accuracy(neighbors, labels))}

    return Case("mining", inputs, theirs, ours, 1e-12)


def candidates_case(count):
    """Whom a neighbor is drawn from, of seven that are mined."""
    settings = Scan(Training(1, 2, Optimizer("adam", 1e-4, 0.0)), 5, "strong", count, 5.0, 1)

    def theirs(reference, mined):
        images = Images(mined.tolist())
        return {"neighbors": reference.custom_dataset.NeighborsDataset(images, mined.numpy(), count).indices}

    return Case(f"candidates-{count}", lambda rng: (torch.from_numpy(rng.integers(0, 30, (30, 8))),), theirs,
                lambda mined: {"neighbors": candidates(mined, settings).numpy()}, 0)


def metrics_case(name, predictions, clusters=6, classes=range(6)):
    """Theirs is ACC, too, where each cluster has a class. Of equally good matchings either is right, so none is compared."""
    plain = clusters <= len(classes) == 6

    def inputs(rng):
        labels = np.concatenate([classes, rng.choice(classes, 200 - len(classes))])
        return labels, predictions(rng, labels)

    def theirs(reference, labels, predicted):
        one = {"targets": torch.from_numpy(labels), "predictions": torch.from_numpy(predicted),
               "probabilities": torch.eye(clusters)[predicted]}
        found = reference.evaluate_utils.hungarian_evaluate(0, [one], compute_confusion_matrix=False)
        return {"scores": np.array([found["ACC"], found["NMI"], found["ARI"]] + [found["ACC"]] * plain)}

    def ours(labels, predicted):
        scores = score(labels, predicted, 6, clusters)
        return {"scores": np.array([scores.acc_reference, scores.nmi, scores.ari] + [scores.acc] * plain)}

    return Case(f"metrics-{name}", inputs, theirs, ours, 1e-12)


def selection_case(heads):
    def inputs(rng):
        probabilities = torch.stack([normal(rng, 40, 5, scale=3.0).softmax(1) for _ in range(heads)])
        return probabilities, torch.from_numpy(rng.integers(0, 40, (40, 6)))

    def theirs(reference, probabilities, neighbors):
        found = reference.evaluate_utils.scan_evaluate([{"probabilities": p, "neighbors": neighbors} for p in probabilities])
        return {"loss": np.array(found["lowest_loss"]), "head": np.array(found["lowest_loss_head"])}

    def ours(probabilities, neighbors):
        losses = [validation_loss(head, neighbors, 1.0) for head in probabilities]
        return {"loss": np.array(min(losses)), "head": np.array(losses.index(min(losses)))}

    return Case(f"selection-{heads}", inputs, theirs, ours)


def random_clusters(clusters):
    """Mostly one cluster for each class, the last ones first, so that some of the first ones stay without."""
    def draw(rng, labels):
        own, any_one = (clusters - 1 - labels) % clusters, rng.integers(clusters, size=len(labels))
        return np.where(rng.random(len(labels)) < 0.6, own, any_one)

    return draw


CASES = [
    *(nt_xent_case(batch, temperature) for batch in (2, 3, 64) for temperature in (0.1, 1.0)),
    scan_case("random", lambda rng: (normal(rng, 32, 10), normal(rng, 32, 10))),
    scan_case("confident", lambda rng: (normal(rng, 32, 10, scale=20.0), normal(rng, 32, 10, scale=20.0))),
    scan_case("two-images", lambda rng: (normal(rng, 2, 3), normal(rng, 2, 3))),
    scan_case("collapsed", collapsed),
    *(self_label_case(threshold, balanced, scale)
      for threshold, scale in ((0.5, 1.0), (0.99, 6.0), (0.0, 1.0)) for balanced in (True, False)),
    self_label_case(0.5, True, "tied", tied), self_label_case(0.5, False, "tied", tied),
    schedule_case("cosine"), schedule_case("constant"),
    *(network_case(kind, training) for kind in ("contrastive", "clustering") for training in (False, True)),
    *(operation_case(name, gray) for name in ("Identity", *TONES, *WARPS) for gray in (False, True)),
    *(jitter_case(name, low, high) for name, low, high in (
        ("brightness", 0.6, 1.4), ("contrast", 0.6, 1.4), ("saturation", 0.6, 1.4), ("hue", -0.1, 0.1))),
    crop_case(),
    plain_case("flip", lambda functional: functional.hflip, mirrored),
    plain_case("gray", lambda functional: lambda pil: functional.to_grayscale(pil, 3),
               lambda images: changed(color.grayscale_, images)),
    normalize_case(),
    cutout_case(),
    mining_case(), candidates_case(5), candidates_case(0),
    *(metrics_case(f"of-{clusters}-clusters", random_clusters(clusters), clusters) for clusters in (2, 4, 6, 7, 12)),
    metrics_case("without-a-class", random_clusters(8), 8, classes=(0, 1, 3, 5)),
    metrics_case("without-class-0", random_clusters(6), classes=(1, 2, 3, 4, 5)),
    metrics_case("renamed", lambda rng, labels: (labels + 2) % 6),
    metrics_case("one-cluster", lambda rng, labels: np.full(len(labels), 3)),
    metrics_case("empty-clusters", lambda rng, labels: labels // 2),
    selection_case(1), selection_case(4),
]
