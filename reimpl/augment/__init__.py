"""Augmentations: whole batches at once, with a draw per image, equal to the PIL pipelines of the reference.

Each is a class of what base.py says, on images of any device. A new one is settings in harness/augmentations.py, a file here,
and a line in KINDS.
"""

from harness.augmentations import read_augmentation
from reimpl.augment.normalize import Normalize
from reimpl.augment.simclr import SimCLR
from reimpl.augment.standard import Nothing, Standard
from reimpl.augment.strong import Strong

KINDS = {"none": Nothing, "standard": Standard, "simclr": SimCLR, "strong": Strong}


def load_augmentation(kind, cell, dataset, section="augmentation"):
    """The augmentation `kind` with the settings that `<section>.<kind>` has for it.

    Args: dataset: the settings.Dataset, for the normalisation. Returns: the augmentation and its settings.
    """
    settings = read_augmentation(kind, cell, section)
    return KINDS[kind](settings, Normalize(dataset.mean, dataset.std)), settings
