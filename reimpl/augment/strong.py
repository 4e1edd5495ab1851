"""The paper's strong augmentation: a flip, operations drawn from RandAugment's, Cutout (section 3.1; Cubuk et al. 2020)."""

import torch

from reimpl.augment.batches import in_pieces, in_turns, keep_
from reimpl.augment.color import (
    autocontrast_,
    brightness_,
    contrast_,
    equalize_,
    posterize_,
    saturation_,
    sharpness_,
    solarize_,
)
from reimpl.augment.geometry import affine, draw_flip, flip, rotation, warp

# Operation, least and greatest magnitude: those of the reference (data/augment.py).
TONES = (
    (autocontrast_, 0, 1),
    (equalize_, 0, 1),
    (solarize_, 0, 256),
    (saturation_, 0.05, 0.95),
    (contrast_, 0.05, 0.95),
    (brightness_, 0.05, 0.95),
    (sharpness_, 0.05, 0.95),
    (posterize_, 4, 8),
)
WARPS = (  # magnitude v, height, width -> matrices; v in degrees, or as a share of the side
    (lambda v, height, width: rotation(v, height, width), -30, 30),
    (lambda v, height, width: affine(len(v), b=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), d=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), c=v * width), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), f=v * height), -0.1, 0.1),
)
CHOICES = ((keep_, 0, 1), *TONES, *WARPS)


class Strong:
    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        count, _, height, width = images.shape
        mirrored = draw_flip(count, self.settings.flip, generator)
        turns = [draw_operation(count, height, width, generator) for _ in range(self.settings.operations)]
        kept = draw_cutout(count, height, width, self.settings.cutout, generator)
        return in_pieces(self._apply, images, mirrored, kept, *(draw for turn in turns for draw in turn))

    def _apply(self, images, mirrored, kept, *draws):
        images = flip(images.to(torch.float32), mirrored)
        images = in_turns(images, [(choice, values, OPERATIONS) for choice, values in zip(draws[::2], draws[1::2])])
        return self.normalize(images).mul_(kept.to(images.device))


def draw_operation(count, height, width, generator):
    """One of the 14 operations for each image, as its number in OPERATIONS, where all warps are one: int64 [count].

    Also its values, float64 [count, 6]: a tone's magnitude in the first column, or a warp's matrix.
    """
    choice = torch.randint(len(CHOICES), (count,), generator=generator)
    low, high = torch.tensor([(low, high) for _, low, high in CHOICES], dtype=torch.float64)[choice].unbind(1)
    magnitude = low + torch.rand(count, generator=generator, dtype=torch.float64) * (high - low)
    values = magnitude.unsqueeze(1).repeat(1, 6)
    # The reference draws a sign on top of a range that is symmetric already: the same distribution as without.
    for number, (matrix, *_) in enumerate(WARPS, 1 + len(TONES)):
        rows = (choice == number).nonzero().squeeze(1)
        values[rows] = matrix(magnitude[rows], height, width)
    return choice.clamp(max=1 + len(TONES)), values


def _tone(operation):
    return lambda images, values: operation(images, values[:, 0])


def _warp_(images, matrix):
    images.copy_(warp(images, matrix))


OPERATIONS = (keep_, *(_tone(operation) for operation, *_ in TONES), _warp_)


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
