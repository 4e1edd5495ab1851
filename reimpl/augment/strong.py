"""Strong augmentation: a flip, operations drawn from RandAugment's, Cutout (slides, Experimental setup; Cubuk et al. 2020)."""

import torch

from reimpl.augment import batches, everywhere
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
from reimpl.augment.everywhere import each
from reimpl.augment.geometry import (
    affine,
    draw_flip,
    draw_place,
    fixed,
    flip_only,
    move,
    rotation,
    same_size,
    sources,
    take,
)

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
WARPS = (  # magnitude v, height, width -> matrices; v in degrees, or as a share of the side, of which PIL moves whole pixels
    (lambda v, height, width: rotation(v, height, width), -30, 30),
    (lambda v, height, width: affine(len(v), b=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), d=v), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), c=(v * width + 0.5).floor()), -0.1, 0.1),
    (lambda v, height, width: affine(len(v), f=(v * height + 0.5).floor()), -0.1, 0.1),
)
CHOICES = ((keep_, 0, 1), *TONES, *WARPS)


class Strong(Augmentation):
    def draw(self, count, height, width, generator):
        s = self.settings
        mirrored = draw_flip(count, s.flip, generator)
        turns = draw_operations(s.operations, count, height, width, generator)
        return {"mirrored": mirrored, "hole": draw_hole(count, height, width, s.cutout, generator), **turns}

    def draw_boxes(self, sizes, side, generator):
        """A square anywhere, as RandomCrop has it in the reference."""
        squares = same_size(len(sizes), side, side)
        return torch.cat([draw_place(sizes, squares, generator), squares], 1)

    def apply(self, images, drawn):
        return in_pieces(lambda images, *some: self._apply(images, **dict(zip(drawn, some))), images, *drawn.values())

    def _apply(self, images, mirrored, hole, choices, values, **at_once):
        if batches.picks(images):
            turns = [(*turn, OPERATIONS) for turn in zip(choices.unbind(1), values.unbind(1))]
            images = in_turns(flip_only, images, (mirrored,), turns)
        else:
            images = operate(flip_only(images, mirrored), choices, values[..., 1:], **at_once)
        return self.normalize(images).mul_(outside(hole, *images.shape[2:]))


def draw_operations(turns, count, height, width, generator):
    """In each turn one of the 14 operations for each image, by its number in OPERATIONS, where all warps are one, in four forms.

    All turns are worked out at once, in a third of the time: a step of SCAN on a GPU should take longer than its draws.

    Returns:
        choices: int64 [count, turns], the numbers.
        values: float64 [count, turns, 7]: a magnitude, and a warp's matrix in fixed point, that of no move without one.
        curves: int64 [count, turns], the row of everywhere.curves, that of no change without a tone curve.
        factors: float32 [count, turns], the factor of a blend, 1 without one.
    """
    choice, share = torch.empty(count, turns, dtype=torch.int64), torch.empty(count, turns, dtype=torch.float64)
    for turn in range(turns):
        choice[:, turn] = torch.randint(len(CHOICES), (count,), generator=generator)
        share[:, turn] = torch.rand(count, generator=generator, dtype=torch.float64)
    choice, share = choice.flatten(), share.flatten()
    low, high = torch.tensor([(low, high) for _, low, high in CHOICES], dtype=torch.float64)[choice].unbind(1)
    magnitude, matrix = low + share * (high - low), affine(len(choice))
    # The reference draws a sign on top of a range that is symmetric already: the same distribution as without.
    for number, (warped, *_) in enumerate(WARPS, WARP):
        rows = (choice == number).nonzero().squeeze(1)
        matrix[rows] = warped(magnitude[rows], height, width)
    curves = torch.where(choice == SOLARIZE, everywhere.SOLARIZED + magnitude.ceil(), torch.where(
        choice == POSTERIZE, everywhere.POSTERIZED + magnitude.trunc(), everywhere.SAME)).to(torch.int64)
    factors = torch.where((choice >= SATURATION) & (choice <= SHARPNESS), magnitude, 1.0).to(torch.float32)
    found = {"choices": choice.clamp(max=WARP), "values": torch.cat([magnitude.unsqueeze(1), fixed(matrix)], 1),
             "curves": curves, "factors": factors}
    return {name: values.unflatten(0, (count, turns)) for name, values in found.items()}


def _tone(operation):
    return lambda images, values: operation(images, values[:, 0])


def _warp_(images, values):
    images.copy_(move(images, values[:, 1:]))


OPERATIONS = (keep_, *(_tone(operation) for operation, *_ in TONES), _warp_)
AUTOCONTRAST, EQUALIZE, SOLARIZE, SATURATION, CONTRAST, BRIGHTNESS, SHARPNESS, POSTERIZE, WARP = range(1, len(OPERATIONS))


def operate(images, choices, matrices, curves, factors):
    """All turns of all images at once (everywhere.py). Args: as draw_operations has them; float32 [b, c, h, w], also returned."""
    count, channels, *size = images.shape
    numbers = torch.arange(len(OPERATIONS), device=images.device).view(-1, 1, 1)
    chosen = each(choices == numbers)
    sharp = chosen[SHARPNESS]
    weights = everywhere.luma_weights(channels, choices != BRIGHTNESS)
    factors = torch.where(sharp & everywhere.border(*size, images.device), 1.0, each(factors))
    source, inside = sources(matrices, *size)
    histograms = torch.zeros(choices.shape[1], count, channels, 256, dtype=torch.int64, device=images.device)
    for turn in range(choices.shape[1]):
        stretch, equal, contrast = (chosen[number][:, turn] for number in (AUTOCONTRAST, EQUALIZE, CONTRAST))
        pixels = images.flatten(2).to(torch.int64)
        pixels = everywhere.tone(pixels, curves[:, turn, None, None], stretch.squeeze(3), equal.squeeze(3), histograms[turn])
        images = everywhere.blend(pixels.view(images.shape), weights[:, turn], contrast, factors[:, turn], sharp[:, turn])
        images = take(images.flatten(2), source[:, turn], inside[:, turn]).view(images.shape)
    return images


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
    down = (torch.arange(1, 2 * height, 2, device=hole.device).view(-1, 1) - 2 * y).abs_()  # twice from the hole's middle
    across = (torch.arange(1, 2 * width, 2, device=hole.device) - 2 * x).abs_()
    return (torch.maximum(down, across) >= 2 * half).to(torch.float32)
