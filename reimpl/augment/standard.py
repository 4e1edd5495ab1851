"""No augmentation, and the standard one: a random resized crop and a flip."""

from dataclasses import dataclass

from harness.settings import need
from reimpl.augment.geometry import crop_and_resize, draw_crop, draw_flip, flip


class Nothing:
    """The image as it is, normalised."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        pass

    def __init__(self, settings, normalize):
        self.normalize = normalize

    def __call__(self, images, generator):
        return self.normalize(images)


class Standard:
    """The reference's 'standard' strategy."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        crop_scale: tuple[float, ...]
        """Smallest and largest share of the area that a crop takes [0.2, 1]."""
        flip: float
        """Probability of a mirror image [0.5]."""

        def __post_init__(self):
            check_crop(self.crop_scale)
            need(0 <= self.flip <= 1, "flip", self.flip, "from 0 to 1")

    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        return self.normalize(crop_and_flip(images, self.settings.crop_scale, self.settings.flip, generator))


def crop_and_flip(images, scale, flip_probability, generator):
    count, _, height, width = images.shape
    images = crop_and_resize(images, *draw_crop(count, height, width, scale, generator))
    return flip(images, draw_flip(count, flip_probability, generator))


def check_crop(scale):
    need(len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1, "crop_scale", scale, "two shares, 0 < smallest <= largest <= 1")
