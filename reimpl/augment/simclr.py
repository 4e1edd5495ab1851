"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

import torch

from reimpl.augment import color
from reimpl.augment.geometry import change, rotation, warp
from reimpl.augment.standard import crop_and_flip


class SimCLR:
    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        s = self.settings
        if s.rotation:
            degrees = _uniform(len(images), -s.rotation, s.rotation, generator)
            images = warp(images, rotation(degrees, *images.shape[2:]))
        images = crop_and_flip(images, s.crop_scale, s.flip, generator)
        images = self._jitter(images, generator)
        gray = torch.rand(len(images), generator=generator) < s.gray
        return self.normalize(change(images, gray, color.grayscale))

    def _jitter(self, images, generator):
        """The four operations, for each image in an order of its own."""
        s, count = self.settings, len(images)
        operations = (color.brightness, color.contrast, color.saturation, color.hue)
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        factors.append(_uniform(count, -s.hue, s.hue, generator))
        order = torch.rand(count, 4, generator=generator).argsort(1)
        order[torch.rand(count, generator=generator) >= s.jitter] = -1
        for position in range(4):
            for operation, factor, chosen in zip(operations, factors, order[:, position] == torch.arange(4).view(-1, 1)):
                images = change(images, chosen, lambda some, do=operation, by=factor[chosen]: do(some, by))
        return images


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
