"""What happens to pixel values: blends, hue, gray, and tone curves. Pillow's arithmetic, batched.

Images are uint8 [b, c, h, w], gray (c = 1) or RGB (c = 3); factors are CPU tensors float64 [b].
"""

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
    factor = factor.to(images.device, torch.float32).view(-1, 1, 1, 1)
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
    step = (shift * 255).trunc().to(torch.int64).view(-1, 1, 1).to(images.device)
    h, s, v = _to_hsv(images)
    return _from_hsv((h + step) % 256, s, v)


def _to_hsv(images):
    """Three int64 [b, h, w] of 0..255, with the mixed float32 and float64 of PIL's rgb2hsv."""
    red, green, blue = images.to(torch.int64).unbind(1)
    high, low = images.amax(1).to(torch.int64), images.amin(1).to(torch.int64)
    span = (high - low).clamp(min=1).to(torch.float32)
    s = span / high.clamp(min=1).to(torch.float32)
    r, g, b = (((high - channel).to(torch.float32) / span) for channel in (red, green, blue))
    sector = torch.where(
        red == high, (b - g).to(torch.float64),
        torch.where(green == high, 2.0 + r.to(torch.float64) - b, 4.0 + g.to(torch.float64) - r))
    turn = (sector.to(torch.float32).to(torch.float64) / 6.0 + 1.0) % 1.0
    h = (turn.to(torch.float32).to(torch.float64) * 255.0).to(torch.int64)
    gray = high == low
    saturated = (s.to(torch.float64) * 255.0).to(torch.int64)
    return torch.where(gray, 0, h), torch.where(gray, 0, saturated), high


def _from_hsv(h, s, v):
    """uint8 [b, 3, h, w] from three int64 [b, h, w], as PIL's hsv2rgb."""
    turn = h.to(torch.float32).to(torch.float64) * 6.0 / 255.0
    sector = turn.floor()
    f = (turn - sector).to(torch.float32).to(torch.float64)
    fs = (s.to(torch.float64) / 255.0).to(torch.float32).to(torch.float64)
    value = v.to(torch.float64)
    p, q, t = (_round(value * part) for part in (1.0 - fs, 1.0 - fs * f, 1.0 - fs * (1.0 - f)))
    sector = sector.to(torch.int64) % 6
    choices = torch.stack([v, q, p, p, t, v, t, v, v, q, p, p, p, p, t, v, v, q]).view(3, 6, *v.shape)
    rgb = choices.gather(1, sector.expand(3, 1, *v.shape)).squeeze(1)
    rgb = torch.where(s == 0, v, rgb)
    return rgb.clamp(0, 255).to(torch.uint8).transpose(0, 1)


def _round(values):
    """Half away from zero, as C's round; values are 0 or more."""
    return (values.to(torch.float32).to(torch.float64) + 0.5).floor().to(torch.int64)


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
    threshold = threshold.to(images.device).view(-1, 1, 1, 1)
    return torch.where(images < threshold, images, 255 - images)


def posterize(images, bits):
    """Keep the `bits` highest bits (cut to a whole number) of each value."""
    bits = bits.trunc().to(torch.int64).to(images.device).view(-1, 1, 1, 1)
    return (images.to(torch.int64) & (256 - 2 ** (8 - bits))).to(torch.uint8)
