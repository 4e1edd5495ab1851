"""Where pixels come from: flips, crops, rotations, shears, translations. Pillow's arithmetic, batched.

Images are [b, c, h, w] of whole numbers 0 to 255; parameters are tensors with one entry an image, drawn on the CPU and used on
the images' device.
"""

import math

import torch

from reimpl.augment.batches import constant


def draw_flip(count, probability, generator):
    """bool [count]."""
    return torch.rand(count, generator=generator) < probability


def flip(images, chosen):
    """Mirror left and right where bool [b] `chosen`."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(3), images)


def same_size(count, height, width):
    """The sizes, int64 [count, 2], of images that have one size."""
    return torch.tensor([[height, width]]).expand(count, 2)


def flip_only(images, chosen):
    """`flip` to float32, as crop_and_resize has it of what is not cropped."""
    return flip(images, chosen).to(torch.float32)


def draw_crop(sizes, scale, generator, ratio=(3 / 4, 4 / 3), attempts=10):
    """Boxes for a random resized crop, as torchvision's RandomResizedCrop draws them.

    Args: sizes: heights and widths, int64 [count, 2]; scale: the smallest and largest share of the area. Returns: top, left,
    height, width, int64 [count, 4]: the first of ten attempts that fits, else the middle, as much as the ratio allows.
    """
    shape = (len(sizes), attempts)
    height, width = sizes.unsqueeze(2).unbind(1)
    area = height * width * torch.empty(shape, dtype=torch.float64).uniform_(*scale, generator=generator)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.empty(shape, dtype=torch.float64).uniform_(low, high, generator=generator).exp()
    widths, heights = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    boxes = torch.cat([heights.gather(1, first), widths.gather(1, first)], 1)
    most = torch.cat([height.minimum((width / ratio[0]).round().long()), width.minimum((height * ratio[1]).round().long())], 1)
    found = fits.any(1, keepdim=True)
    boxes = torch.where(found, boxes, most)
    return torch.cat([torch.where(found, draw_place(sizes, boxes, generator), (sizes - boxes) // 2), boxes], 1)


def draw_place(sizes, boxes, generator):
    """Where boxes lie, top and left, int64 [count, 2], anywhere in the images; sizes of both, int64 [count, 2]."""
    top = torch.rand(len(sizes), generator=generator, dtype=torch.float64)
    left = torch.rand(len(sizes), generator=generator, dtype=torch.float64)
    return (torch.stack([top, left], 1) * (sizes - boxes + 1)).long()


def crop_and_resize(images, boxes, mirrored):
    """Crop a box from each image, resize it, bilinear, to the size of the images, and mirror it where bool [b] `mirrored`.

    Args: images: square ones; boxes: int64 [b, 4], as draw_crop gives them. Returns: float32.

    Equal to PIL's `image.crop(box).resize(size, BILINEAR)`: a pass along rows and one along columns, each with weights of 22
    bits and rounded to a whole number. To mirror the image is to mirror the weights.
    """
    turned = mirrored.unsqueeze(1) * constant((0.0, 1.0), images.device)  # rows keep their order
    down, across = zip(*(weights.unbind(1) for weights in _resampling(boxes[:, :2], boxes[:, 2:], turned, images.shape[3])))
    pixels = images.to(torch.float32).flatten(1, 2)
    rows = _rounded(*(pixels @ weights.transpose(1, 2) for weights in across)).view(images.shape)
    return _rounded(*(weights.unsqueeze(1) @ rows for weights in down))


def _resampling(start, length, mirrored, size):
    """The weight of each pixel of an image in each pixel of the result, for boxes that are no larger than the image.

    Args: start, length: int64 [b, 2], by axis; mirrored: float32 [b, 2], 0 or 1. Returns: a list of float32 [b, 2, size, size]
    (axis, result, image), of which the sums with an image's pixels are exact: the weights where the size is a power of two, since
    they are then multiples of 1 / (2 * size); else the 11 upper and the 11 lower bits, in units of 2**11 and 1.
    """
    exact = size & (size - 1) == 0
    kind = torch.float32 if exact else torch.float64
    start, length = (each.to(kind).unsqueeze(-1) for each in (start, length))
    middle = torch.arange(0.5, size, dtype=kind, device=start.device)
    place = (mirrored.unsqueeze(-1) * size - middle).abs_().mul_(length / size).sub_(0.5).clamp_(min=0)
    place = torch.minimum(place, length - 1).add_(start + 0.5)
    weights = (middle - place.unsqueeze(-1)).abs_().neg_().add_(1).clamp_(min=0)
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

    Equal to PIL's `transform(size, AFFINE, matrix)` without interpolation, which computes in 16.16 fixed point; where there is
    neither shear nor rotation it does not, and c and f should be whole numbers.
    """
    return move(images, fixed(matrix))


def fixed(matrix):
    """Matrices float64 [..., 6] in 16.16 fixed point, of the middles of pixels, as whole numbers."""
    rows = matrix.unflatten(-1, (2, 3))
    start = rows[..., 2] + rows[..., 0] * 0.5 + rows[..., 1] * 0.5
    return torch.stack([rows[..., 0], rows[..., 1], start], -1).mul_(65536.0).add_(0.5).floor_().flatten(-2)


def move(images, matrix):
    """`warp` by what `fixed` made of a matrix."""
    return take(images.flatten(2), *sources(matrix, *images.shape[2:])).view(images.shape)


def sources(matrix, height, width):
    """Where `move` takes pixels from. Args: float64 [..., 6]. Returns: for each pixel of the result the number of one of the
    image, int64 [..., h * w], and whether the pixel that is asked for lies inside, bool, alike."""
    across, down, start = matrix.to(torch.int32).view(*matrix.shape[:-1], 2, 3, 1, 1).unbind(-3)
    x = torch.arange(width, dtype=torch.int32, device=matrix.device)
    y = torch.arange(height, dtype=torch.int32, device=matrix.device).view(-1, 1)
    x, y = (start + across * x + down * y).bitwise_right_shift_(16).unbind(-3)
    near_x, near_y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    inside = (near_x == x).logical_and_(near_y == y)
    return near_y.mul_(width).add_(near_x).to(torch.int64).flatten(-2), inside.flatten(-2)


def take(pixels, source, inside):
    """Pixels [b, c, n] from where `sources` says, [b, n] each; 0 from outside."""
    return pixels.gather(2, source.unsqueeze(1).expand(-1, pixels.shape[1], -1)).mul_(inside.unsqueeze(1))
