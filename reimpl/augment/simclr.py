"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

import torch

from reimpl.augment.base import Augmentation
from reimpl.augment.color import brightness_, contrast_, grayscale_, hue_, saturation_
from reimpl.augment.geometry import crop_and_resize, rotation, warp
from reimpl.augment.standard import draw_crop_and_flip
from reimpl.augment.turns import in_turns

JITTER = (brightness_, contrast_, saturation_, hue_)


class SimCLR(Augmentation):
    def draw(self, count, height, width, generator):
        s, drawn = self.settings, {}
        if s.rotation:
            drawn["turn"] = rotation(_uniform(count, -s.rotation, s.rotation, generator), height, width)
        drawn |= draw_crop_and_flip(count, height, width, s, generator)
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        drawn["factors"] = torch.stack([*factors, _uniform(count, -s.hue, s.hue, generator)], 1)
        drawn["order"] = torch.rand(count, len(JITTER), generator=generator).argsort(1) + 1
        drawn["order"][torch.rand(count, generator=generator) >= s.jitter] = 0
        drawn["gray"] = torch.rand(count, generator=generator) < s.gray
        return drawn

    def apply_to_piece(self, images, drawn):
        if "turn" in drawn:
            images = warp(images, drawn["turn"])
        images = crop_and_resize(images, drawn["boxes"], drawn["flip"])
        jitter = list(zip(JITTER, drawn["factors"].unbind(1)))
        turns = [(choice, jitter) for choice in drawn["order"].unbind(1)]  # each image has an order of its own
        gray = drawn["gray"].to(torch.int64)
        return self.normalize(in_turns(images, [*turns, (gray, [(grayscale_, gray)])]))


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
