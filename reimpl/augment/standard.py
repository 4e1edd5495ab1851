"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

from reimpl.augment.base import Augmentation
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip


class Nothing(Augmentation):
    def draw(self, count, height, width, generator):
        return {}

    def apply_to_piece(self, images, drawn):
        return self.normalize(images)


class Standard(Augmentation):
    def draw(self, count, height, width, generator):
        return draw_crop_and_flip(count, height, width, self.settings, generator)

    def apply_to_piece(self, images, drawn):
        return self.normalize(crop_and_resize(images, drawn["boxes"], drawn["flip"]))


def draw_crop_and_flip(count, height, width, settings, generator):
    return {"boxes": draw_crop(count, height, width, settings.crop_scale, generator),
            "flip": draw_flip(count, settings.flip, generator)}
