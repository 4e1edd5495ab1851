"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

from reimpl.augment.base import Augmentation
from reimpl.augment.batches import in_pieces
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip


class Nothing(Augmentation):
    def draw(self, count, height, width, generator):
        return {}

    def apply(self, images, drawn):
        return in_pieces(self.normalize, images)


class Standard(Augmentation):
    def draw(self, count, height, width, generator):
        s = self.settings
        return {"boxes": draw_crop(count, height, width, s.crop_scale, generator),
                "mirrored": draw_flip(count, s.flip, generator)}

    def apply(self, images, drawn):
        return in_pieces(self._apply, images, drawn["boxes"], drawn["mirrored"])

    def _apply(self, images, boxes, mirrored):
        return self.normalize(crop_and_resize(images, boxes, mirrored))
