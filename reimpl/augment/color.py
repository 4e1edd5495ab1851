"""What happens to pixel values: blends, hue, gray, and tone curves. Pillow's arithmetic, batched.

Images are uint8 [b, c, h, w], gray (c = 1) or RGB (c = 3); factors are float64 [b] on their device.
"""

import functools

import torch


def luma(images):
    """ITU-R 601-2 luma in whole numbers, as PIL's convert("L"): uint8 [b, 1, h, w]."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.to(torch.int32).unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8).unsqueeze(1)


def grayscale(images):
    """Luma in every channel."""
    return luma(images).expand_as(images)


def blend(degenerate, images, factor):
    """degenerate + factor * (images - degenerate) in float32, cut to a byte: PIL's Image.blend."""
    factor = factor.to(torch.float32).view(-1, 1, 1, 1)
    low = degenerate.to(torch.float32)
    return (low + factor * (images.to(torch.float32) - low)).clamp(0, 255).to(torch.uint8)


def brightness(images, factor):
    """0 is black, 1 the image."""
    return blend(torch.zeros_like(images), images, factor)


def contrast(images, factor):
    """0 is the image's mean luma everywhere, 1 the image."""
    mean = luma(images).to(torch.float64).mean((1, 2, 3), keepdim=True)
    return blend((mean + 0.5).floor().expand(images.shape), images, factor)


def saturation(images, factor):
    """0 is gray, 1 the image; gray images stay."""
    if images.shape[1] == 1:
        return images
    return blend(grayscale(images), images, factor)


def sharpness(images, factor):
    """0 is smoothed by (1 1 1, 1 5 1, 1 1 1) / 13 except at the border, 1 the image."""
    smooth = images.clone()
    if min(images.shape[2:]) > 2:
        wide = images.to(torch.int32)
        rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
        box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
        total = box + 4 * wide[:, :, 1:-1, 1:-1]
        smooth[:, :, 1:-1, 1:-1] = ((2 * total + 13) // 26).to(torch.uint8)
    return blend(smooth, images, factor)


def hue(images, shift):
    """Turn the hue by `shift` (-0.5 to 0.5 of the circle) through PIL's 8-bit HSV; gray images stay."""
    if images.shape[1] == 1:
        return images
    step = (shift * 255).trunc().to(torch.int64).view(-1, 1, 1)
    h, s, v = _to_hsv(images)
    return _from_hsv((h + step) & 255, s, v)


def _to_hsv(images):
    """Hue int64, saturation and value uint8 [b, h, w] of 0..255, with the mixed float32 and float64 of PIL's rgb2hsv."""
    high, low = images.amax(1), images.amin(1)
    span = (high - low).clamp(min=1).to(torch.float32)
    r, g, b = ((high.unsqueeze(1) - images).to(torch.float32) / span.unsqueeze(1)).unbind(1)
    red, green, _ = (images == high.unsqueeze(1)).unbind(1)
    plus, minus = torch.where(red, b, torch.where(green, r, g)), torch.where(red, g, torch.where(green, b, r))
    sector = torch.where(red, 0.0, torch.where(green, 2.0, 4.0)).to(torch.float64) + plus - minus
    turn = sector.to(torch.float32).to(torch.float64).div_(6.0).add_(1.0)
    h = turn.sub_(turn.floor()).to(torch.float32).to(torch.float64).mul_(255.0).to(torch.int64)
    s = (span / high.clamp(min=1).to(torch.float32)).to(torch.float64).mul_(255.0).to(torch.uint8)
    gray = high == low
    return h.masked_fill_(gray, 0), s.masked_fill_(gray, 0), high


# Which of value, middle and least each channel has, in each of the six sectors of the circle.
ROLES = ((0, 1, 2, 2, 1, 0), (1, 0, 0, 1, 2, 2), (2, 2, 1, 0, 0, 1))


@functools.cache
def _of_each_hue(device):
    """For the 256 hues: how far the middle channel is from the least, float64 [256], and the channels' roles, int64 [3, 256]."""
    turn = torch.arange(256, dtype=torch.float64) * 6.0 / 255.0
    sector = turn.floor().to(torch.int64)
    f = (turn - sector).to(torch.float32).to(torch.float64)
    share = torch.where(sector % 2 == 1, f, 1.0 - f)
    return share.to(device), torch.tensor(ROLES)[:, sector % 6].to(device)


def _from_hsv(h, s, v):
    """uint8 [b, 3, h, w] from hue int64, saturation and value uint8 [b, h, w], as PIL's hsv2rgb."""
    share, roles = _of_each_hue(h.device)
    share, roles = share.take(h), roles.index_select(1, h.flatten())
    fs = (s.to(torch.float64) / 255.0).to(torch.float32).to(torch.float64)
    middle, least = _round(v * (1.0 - fs * share)), _round(v * (1.0 - fs))
    return torch.stack([v, middle, least]).gather(0, roles.view(3, *h.shape)).transpose(0, 1)


def _round(values):
    """Half away from zero, as C's round; values are 0 to 255."""
    return values.to(torch.float32).to(torch.float64).add_(0.5).to(torch.uint8)


def autocontrast(images, _=None):
    """Stretch each channel so that its darkest pixel is 0 and its lightest 255; a flat channel stays."""
    low = images.amin((2, 3), keepdim=True).to(torch.float64)
    high = images.amax((2, 3), keepdim=True).to(torch.float64)
    span = (high - low).clamp(min=1)
    scale = torch.full_like(span, 255.0) / span  # 255.0 / span would be PyTorch's 255 * (1 / span), which rounds twice
    stretched = (images.to(torch.float64) * scale - low * scale).trunc().clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images, _=None):
    """Make each channel's histogram as flat as a tone curve can, in the whole numbers of PIL's ImageOps.equalize."""
    pixels = images.flatten(0, 1).flatten(1).to(torch.int64)
    histogram = torch.zeros(len(pixels), 256, dtype=torch.int64, device=images.device)
    histogram.scatter_add_(1, pixels, torch.ones_like(pixels))
    last = histogram.gather(1, pixels.amax(1, keepdim=True))
    step = (histogram.sum(1, keepdim=True) - last) // 255
    below = histogram.cumsum(1) - histogram
    curve = ((step // 2 + below) // step.clamp(min=1)).clamp(0, 255)
    equalized = curve.gather(1, pixels)
    return torch.where(step > 0, equalized, pixels).to(torch.uint8).view(images.shape)


def solarize(images, threshold):
    """Invert the values at or above the threshold (0 to 256)."""
    return torch.where(images < threshold.view(-1, 1, 1, 1), images, 255 - images)


def posterize(images, bits):
    """Keep the `bits` highest bits (cut to a whole number) of each value."""
    bits = bits.trunc().to(torch.int64).view(-1, 1, 1, 1)
    return (images.to(torch.int64) & (256 - 2 ** (8 - bits))).to(torch.uint8)
