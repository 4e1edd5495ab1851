"""Augmentations: whole batches at once, with a draw per image, equal to the PIL pipelines of the reference.

An augmentation is a class with its settings as a dataclass, called as

    augmentation(images, generator) -> float32 [b, c, h, w], normalised

on uint8 images [b, c, h, w] of any device. Every draw comes from `generator`, on the CPU, so that a seed means the same
thing on every device. A new augmentation is a file here and a line in KINDS.
"""

from harness.errors import UserError
from reimpl.augment.normalize import Normalize
from reimpl.augment.simclr import SimCLR
from reimpl.augment.standard import Nothing, Standard
from reimpl.augment.strong import Strong

KINDS = {"none": Nothing, "standard": Standard, "simclr": SimCLR, "strong": Strong}


def load_augmentation(kind, cell, dataset, section="augmentation"):
    """The augmentation `kind` with the settings that `<section>.<kind>` has for it.

    Args: dataset: the settings.Dataset, for the normalisation. Returns: the augmentation and its settings.
    """
    if kind not in KINDS:
        raise UserError(f"the augmentation is '{kind}', and should be one of {', '.join(KINDS)}")
    settings = cell.settings(f"{section}.{kind}", KINDS[kind].Settings)
    return KINDS[kind](settings, Normalize(dataset.mean, dataset.std)), settings
