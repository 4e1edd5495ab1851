"""The paper's strong augmentation: a flip, operations drawn from RandAugment's, Cutout (section 3.1; Cubuk et al. 2020)."""

import torch

from reimpl.augment import color
from reimpl.augment.base import Augmentation
from reimpl.augment.geometry import affine, draw_flip, flip, rotation, warp_
from reimpl.augment.turns import in_turns

# Operation, least and greatest magnitude: those of the reference (data/augment.py).
TONES = (
    (color.autocontrast_, 0, 1),
    (color.equalize_, 0, 1),
    (color.solarize_, 0, 256),
    (color.saturation_, 0.05, 0.95),
    (color.contrast_, 0.05, 0.95),
    (color.brightness_, 0.05, 0.95),
    (color.sharpness_, 0.05, 0.95),
    (color.posterize_, 4, 8),
)
WARPS = (  # magnitude v, height, width -> matrices; v in degrees, or as a share of the side
    (lambda v, height, width: rotation(v, height, width), -30, 30),
    (lambda v, height, width: affine(len(v), b=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), d=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), c=v * width), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), f=v * height), -0.1, 0.1),
)
OPERATIONS = 1 + len(TONES) + len(WARPS)  # the first changes nothing


class Strong(Augmentation):
    def draw(self, count, height, width, generator):
        s = self.settings
        drawn = {"flip": draw_flip(count, s.flip, generator)}
        drawn |= {f"operation{number}": draw_operation(count, height, width, generator) for number in range(s.operations)}
        if s.cutout:
            drawn["hole"] = draw_hole(count, height, width, s.cutout, generator)
        return drawn

    def apply_to_piece(self, images, drawn):
        images = flip(images, drawn["flip"]).to(torch.float32)
        turns = [turn(drawn[f"operation{number}"]) for number in range(self.settings.operations)]
        normalised = self.normalize(in_turns(images, turns))
        return normalised.mul_(outside(drawn["hole"], *images.shape[2:])) if "hole" in drawn else normalised


def draw_operation(count, height, width, generator):
    """One of the 14 operations for each image, with a magnitude of its own.

    Returns: choice int64 [count], share of the way from the least to the greatest magnitude float64 [count], and, for those that
    move pixels, matrix float64 [count, 6].
    """
    choice = torch.randint(OPERATIONS, (count,), generator=generator)
    share = torch.rand(count, generator=generator, dtype=torch.float64)
    matrix = affine(count)
    for number, (make, low, high) in enumerate(WARPS, 1 + len(TONES)):
        rows = (choice == number).nonzero().squeeze(1)
        # The reference draws a sign on top of a range that is symmetric already: the same distribution as without.
        matrix[rows] = make(low + share[rows] * (high - low), height, width)
    return {"choice": choice, "share": share, "matrix": matrix}


def turn(drawn):
    """What draw_operation drew, as in_turns has it. The operations that move pixels are one: they differ in their matrices."""
    share = drawn["share"]
    toned = [(operation, low + share * (high - low)) for operation, low, high in TONES]
    return drawn["choice"].clamp(max=1 + len(TONES)), [*toned, (warp_, drawn["matrix"])]


def draw_hole(count, height, width, longest, generator):
    """Half the side and the centre of each image's hole, int64 [count, 3] (Cutout, DeVries and Taylor 2017).

    The side is 2 * (L // 2) with L uniform in 1..longest, so that L = 1 cuts nothing; the centre is any pixel.
    """
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
