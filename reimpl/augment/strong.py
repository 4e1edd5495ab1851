"""The paper's strong augmentation: a flip, operations drawn from RandAugment's, Cutout (section 3.1; Cubuk et al. 2020)."""

import torch

from reimpl.augment import color
from reimpl.augment.geometry import affine, draw_flip, flip, rotation, warp

# Operation, least and greatest magnitude: those of the reference (data/augment.py).
TONES = (
    (color.autocontrast, 0, 1),
    (color.equalize, 0, 1),
    (color.solarize, 0, 256),
    (color.saturation, 0.05, 0.95),
    (color.contrast, 0.05, 0.95),
    (color.brightness, 0.05, 0.95),
    (color.sharpness, 0.05, 0.95),
    (color.posterize, 4, 8),
)
WARPS = (  # magnitude v, height, width -> matrices; v in degrees, or as a share of the side
    (lambda v, height, width: rotation(v, height, width), -30, 30),
    (lambda v, height, width: affine(len(v), b=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), d=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), c=v * width), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), f=v * height), -0.1, 0.1),
)
OPERATIONS = 1 + len(TONES) + len(WARPS)  # the first changes nothing


class Strong:
    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        count, _, height, width = images.shape
        images = flip(images, draw_flip(count, self.settings.flip, generator))
        for _ in range(self.settings.operations):
            images = one_operation(images, generator)
        kept = draw_cutout(count, height, width, self.settings.cutout, generator)
        return self.normalize(images).mul_(kept.to(images.device))


def one_operation(images, generator):
    """One of the 14 operations for each image, with a magnitude of its own."""
    count, _, height, width = images.shape
    choice = torch.randint(OPERATIONS, (count,), generator=generator)
    magnitude = torch.rand(count, generator=generator, dtype=torch.float64)
    # Images of the same operation are brought together, so that each takes them, and leaves them, in one piece.
    order = choice.argsort(stable=True)
    counts = choice.bincount(minlength=OPERATIONS).tolist()
    same, *others = images.index_select(0, order.to(images.device)).split(counts)
    magnitudes = [low + share * (high - low) for (_, low, high), share in zip(TONES + WARPS, magnitude[order].split(counts)[1:])]
    toned = [operation(some, value) for (operation, *_), some, value in zip(TONES, others, magnitudes)]
    # The reference draws a sign on top of a range that is symmetric already: the same distribution as without.
    matrices = [matrix(value, height, width) for (matrix, *_), value in zip(WARPS, magnitudes[len(TONES) :])]
    warped = warp(torch.cat(others[len(TONES) :]), torch.cat(matrices))
    return torch.cat([same, *toned, warped]).index_select(0, order.argsort().to(images.device))


def draw_cutout(count, height, width, longest, generator):
    """float32 [count, 1, h, w]: 0 in the hole, 1 elsewhere (DeVries and Taylor 2017).

    The side is 2 * (L // 2) with L uniform in 1..longest, so that L = 1 cuts nothing; the centre is any pixel, and the hole
    ends at the border. It is filled after normalisation, so with the mean colour.
    """
    if longest == 0:
        return torch.ones(count, 1, 1, 1)
    half = torch.randint(1, longest + 1, (count, 1, 1, 1), generator=generator) // 2
    y = torch.randint(height, (count, 1, 1, 1), generator=generator)
    x = torch.randint(width, (count, 1, 1, 1), generator=generator)
    rows, columns = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    hole = (rows >= y - half) & (rows < y + half) & (columns >= x - half) & (columns < x + half)
    return (~hole).to(torch.float32)
