"""Strong augmentation: a flip, operations drawn from RandAugment's, Cutout (slides, Experimental setup; Cubuk et al. 2020)."""

import torch

from reimpl.augment.base import Augmentation
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


class Strong(Augmentation):
    def draw(self, count, height, width, generator):
        s = self.settings
        mirrored = draw_flip(count, s.flip, generator)
        turns = draw_operations(s.operations, count, height, width, generator)
        drawn = {"mirrored": mirrored, "hole": draw_hole(count, height, width, s.cutout, generator)}
        for turn, (choice, values) in enumerate(turns):
            drawn |= {f"choice{turn}": choice, f"values{turn}": values}
        return drawn

    def apply(self, images, drawn):
        return in_pieces(self._apply, images, *drawn.values())

    def _apply(self, images, mirrored, hole, *turns):
        turns = [(choice, values, OPERATIONS) for choice, values in zip(turns[::2], turns[1::2])]
        images = in_turns(_flip, images, (mirrored,), turns)
        return self.normalize(images).mul_(outside(hole, *images.shape[2:]))


def _flip(images, chosen):
    return flip(images, chosen).to(torch.float32)


def draw_operations(turns, count, height, width, generator):
    """In each turn one of the 14 operations for each image, as its number in OPERATIONS, where all warps are one: int64 [count].

    Also its values, float64 [count, 6]: a tone's magnitude in the first column, or a warp's matrix. Returns: both, for each turn.
    All turns are worked out at once, in a third of the time: a step of SCAN on a GPU should take longer than its draws.
    """
    if not turns:
        return []
    drawn = [(torch.randint(len(CHOICES), (count,), generator=generator),
              torch.rand(count, generator=generator, dtype=torch.float64)) for _ in range(turns)]
    choice, share = map(torch.cat, zip(*drawn))
    low, high = torch.tensor([(low, high) for _, low, high in CHOICES], dtype=torch.float64)[choice].unbind(1)
    magnitude = low + share * (high - low)
    values = magnitude.unsqueeze(1).repeat(1, 6)
    # The reference draws a sign on top of a range that is symmetric already: the same distribution as without.
    for number, (matrix, *_) in enumerate(WARPS, 1 + len(TONES)):
        rows = (choice == number).nonzero().squeeze(1)
        values[rows] = matrix(magnitude[rows], height, width)
    return list(zip(choice.clamp(max=1 + len(TONES)).split(count), values.split(count)))


def _tone(operation):
    return lambda images, values: operation(images, values[:, 0])


def _warp_(images, matrix):
    images.copy_(warp(images, matrix))


OPERATIONS = (keep_, *(_tone(operation) for operation, *_ in TONES), _warp_)


def draw_hole(count, height, width, longest, generator):
    """Half the side and the centre of each image's hole, int64 [count, 3] (Cutout, DeVries and Taylor 2017).

    The side is 2 * (L // 2) with L uniform in 1..longest, so that L = 1 cuts nothing; the centre is any pixel.
    """
    if longest == 0:
        return torch.zeros(count, 3, dtype=torch.int64)
    half = torch.randint(1, longest + 1, (count,), generator=generator) // 2
    y = torch.randint(height, (count,), generator=generator)
    return torch.stack([half, y, torch.randint(width, (count,), generator=generator)], 1)


def outside(hole, height, width):
    """float32 [count, 1, h, w]: 0 in the hole, which ends at the border, 1 elsewhere.

    It is filled after normalisation, so with the mean colour.
    """
    half, y, x = hole.view(-1, 3, 1, 1, 1).unbind(1)
    rows = torch.arange(height, device=hole.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=hole.device).view(1, 1, 1, -1)
    inside = (rows >= y - half) & (rows < y + half) & (columns >= x - half) & (columns < x + half)
    return (~inside).to(torch.float32)
