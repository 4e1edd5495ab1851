"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

import torch

from reimpl.augment import color
from reimpl.augment.base import Augmentation
from reimpl.augment.geometry import change, rotation, warp
from reimpl.augment.standard import crop_and_flip, draw_crop_and_flip

JITTER = (color.brightness, color.contrast, color.saturation, color.hue)


class SimCLR(Augmentation):
    def draw(self, count, height, width, generator):
        s, drawn = self.settings, {}
        if s.rotation:
            drawn["turn"] = rotation(_uniform(count, -s.rotation, s.rotation, generator), height, width)
        drawn |= draw_crop_and_flip(count, height, width, s, generator)
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        drawn["factors"] = torch.stack([*factors, _uniform(count, -s.hue, s.hue, generator)])
        drawn["order"] = torch.rand(count, len(JITTER), generator=generator).argsort(1)
        drawn["order"][torch.rand(count, generator=generator) >= s.jitter] = -1
        drawn["gray"] = torch.rand(count, generator=generator) < s.gray
        return drawn

    def apply(self, images, drawn):
        if "turn" in drawn:
            images = warp(images, drawn["turn"])
        images = crop_and_flip(images, drawn)
        for position in range(len(JITTER)):  # each image has an order of its own
            for number, (operation, factor) in enumerate(zip(JITTER, drawn["factors"])):
                images = change(images, drawn["order"][:, position] == number, operation, factor)
        return self.normalize(change(images, drawn["gray"], color.grayscale))


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
