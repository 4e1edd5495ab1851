"""Where pixels come from: flips, crops, rotations, shears, translations. Pillow's arithmetic, batched.

Images are uint8 [b, c, h, w]; parameters have one entry an image and are drawn on the CPU (draw_*, rotation, affine), then used
on the images' device.
"""

import math

import torch


def picks(images):
    """Whether an operation on some of the images is done on these alone, or on all, and the others' results thrown away.

    A CPU saves the work; on a GPU, to find out which they are costs more than the work, and steps of one shape can be recorded.
    """
    return images.device.type == "cpu"


def change(images, chosen, operation, *parameters):
    """`images` with those where bool [b] `chosen` replaced by operation(images, *parameters)."""
    if not picks(images):
        return torch.where(chosen.view(-1, 1, 1, 1), operation(images, *parameters), images)
    rows = chosen.nonzero().squeeze(1)
    some = operation(images.index_select(0, rows), *(parameter[rows] for parameter in parameters))
    return images.index_copy(0, rows, some.contiguous())


def change_each(images, choice, operations):
    """Image i changed by the operation choice[i]; 0 leaves it.

    Args: choice int64 [b]; operations: pairs of a function and its parameter, one entry an image, the first pair for choice 1.
    """
    if not picks(images):
        for number, (operation, parameter) in enumerate(operations, 1):
            images = change(images, choice == number, operation, parameter)
        return images
    # Images of the same operation are brought together, so that each takes them, and leaves them, in one piece.
    order = choice.argsort(stable=True)
    counts = choice.bincount(minlength=len(operations) + 1).tolist()
    same, *others = images.index_select(0, order).split(counts)
    parameters = [parameter[order].split(counts)[number] for number, (_, parameter) in enumerate(operations, 1)]
    changed = [operation(some, parameter) for (operation, _), some, parameter in zip(operations, others, parameters)]
    return torch.cat([same, *changed]).index_select(0, order.argsort())


def flip(images, chosen):
    """Mirror left and right where bool [b] `chosen`."""
    return change(images, chosen, lambda some: some.flip(3))


def draw_flip(count, probability, generator):
    """bool [count]."""
    return torch.rand(count, generator=generator) < probability


def draw_crop(count, height, width, scale, generator, ratio=(3 / 4, 4 / 3), attempts=10):
    """Boxes for a random resized crop, as torchvision's RandomResizedCrop draws them.

    Args: scale: the smallest and largest share of the area. Returns: top, left, height, width, int64 [4, count]: the
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
    return torch.stack([top, left, box_height, box_width])


PIECE = 32  # images, whose intermediate results a processor's cache holds


def crop_and_resize(images, *boxes):
    """Crop a box from each image and resize it, bilinear, to the size of the images; boxes as draw_crop gives them.

    On a CPU a few images at a time, which is several times as fast.
    """
    piece = PIECE if images.device.type == "cpu" else max(len(images), 1)
    return torch.cat([_crop_and_resize(*pieces) for pieces in zip(*(each.split(piece) for each in (images, *boxes)))])


def _crop_and_resize(images, top, left, height, width):
    """Equal to PIL's `image.crop(box).resize(size, BILINEAR)`: a pass along rows and one along columns.

    Each has 22-bit fixed-point weights and is rounded to a byte. The weights' upper and lower halves are multiplied apart, since
    float32, which is several times as fast as float64, then holds every sum exactly.
    """
    along_rows = _halves(_resampling_weights(left, width, images.shape[3]))
    along_columns = _halves(_resampling_weights(top, height, images.shape[2]))
    rows = images.flatten(1, 2).to(torch.float32) @ along_rows.transpose(1, 2)
    columns = along_columns.unsqueeze(1) @ _rounded(*rows.chunk(2, 2)).view(images.shape)
    return _rounded(*columns.chunk(2, 2)).to(torch.uint8)


def _halves(weights):
    """float32 [b, 2 * size, size]: what whole numbers have above their 11 lowest bits, and below that these bits."""
    high = (weights / 2**11).floor()
    return torch.cat([high, weights - high * 2**11], 1).to(torch.float32)


def _rounded(high, low):
    """high * 2**11 + low in units of 2**22, to the nearest whole number."""
    return ((low + 2**21) / 2**11).floor_().add_(high).div_(2**11).floor_()


def _resampling_weights(start, length, size):
    """float64 [b, size, size], whole numbers: the share, times 2**22, of each input pixel in each output pixel."""
    start = start.to(torch.float64).view(-1, 1, 1)
    length = length.to(torch.float64).view(-1, 1, 1)
    scale = length / size
    support = scale.clamp(min=1.0)
    place = torch.arange(size, dtype=torch.float64, device=start.device)
    center = (place.view(1, -1, 1) + 0.5) * scale
    first = (center - support + 0.5).clamp(min=0).trunc()
    last = torch.minimum((center + support + 0.5).trunc(), length)
    pixel = place.view(1, 1, -1) - start
    weight = (1 - ((pixel - center + 0.5) * (1 / support)).abs()).clamp(min=0)
    weight = weight * ((pixel >= first) & (pixel < last))
    return (0.5 + weight / weight.sum(2, keepdim=True) * 2**22).trunc()


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

    Equal to PIL's `transform(size, AFFINE, matrix)` without interpolation: 16.16 fixed point, except where neither
    shear nor rotation is in play, which PIL does in floating point.
    """
    batch, channels, height, width = images.shape
    a, b, c, d, e, f = (matrix[:, entry].view(-1, 1, 1) for entry in range(6))
    x = torch.arange(width, dtype=torch.int32, device=images.device).view(1, 1, -1)
    y = torch.arange(height, dtype=torch.int32, device=images.device).view(1, -1, 1)
    source_x = ((_fix(c + a * 0.5 + b * 0.5) + _fix(a) * x) + _fix(b) * y) >> 16
    source_y = ((_fix(f + d * 0.5 + e * 0.5) + _fix(e) * y) + _fix(d) * x) >> 16
    straight = (b == 0) & (d == 0)
    source_x = torch.where(straight, (c + a * 0.5 + a * x).floor().to(torch.int32), source_x)
    source_y = torch.where(straight, (f + e * 0.5 + e * y).floor().to(torch.int32), source_y)
    outside = (source_x != source_x.clamp(0, width - 1)) | (source_y != source_y.clamp(0, height - 1))
    # Pixels from outside are taken from one more that each image gets, a black one.
    source = (source_y * width + source_x).masked_fill_(outside, height * width).to(torch.int64)
    source = source.flatten(1).unsqueeze(1)
    pixels = torch.nn.functional.pad(images.flatten(2), (0, 1))
    return pixels.gather(2, source.expand(-1, channels, -1)).view(images.shape)


def _fix(values):
    return (values * 65536.0 + 0.5).floor().to(torch.int32)
