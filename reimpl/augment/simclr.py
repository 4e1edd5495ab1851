"""SimCLR's augmentation: random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

from dataclasses import dataclass

import torch

from harness.settings import need
from reimpl.augment import color
from reimpl.augment.geometry import rotation, warp
from reimpl.augment.standard import check_crop, crop_and_flip


class SimCLR:
    @dataclass(frozen=True, slots=True)
    class Settings:
        crop_scale: tuple[float, ...]
        """Smallest and largest share of the area that a crop takes [0.2, 1]."""
        flip: float
        """Probability of a mirror image [0.5]."""
        jitter: float
        """Probability of the colour jitter [0.8]."""
        brightness: float
        """The factor is drawn from 1 -+ this; likewise contrast and saturation [0.4]."""
        contrast: float
        saturation: float
        hue: float
        """The hue is turned by up to this share of the circle either way [0.1]."""
        gray: float
        """Probability of the image becoming gray [0.2]."""
        rotation: float = 0.0
        """Degrees that the image is turned by at most, either way [0: not in the paper; handwriting needs it]."""

        def __post_init__(self):
            check_crop(self.crop_scale)
            for key in ("flip", "jitter", "gray", "brightness", "contrast", "saturation"):
                need(0 <= getattr(self, key) <= 1, key, getattr(self, key), "from 0 to 1")
            need(0 <= self.hue <= 0.5, "hue", self.hue, "from 0 to 0.5")
            need(0 <= self.rotation <= 180, "rotation", self.rotation, "from 0 to 180 degrees")

    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        s = self.settings
        if s.rotation:
            degrees = _uniform(len(images), -s.rotation, s.rotation, generator)
            images = warp(images, rotation(degrees, *images.shape[2:]))
        images = crop_and_flip(images, s.crop_scale, s.flip, generator)
        images = self._jitter(images, generator)
        gray = torch.rand(len(images), generator=generator) < s.gray
        images = torch.where(gray.to(images.device).view(-1, 1, 1, 1), color.grayscale(images), images)
        return self.normalize(images)

    def _jitter(self, images, generator):
        """The four operations, for each image in an order of its own."""
        s, count = self.settings, len(images)
        operations = (color.brightness, color.contrast, color.saturation, color.hue)
        factors = [_uniform(count, 1 - spread, 1 + spread, generator) for spread in (s.brightness, s.contrast, s.saturation)]
        factors.append(_uniform(count, -s.hue, s.hue, generator))
        order = torch.rand(count, 4, generator=generator).argsort(1)
        order[torch.rand(count, generator=generator) >= s.jitter] = -1
        images = images.clone()
        for position in range(4):
            for index, operation in enumerate(operations):
                rows = (order[:, position] == index).nonzero().squeeze(1)
                here = rows.to(images.device)
                images[here] = operation(images[here], factors[index][rows])
        return images


def _uniform(count, low, high, generator):
    return torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
