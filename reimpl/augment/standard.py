"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

from reimpl.augment.batches import in_pieces
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip


class Nothing:
    def __init__(self, settings, normalize):
        self.normalize = normalize

    def __call__(self, images, generator):
        return self.normalize(images)


class Standard:
    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        count, _, height, width = images.shape
        boxes = draw_crop(count, height, width, self.settings.crop_scale, generator)
        return in_pieces(self._apply, images, boxes.T, draw_flip(count, self.settings.flip, generator))

    def _apply(self, images, boxes, mirrored):
        return self.normalize(crop_and_resize(images, boxes.T, mirrored))
