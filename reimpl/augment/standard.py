"""No augmentation, and the reference's 'standard' one: a random resized crop and a flip."""

from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip, flip


class Nothing:
    def __init__(self, settings, normalize):
        self.normalize = normalize

    def __call__(self, images, generator):
        return self.normalize(images)


class Standard:
    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        return self.normalize(crop_and_flip(images, self.settings.crop_scale, self.settings.flip, generator))


def crop_and_flip(images, scale, flip_probability, generator):
    count, _, height, width = images.shape
    images = crop_and_resize(images, *draw_crop(count, height, width, scale, generator))
    return flip(images, draw_flip(count, flip_probability, generator))
