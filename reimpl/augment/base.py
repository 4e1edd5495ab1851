"""What every augmentation is: draws for a batch, and a function of images and draws."""

import torch

from reimpl.augment.geometry import same_size
from reimpl.train.draws import move


class Augmentation:
    """Made from its settings (harness/augmentations.py) and the normalisation of the data set.

    draw(count, height, width, generator) -> all that is random for `count` images, as reimpl/train/draws.py has it
    apply(images, drawn) -> float32 [b, c, h, w], normalised, from uint8 images [b, c, h, w], drawn on the images' device

    Args: whole: whether images are crops of whole photographs, by draw_boxes; they are not cropped again.
    """

    def __init__(self, settings, normalize, whole=False):
        self.settings, self.normalize, self.whole = settings, normalize, whole

    def __call__(self, images, generator):
        return self.apply(images, move(self.draw(len(images), *images.shape[2:], generator), images.device))

    def draw_boxes(self, sizes, side, generator):
        """What photographs are cropped to before they are resized to images of `side` pixels: the middle, of which nothing is
        random. Args: sizes: int64 [b, 2]. Returns: top, left, height, width, int64 [b, 4]."""
        return torch.cat([((sizes - side) / 2).round().long(), same_size(len(sizes), side, side)], 1)
