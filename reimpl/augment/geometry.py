"""Where pixels come from: flips, crops, rotations, shears, translations. Pillow's arithmetic, batched.

Images are [b, c, h, w] of whole numbers 0 to 255; parameters are tensors with one entry an image, drawn on the CPU and used on
the images' device.
"""

import math

import torch


def draw_flip(count, probability, generator):
    """bool [count]."""
    return torch.rand(count, generator=generator) < probability


def flip(images, chosen):
    """Mirror left and right where bool [b] `chosen`."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(3), images)


def draw_crop(count, height, width, scale, generator, ratio=(3 / 4, 4 / 3), attempts=10):
    """Boxes for a random resized crop, as torchvision's RandomResizedCrop draws them.

    Args: scale: the smallest and largest share of the area. Returns: top, left, height, width, int64 [count, 4]: the
    first of ten attempts that fits, else the whole image (square images need no other fallback).
    """
    shape = (count, attempts)
    area = height * width * torch.empty(shape, dtype=torch.float64).uniform_(*scale, generator=generator)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.empty(shape, dtype=torch.float64).uniform_(low, high, generator=generator).exp()
    widths, heights = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    found = fits.any(1)
    box_width = torch.where(found, widths.gather(1, first).squeeze(1), width)
    box_height = torch.where(found, heights.gather(1, first).squeeze(1), height)
    top = (torch.rand(count, generator=generator, dtype=torch.float64) * (height - box_height + 1)).long()
    left = (torch.rand(count, generator=generator, dtype=torch.float64) * (width - box_width + 1)).long()
    return torch.stack([top, left, box_height, box_width], 1)


def crop_and_resize(images, boxes, mirrored):
    """Crop a box from each image, resize it, bilinear, to the size of the images, and mirror it where bool [b] `mirrored`.

    Args: boxes: int64 [b, 4], as draw_crop gives them. Returns: float32.

    Equal to PIL's `image.crop(box).resize(size, BILINEAR)`: a pass along rows and one along columns, each with weights of 22
    bits and rounded to a whole number. To mirror the image is to mirror the weights.
    """
    top, left, height, width = boxes.unbind(1)
    across = _resampling(left, width, images.shape[3], mirrored)
    down = _resampling(top, height, images.shape[2], torch.zeros_like(mirrored))
    pixels = images.to(torch.float32).flatten(1, 2)
    rows = _rounded(*(pixels @ weights.transpose(1, 2) for weights in across)).view(images.shape)
    return _rounded(*(weights.unsqueeze(1) @ rows for weights in down))


def _resampling(start, length, size, mirrored):
    """The weight of each pixel of an image in each pixel of the result, for boxes that are no larger than the image.

    Args: int64 [b] each. Returns: a list of float32 [b, size, size] (result, image), of which the sums with an image's pixels
    are exact: the weights where the size is a power of two, since they are then multiples of 1 / (2 * size); else the 11 upper
    and the 11 lower bits, in units of 2**11 and 1.
    """
    exact = size & (size - 1) == 0
    kind = torch.float32 if exact else torch.float64
    start, length, mirrored = (each.to(kind).view(-1, 1) for each in (start, length, mirrored))
    pixel = torch.arange(size, dtype=kind, device=start.device)
    place = (pixel + mirrored * (size - 1 - 2 * pixel) + 0.5).mul_(length / size).sub_(0.5)
    place = torch.minimum(place.clamp_(min=0), length - 1).add_(start)
    weights = (pixel - place.unsqueeze(2)).abs_().neg_().add_(1).clamp_(min=0)
    if exact:
        return [weights]
    whole = weights.mul_(2**22).add_(0.5).floor_()
    upper = (whole / 2**11).floor_()
    return [upper.to(torch.float32), whole.sub_(upper, alpha=2**11).to(torch.float32)]


def _rounded(upper, lower=None):
    """What the sums with _resampling's weights stand for, to the nearest whole number."""
    if lower is None:
        return upper.add_(0.5).floor_()
    return lower.add_(2**21).div_(2**11).floor_().add_(upper).div_(2**11).floor_()


def rotation(degrees, height, width):
    """Matrices float64 [b, 6] that turn images counter-clockwise about their centre, as PIL's `rotate`."""
    angle = -torch.deg2rad(degrees % 360.0)
    cos, sin = _round15(angle.cos()), _round15(angle.sin())
    x, y = width / 2, height / 2
    return torch.stack([cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y], 1)


def _round15(values):
    return torch.tensor([round(value, 15) for value in values.tolist()], dtype=torch.float64)


def affine(count, **entries):
    """Matrices float64 [count, 6] of the identity with some entries (a to f, row by row) replaced, one value an image."""
    matrix = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64).repeat(count, 1)
    for name, values in entries.items():
        matrix[:, "abcdef".index(name)] = values
    return matrix


def warp(images, matrix):
    """Each output pixel (x, y) taken from the input pixel at (ax + by + c, dx + ey + f); black from outside.

    Args: matrix: float64 [b, 6], on the images' device.

    Equal to PIL's `transform(size, AFFINE, matrix)` without interpolation: 16.16 fixed point, except where neither
    shear nor rotation is in play, which PIL does in floating point.
    """
    batch, channels, height, width = images.shape
    a, b, c, d, e, f = matrix.view(batch, 6, 1, 1).unbind(1)
    x = torch.arange(width, dtype=torch.int32, device=images.device).view(1, 1, -1)
    y = torch.arange(height, dtype=torch.int32, device=images.device).view(1, -1, 1)
    straight = (b == 0) & (d == 0)
    source_x = ((_fix(c + a * 0.5 + b * 0.5) + _fix(a) * x) + _fix(b) * y) >> 16
    source_y = ((_fix(f + d * 0.5 + e * 0.5) + _fix(e) * y) + _fix(d) * x) >> 16
    source_x = torch.where(straight, (c + a * 0.5 + a * x).floor().to(torch.int32), source_x)
    source_y = torch.where(straight, (f + e * 0.5 + e * y).floor().to(torch.int32), source_y)
    near_x, near_y = source_x.clamp(0, width - 1), source_y.clamp(0, height - 1)
    inside = (near_x == source_x).logical_and_(near_y == source_y)
    source = near_y.mul_(width).add_(near_x).to(torch.int64).view(batch, 1, height * width)
    pixels = images.flatten(2).gather(2, source.expand(-1, channels, -1)).view(images.shape)
    return pixels.mul_(inside.unsqueeze(1))


def _fix(values):
    return (values * 65536.0 + 0.5).floor().to(torch.int32)
