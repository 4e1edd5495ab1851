"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

import torch

from reimpl.augment.base import Augmentation
from reimpl.augment.batches import in_pieces
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip, same_size


class Nothing(Augmentation):
    def draw(self, count, height, width, generator):
        return {}

    def apply(self, images, drawn):
        return in_pieces(self.normalize, images)

    def draw_boxes(self, sizes, side, generator):
        """The middle, of which nothing is random."""
        return torch.cat([((sizes - side) / 2).round().long(), same_size(len(sizes), side, side)], 1)


class Standard(Augmentation):
    def draw(self, count, height, width, generator):
        return {"boxes": self.draw_crop(count, height, width, generator),
                "mirrored": draw_flip(count, self.settings.flip, generator)}

    def draw_crop(self, count, height, width, generator):
        """Boxes, int64 [count, 4]: all of the image where it was cropped before."""
        sizes = same_size(count, height, width)
        return torch.cat([0 * sizes, sizes], 1) if self.whole else draw_crop(sizes, self.settings.crop_scale, generator)

    def draw_boxes(self, sizes, side, generator):
        return draw_crop(sizes, self.settings.crop_scale, generator)

    def apply(self, images, drawn):
        return in_pieces(self._apply, images, drawn["boxes"], drawn["mirrored"])

    def _apply(self, images, boxes, mirrored):
        return self.normalize(crop_and_resize(images, boxes, mirrored))
