"""The operations on all images at once, as a GPU has them: one shape every time, and few kernels.

What a kernel costs there hardly depends on what it does. So operations that are alike are done together: the blends; the tone
curves, each a table of 256 values a channel; the warps. An image goes through all of these, and where it did not draw an
operation, with numbers that change nothing. The bytes are those of color.py and geometry.py.
"""

from functools import cache

import torch
import torch.nn.functional as F

from reimpl.augment.batches import constant
from reimpl.augment.color import from_hsv_, posterize_, solarize_, stretched

LUMA = {3: (19595 / 2**16, 38470 / 2**16, 7471 / 2**16), 1: (1.0,)}
DIFFERENCES = 0.0, -1.0, 1.0, 1.0, 0.0, -1.0, -1.0, 1.0, 0.0
"""blue - green, red - blue, green - red."""
FROM = (3.0, 5.0, 1.0), (3.0, -1.0, 1.0)
"""The sixth of the circle that a hue is told from, by the least channel; and so where red is the greatest and green the least."""
SAME, SOLARIZED, POSTERIZED = 255, 2**16, 2**16 + 257
"""Rows of `curves`: the one that changes nothing, autocontrast_'s from 0 to 255, and the first ones of other operations."""


@cache
def one(device):
    return torch.ones((), dtype=torch.int64, device=device)


def each(values):
    """[..., b] as [..., b, 1, 1, 1]."""
    return values[..., None, None, None]


def border(height, width, device):
    """bool [h, w]."""
    outermost = torch.ones(height, width, dtype=torch.bool, device=device)
    outermost[1:-1, 1:-1] = False
    return outermost


def luma_weights(channels, counted):
    """float32 [..., 1, c]: the part of each channel in a pixel's luma, and none where bool [...] `counted` is false."""
    return constant(LUMA[channels], counted.device) * counted[..., None, None]


def blend(images, weights, contrast, factor, sharp=None):
    """brightness_, contrast_, saturation_ and sharpness_.

    Args:
        images: float32 [b, c, h, w].
        weights: float32 [b, 1, c], luma's; none for brightness, since it is a blend with black.
        contrast: bool [b, 1, 1, 1], whether with the mean luma in the place of each pixel's.
        factor: float32 [b, 1, 1, 1] or [b, 1, h, w]; 1 changes nothing.
        sharp: bool [b, 1, 1, 1], whether with the smoothed image, but for its border.
    """
    degenerate = (weights @ images.flatten(2)).add_(0.5).floor_()
    count = degenerate.shape[2]
    total = degenerate.sum(2, keepdim=True, dtype=torch.float32 if count <= 2**16 else torch.float64)  # either way exact
    mean = total.add_(count // 2).div_(count, rounding_mode="floor").to(torch.float32)
    degenerate = torch.where(contrast, mean.unsqueeze(3), degenerate.view(-1, 1, *images.shape[2:]))
    if sharp is not None:
        smooth = F.avg_pool2d(images, 3, 1, 1, divisor_override=13).add_(images, alpha=4 / 13).round_()  # halves do not occur
        degenerate = torch.where(sharp, smooth, degenerate)
    return (images - degenerate).mul_(factor).add_(degenerate).clamp_(0, 255).floor_()


def luma(images):
    """float32 [b, 1, h, w]."""
    weights = constant(LUMA[images.shape[1]], images.device)
    return (weights @ images.flatten(2)).add_(0.5).floor_().view(-1, 1, *images.shape[2:])


def turned(images, shift):
    """hue_ by whole numbers, float32 [b], of a circle of 256. The difference of two channels, as a share of the span, is added to
    where the third, the least, has its hue opposite."""
    if images.shape[1] == 1:
        return images
    least, channel = images.min(1, keepdim=True)
    value = images.amax(1, keepdim=True)
    span = value - least
    share = (constant(DIFFERENCES, images.device).view(3, 3) @ images.flatten(2)).view(images.shape).div_(span.clamp(min=1))
    start, with_red = (constant(hues, images.device).view(3, 1, 1) for hues in FROM)
    turn = torch.where(share >= 0, with_red, start).add_(share).gather(1, channel)
    hue = turn.div_(constant((6.0,), images.device)).remainder_(1).mul_(255).floor_().add_(each(shift)).remainder_(256)
    saturation = span.mul_(255).div_(value.clamp(min=1)).floor_()
    return from_hsv_(torch.empty_like(images), *(part.squeeze(1) for part in (hue, saturation, value)))


@cache
def curves(device):
    """uint8 [rows, 256]: the tone curves of autocontrast_, by 256 * darkest + lightest, of solarize_, by threshold from SOLARIZED
    on, and of posterize_, by bits from POSTERIZED on."""
    levels = torch.arange(256.0, dtype=torch.float64, device=device)
    stretches = [stretched(levels, dark, levels.view(-1, 1)) for dark in levels]
    solarized, posterized = (levels.to(torch.float32).repeat(count, 1, 1, 1) for count in (257, 9))
    solarize_(solarized, torch.arange(257.0, device=device))
    posterize_(posterized, torch.arange(9.0, device=device))
    return torch.cat([*stretches, solarized.flatten(1), posterized.flatten(1)]).to(torch.uint8)


def tone(pixels, rows, stretch, equal, counts):
    """autocontrast_, equalize_, solarize_ and posterize_: float32 [b, c, n] of int64 pixels.

    Args: rows: int64 [b, 1, 1], of `curves`, SAME changes nothing; stretch, equal: bool [b, 1, 1], whether autocontrast_'s or
        equalize_'s in its place; counts: int64 [b, c, 256], zeros, which are used up.
    """
    dark, light = pixels.aminmax(dim=2, keepdim=True)
    histogram = counts.scatter_add_(2, pixels, one(pixels.device).expand_as(pixels))
    below = histogram.cumsum(2).sub_(histogram)
    step = below.gather(2, light) // 255
    level = (step // 2 + below).floor_divide_(step.clamp(min=1))  # above 255 it is for `blend` to cut
    row = torch.where(stretch, torch.add(light, dark, alpha=256), rows).squeeze(2)
    return torch.where((step > 0) & equal, level, curves(pixels.device)[row]).gather(2, pixels).to(torch.float32)
