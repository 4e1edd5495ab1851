"""What happens to pixel values: blends, hue, gray, and tone curves. Pillow's arithmetic, batched.

Images are float32 [b, c, h, w] of whole numbers 0 to 255, gray (c = 1) or RGB (c = 3), and are changed in place; factors are
float64 [b] on their device. Float32 holds every whole number below 2**24, and so all of Pillow's sums.
"""

import torch

from reimpl.augment.batches import constant


def luma(images):
    """ITU-R 601-2 luma in whole numbers, as PIL's convert("L"): float32 [b, 1, h, w]."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    weighted = torch.add(constant((0.5,), images.device), red, alpha=19595 / 2**16)
    return weighted.add_(green, alpha=38470 / 2**16).add_(blue, alpha=7471 / 2**16).floor_().unsqueeze(1)


def grayscale_(images, _=None):
    """Luma in every channel."""
    if images.shape[1] > 1:
        images.copy_(luma(images))


def blend_(images, degenerate, factor):
    """degenerate + factor * (images - degenerate) in float32, cut to a whole number: PIL's Image.blend."""
    images.sub_(degenerate).mul_(per_image(factor)).add_(degenerate).clamp_(0, 255).floor_()


def per_image(values):
    return values.to(torch.float32).view(-1, 1, 1, 1)


def brightness_(images, factor):
    """0 is black, 1 the image."""
    images.mul_(per_image(factor)).clamp_(0, 255).floor_()


def contrast_(images, factor):
    """0 is the image's mean luma everywhere, 1 the image."""
    pixels = luma(images).flatten(1)
    total = pixels.sum(1, dtype=torch.float32 if pixels.shape[1] <= 2**16 else torch.float64)  # either way exact
    blend_(images, per_image((total.to(torch.float64) / pixels.shape[1] + 0.5).floor_()), factor)


def saturation_(images, factor):
    """0 is gray, 1 the image; gray images stay."""
    if images.shape[1] > 1:
        blend_(images, luma(images), factor)


def sharpness_(images, factor):
    """0 is smoothed by (1 1 1, 1 5 1, 1 1 1) / 13 except at the border, 1 the image."""
    smooth = images.clone()
    if min(images.shape[2:]) > 2:
        rows = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
        box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
        total = box.add_(images[:, :, 1:-1, 1:-1], alpha=4)
        smooth[:, :, 1:-1, 1:-1] = total.mul_(2).add_(13).div_(26).floor_()
    blend_(images, smooth, factor)


def hue_(images, shift):
    """Turn the hue by `shift` (-0.5 to 0.5 of the circle) through PIL's 8-bit HSV; gray images stay."""
    if images.shape[1] == 1:
        return
    hue, saturation, value = _to_hsv(images)
    hue.add_((shift * 255).trunc().to(torch.float32).view(-1, 1, 1))
    from_hsv_(images, hue.sub_((hue / 256).floor_(), alpha=256), saturation, value)


def _to_hsv(images):
    """PIL's rgb2hsv: hue, saturation and value, float32 [b, h, w] of whole numbers 0 to 255. It works in the images' place.

    Differences of whole numbers, cut to 0 and 1, stand for conditions: a CPU computes them several times as fast as it picks,
    and in place twice as fast as into new memory. The hue is a share of the circle from an odd sixth: 1 (yellow) where blue is
    least, 3 (cyan) where red is, else -1 or 5 (magenta, with red the greatest or blue). PIL's rounding in each step decides
    between two neighboring hues, so the steps are the same: 5 for -1, or a product with 1 / 6, would not do.
    """
    red, green, blue = images.unbind(1)
    value, least = torch.maximum(red, green).clamp_(min=blue), torch.minimum(red, green).clamp_(max=blue)
    span, blue_above = value - least, (blue - least).clamp_(max=1)
    red_above = least.neg_().add_(red).clamp_(max=1)
    from_yellow, from_cyan, from_magenta = green - red, green.neg_().add_(blue), red.sub_(blue)
    middle = from_yellow.lerp_(from_cyan.lerp_(from_magenta, red_above), blue_above)
    red_greatest = torch.add(middle, 1, out=green).clamp_(0, 1)
    start = red_greatest.mul_(-6).add_(2).mul_(red_above).add_(2).mul_(blue_above).add_(1)
    turn = middle.div_(torch.clamp(span, min=1, out=blue)).add_(start).div_(6)
    hue = turn.sub_(torch.floor(turn, out=blue)).mul_(255).floor_()
    return hue, span.mul_(255).div_(torch.clamp(value, min=1, out=blue)).floor_(), value


def from_hsv_(images, hue, saturation, value):
    """PIL's hsv2rgb: `images`, also returned, from whole numbers 0 to 255 in float32 [b, h, w].

    A channel has the full value up to a sixth of the circle from its own hue (red 0, green 170, blue 340 of 510), from a
    third on the least, value * (1 - saturation / 255), and falls evenly in between: by 85 * 255 parts at the most. Halves do
    not occur.
    """
    own = torch.arange(0, 510, 170, dtype=torch.float32, device=images.device).view(3, 1, 1)
    away = torch.sub(own, hue.unsqueeze(1), alpha=2, out=images).abs_()
    near = away.sub_(255).abs_().clamp_(85, 170)  # 255 less the way round the circle
    slope = saturation.mul_(value)
    full = value.mul_(85 * 255).sub_(slope, alpha=170)
    return near.mul_(slope.unsqueeze(1)).add_(full.unsqueeze(1)).mul_(1 / (85 * 255)).round_()


def autocontrast_(images, _=None):
    """Stretch each channel so that its darkest pixel is 0 and its lightest 255; a flat channel stays."""
    low, high = (end.to(torch.float64) for end in (images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)))
    images.copy_(stretched(images.to(torch.float64), low, high))


def stretched(values, low, high):
    """float64 values from `low` to `high`, stretched to whole numbers from 0 to 255; as they are where low is not below high."""
    span = (high - low).clamp(min=1)
    scale = torch.full_like(span, 255.0) / span  # 255.0 / span would be PyTorch's 255 * (1 / span), which rounds twice
    return torch.where(high > low, (values * scale).sub_(low * scale).trunc_().clamp_(0, 255), values)


def equalize_(images, _=None):
    """Make each channel's histogram as flat as a tone curve can, in the whole numbers of PIL's ImageOps.equalize."""
    pixels = images.flatten(0, 1).flatten(1).to(torch.int64)
    histogram = torch.zeros(len(pixels), 256, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(1, pixels, torch.ones_like(pixels))
    last = histogram.gather(1, pixels.amax(1, keepdim=True))
    step = (histogram.sum(1, keepdim=True) - last) // 255
    below = histogram.cumsum(1) - histogram
    curve = ((step // 2 + below) // step.clamp(min=1)).clamp(0, 255)
    images.copy_(torch.where(step > 0, curve.gather(1, pixels), pixels).view(images.shape))


def solarize_(images, threshold):
    """Invert the values at or above the threshold (0 to 256)."""
    images.copy_(torch.where(images < per_image(threshold.ceil()), images, 255 - images))


def posterize_(images, bits):
    """Keep the `bits` highest bits (cut to a whole number) of each value."""
    step = per_image(2 ** (8 - bits.trunc()))
    images.div_(step).floor_().mul_(step)
