"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

from reimpl.augment.base import Augmentation
from reimpl.augment.batches import in_pieces
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip, flip_only, same_size


class Nothing(Augmentation):
    def draw(self, count, height, width, generator):
        return {}

    def apply(self, images, drawn):
        return in_pieces(self.normalize, images)


class Standard(Augmentation):
    def draw(self, count, height, width, generator):
        return self.draw_place(count, height, width, generator)

    def draw_place(self, count, height, width, generator):
        """The draws of `place`, by its arguments' names."""
        crop = {} if self.whole else {"boxes": self.draw_boxes(same_size(count, height, width), None, generator)}
        return {**crop, "mirrored": draw_flip(count, self.settings.flip, generator)}

    @property
    def place(self):
        """From images and draw_place's draws to images in their place, float32."""
        return flip_only if self.whole else crop_and_resize

    def draw_boxes(self, sizes, side, generator):
        return draw_crop(sizes, self.settings.crop_scale, generator)

    def apply(self, images, drawn):
        return in_pieces(lambda images, *draws: self.normalize(self.place(images, *draws)), images, *drawn.values())
