"""Augmentations: whole batches at once, with a draw per image, equal to the PIL pipelines of the reference.

Each is a class of what base.py says, on images of any device. A new one is settings in harness/augmentations.py, a file here,
and a line in KINDS.
"""

from harness import augmentations
from reimpl.augment.normalize import Normalize
from reimpl.augment.simclr import SimCLR
from reimpl.augment.standard import Nothing, Standard
from reimpl.augment.strong import Strong

KINDS = {augmentations.Nothing: Nothing, augmentations.Standard: Standard, augmentations.SimCLR: SimCLR,
         augmentations.Strong: Strong}


def make_augmentation(settings, dataset):
    """The augmentation of these settings, one of harness/augmentations.py. Args: dataset: the settings.Dataset, for the
    normalisation, and for whether images come from whole photographs."""
    return KINDS[type(settings)](settings, Normalize(dataset.mean, dataset.std), dataset.whole)
