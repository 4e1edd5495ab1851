"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

import torch

from reimpl.augment import batches, everywhere
from reimpl.augment.batches import in_pieces, in_turns, keep_
from reimpl.augment.color import brightness_, contrast_, grayscale_, hue_, saturation_
from reimpl.augment.everywhere import each
from reimpl.augment.geometry import rotation, warp
from reimpl.augment.standard import Standard


def and_gray(operation):
    """The operation, and after it grayscale_."""
    def both(images, factor):
        operation(images, factor)
        grayscale_(images)
    return both


JITTER = (keep_, brightness_, contrast_, saturation_, hue_)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(1, len(JITTER))
JITTER_AND_GRAY = (*JITTER, *(and_gray(operation) for operation in JITTER))


class SimCLR(Standard):
    def draw(self, count, height, width, generator):
        s, drawn = self.settings, {}
        if s.rotation:
            drawn["turn"] = rotation(_uniform(count, -s.rotation, s.rotation, generator), height, width)
        drawn |= self.draw_place(count, height, width, generator) | self._draw_jitter(count, generator)
        drawn["gray"] = torch.rand(count, generator=generator) < s.gray
        return drawn

    def _draw_jitter(self, count, generator):
        """For each image the operations of JITTER in an order of its own, int64 [count, 4], and their factors, float64, alike;
        without jitter 0 and 1. Of the same `before` and `after`, float32 [count, 4], the factors of the blends before and after
        its hue is turned, and 1 else; whether it is `turned`, and `shift`, float32 [count], how far."""
        s = self.settings
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        factors.append(_uniform(count, -s.hue, s.hue, generator))
        order = torch.rand(count, 4, generator=generator).argsort(1)
        factors = torch.stack(factors, 1).gather(1, order)
        jittered = torch.rand(count, 1, generator=generator) < s.jitter
        operations, factors = (order + 1) * jittered, torch.where(jittered, factors, 1.0)
        hue, blends = operations == HUE, factors.to(torch.float32)
        begun = hue.cumsum(1)  # 1 from the hue on
        return {"operations": operations, "factors": factors, "before": torch.where(begun > 0, 1.0, blends),
                "after": torch.where(begun > hue, blends, 1.0), "turned": jittered.squeeze(1),
                "shift": (factors * hue).sum(1).mul_(255).trunc_().to(torch.float32)}

    def apply(self, images, drawn):
        if "turn" in drawn:
            images = warp(images, drawn["turn"])
        drawn = {name: value for name, value in drawn.items() if name != "turn"}
        return in_pieces(lambda images, *some: self._apply(images, **dict(zip(drawn, some))), images, *drawn.values())

    def _apply(self, images, mirrored, operations, factors, gray, boxes=None, **at_once):
        draws = (mirrored,) if boxes is None else (boxes, mirrored)
        if not batches.picks(images):
            images = jitter(self.place(images, *draws), operations, **at_once)
            return self.normalize(torch.where(each(gray), everywhere.luma(images), images))
        choices = [*operations[:, :3].unbind(1), operations[:, 3] + len(JITTER) * gray]
        turns = [*zip(choices, factors.unbind(1), (JITTER, JITTER, JITTER, JITTER_AND_GRAY))]
        return self.normalize(in_turns(self.place, images, draws, turns))


def jitter(images, operations, before, after, turned, shift):
    """The operations of all images at once (everywhere.py): in the order of each the blends before its hue is turned, three at
    most, then its hue, then the blends after it."""
    contrast, weights = operations == CONTRAST, everywhere.luma_weights(images.shape[1], operations != BRIGHTNESS)

    def blend(images, turn, factor):
        return everywhere.blend(images, weights[:, turn], each(contrast[:, turn]), each(factor[:, turn]))

    for turn in (0, 1, 2):
        images = blend(images, turn, before)
    images = torch.where(each(turned), everywhere.turned(images, shift), images)
    for turn in (1, 2, 3):
        images = blend(images, turn, after)
    return images


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
