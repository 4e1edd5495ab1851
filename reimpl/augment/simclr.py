"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

import torch

from reimpl.augment.base import Augmentation
from reimpl.augment.batches import in_pieces, in_turns, keep_
from reimpl.augment.color import brightness_, contrast_, grayscale_, hue_, saturation_
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip, rotation, warp


def and_gray(operation):
    """The operation, and after it grayscale_."""
    def both(images, factor):
        operation(images, factor)
        grayscale_(images)
    return both


JITTER = (keep_, brightness_, contrast_, saturation_, hue_)
JITTER_AND_GRAY = (*JITTER, *(and_gray(operation) for operation in JITTER))


class SimCLR(Augmentation):
    def draw(self, count, height, width, generator):
        s, drawn = self.settings, {}
        if s.rotation:
            drawn["turn"] = rotation(_uniform(count, -s.rotation, s.rotation, generator), height, width)
        drawn["boxes"] = draw_crop(count, height, width, s.crop_scale, generator)
        drawn["mirrored"] = draw_flip(count, s.flip, generator)
        operations, drawn["factors"] = self._draw_jitter(count, generator)
        operations[:, 3] += len(JITTER) * (torch.rand(count, generator=generator) < s.gray)
        return drawn | {"operations": operations}

    def _draw_jitter(self, count, generator):
        """For each image the operations of JITTER in an order of its own, int64 [count, 4], and their factors, float64."""
        s = self.settings
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        factors.append(_uniform(count, -s.hue, s.hue, generator))
        order = torch.rand(count, 4, generator=generator).argsort(1)
        factors = torch.stack(factors, 1).gather(1, order)
        return (order + 1) * (torch.rand(count, 1, generator=generator) < s.jitter), factors

    def apply(self, images, drawn):
        if "turn" in drawn:
            images = warp(images, drawn["turn"])
        return in_pieces(self._apply, images, *(drawn[name] for name in ("boxes", "mirrored", "operations", "factors")))

    def _apply(self, images, boxes, mirrored, operations, factors):
        turns = [*zip(operations.unbind(1), factors.unbind(1), (JITTER, JITTER, JITTER, JITTER_AND_GRAY))]
        return self.normalize(in_turns(crop_and_resize, images, (boxes, mirrored), turns))


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
