"""This project's settings as the configuration files that the authors' scripts read (configs/*/*_cifar10.yml there)."""

from harness.errors import UserError
from harness.settings import Network
from harness.sources import UNLABELED

DATABASES = {"cifar-10": Network(64, (2, 2, 2, 2)), "stl-10": Network(64, (2, 2, 2, 2), pool=True)}
"""The data sets of theirs that this project's images are put in place of, and the network that each has there."""
STL10_SIZE = 96  # the one that their network for it can be run at
STRATEGIES = {"standard": "standard", "simclr": "simclr", "strong": "ours"}
DECAY = 0.1  # its cube is the share of the learning rate that the cosine schedule ends at


def database(images):
    """Which of theirs takes the images of a data set, counted by split: only STL-10 has some without labels."""
    return "stl-10" if UNLABELED in images else "cifar-10"


def common(dataset, size, training, workers):
    """What all three scripts read. Args: size: the images' side, in pixels; workers: processes that load images."""
    optimizer = training.optimizer
    need(training.drop_last, "training.drop_last", training.drop_last, "true")
    need(optimizer.kind != "lars", "training.optimizer.kind", optimizer.kind, "sgd and adam")
    need(optimizer.decay_norms, "training.optimizer.decay_norms", optimizer.decay_norms, "true")
    need(optimizer.warm_up == 0, "training.optimizer.warm_up", optimizer.warm_up, "0")
    kwargs = {"lr": optimizer.lr, "weight_decay": optimizer.weight_decay}
    if optimizer.kind == "sgd":
        kwargs |= {"momentum": optimizer.momentum, "nesterov": False}
    return {
        "backbone": "resnet18", "epochs": training.epochs, "batch_size": training.batch_size, "num_workers": workers,
        "optimizer": optimizer.kind, "optimizer_kwargs": kwargs,
        "scheduler": optimizer.schedule, "scheduler_kwargs": {"lr_decay_rate": DECAY},
        "transformation_kwargs": {"crop_size": size, "normalize": normalization(dataset)},
    }


def normalization(dataset):
    return {"mean": list(dataset.mean), "std": list(dataset.std)}


def augmentation(kind, settings, dataset, size):
    """The strategy that the authors' get_train_transformations makes of an augmentation's settings."""
    if kind not in STRATEGIES:
        raise UserError(f"the authors' code has no augmentation '{kind}'; it has {', '.join(STRATEGIES)}")
    kwargs = {"normalize": normalization(dataset)}
    if kind in ("standard", "simclr"):
        kwargs["random_resized_crop"] = {"size": size, "scale": list(settings.crop_scale)}
    if kind == "simclr":
        kwargs |= {
            "color_jitter_random_apply": {"p": settings.jitter},
            "color_jitter": {key: getattr(settings, key) for key in ("brightness", "contrast", "saturation", "hue")},
            "random_grayscale": {"p": settings.gray},
        }
    if kind == "strong":
        need(settings.cutout >= 1, "augmentation.strong.cutout", settings.cutout, "at least 1")
        kwargs |= {
            "crop_size": size, "num_strong_augs": settings.operations,
            "cutout_kwargs": {"n_holes": 1, "length": settings.cutout, "random": True},
        }
    return {"augmentation_strategy": STRATEGIES[kind], "augmentation_kwargs": kwargs}


def simclr(pretext, classes):
    need(not pretext.symmetric, "pretext.simclr.symmetric", pretext.symmetric, "false")
    return {
        "setup": "simclr", "criterion": "simclr", "criterion_kwargs": {"temperature": pretext.temperature},
        "model_kwargs": {"head": "mlp", "features_dim": pretext.dim}, "num_classes": classes,
    }


def scan(settings):
    need(settings.selection_entropy_weight == 1, "scan.selection_entropy_weight", settings.selection_entropy_weight, "1")
    need(settings.draw_itself, "scan.draw_itself", settings.draw_itself, "true")
    need(settings.neighbor_augmentation in ("", settings.augmentation), "scan.neighbor_augmentation",
         settings.neighbor_augmentation, f"{settings.augmentation}, that of the image")
    need(settings.entropy_over == "anchors", "scan.entropy_over", settings.entropy_over, "anchors")
    need(not settings.joint_batch, "scan.joint_batch", settings.joint_batch, "false")
    need(settings.selection == "validation", "scan.selection", settings.selection, "validation")
    return {
        "setup": "scan", "criterion": "scan", "criterion_kwargs": {"entropy_weight": settings.entropy_weight},
        "update_cluster_head_only": settings.frozen_backbone, "num_heads": settings.heads, "num_classes": settings.sought,
        "num_neighbors": settings.num_neighbors,
    }


def selflabel(settings, clusters):
    need(settings.target_augmentation == "none", "selflabel.target_augmentation", settings.target_augmentation, "none")
    need(settings.targets_in_training_mode, "selflabel.targets_in_training_mode", settings.targets_in_training_mode, "true")
    need(not settings.ema or settings.ema_replaces_weights, "selflabel.ema_replaces_weights", settings.ema_replaces_weights,
         "true")
    return {
        "setup": "selflabel", "criterion": "confidence-cross-entropy",
        "criterion_kwargs": {"apply_class_balancing": settings.class_balancing},
        "confidence_threshold": settings.threshold, "use_ema": bool(settings.ema), "ema_alpha": settings.ema, "num_heads": 1,
        "num_classes": clusters,
    }


def check_network(network):
    """Raise UserError for a network that is built of no blocks that are taken from their code here."""
    need(network.stem == "cifar", "network.stem", network.stem, "cifar, here")
    need(network.block == "basic", "network.block", network.block, "basic, here")


def check(stage, settings):
    """Raise UserError for a setting of SCAN or self-labeling that the authors' code does not have. Args: settings: by section."""
    own = settings[stage]
    check_network(settings["network"])
    common(settings["dataset"], 0, own.training, 0)
    augmentation(own.augmentation, settings["augmentation"], settings["dataset"], 0)
    scan(own) if stage == "scan" else selflabel(own, clusters=0)


def need(condition, key, value, right):
    if not condition:
        raise UserError(f"{key} is {value}, and the authors' code knows only {right}")
