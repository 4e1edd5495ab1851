"""The kinds of augmentation and their settings, which each implementation applies. In brackets: the reference's for CIFAR-10."""

from dataclasses import dataclass

from harness.validation import need


@dataclass(frozen=True, slots=True)
class Nothing:
    """The image as it is."""


@dataclass(frozen=True, slots=True)
class Standard:
    """A random resized crop and a flip."""

    crop_scale: tuple[float, ...]
    """Smallest and largest share of the area that a crop takes [0.2, 1]."""
    flip: float
    """Probability of a mirror image [0.5]."""

    def __post_init__(self):
        check_crop(self.crop_scale)
        need(0 <= self.flip <= 1, "flip", self.flip, "from 0 to 1")


@dataclass(frozen=True, slots=True)
class SimCLR:
    """Random resized crop, flip, colour jitter, gray (Chen et al. 2020, appendix A)."""

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


@dataclass(frozen=True, slots=True)
class Strong:
    """A flip, operations drawn from RandAugment's, Cutout (slides, Experimental setup; Cubuk et al. 2020)."""

    flip: float
    """Probability of a mirror image [0.5]."""
    operations: int
    """Operations drawn for each image, with replacement, out of 14 [4]."""
    cutout: int
    """Greatest side of the hole, in pixels; 0 cuts none [16]."""

    def __post_init__(self):
        need(0 <= self.flip <= 1, "flip", self.flip, "from 0 to 1")
        need(self.operations >= 0, "operations", self.operations, "0 or more")
        need(self.cutout >= 0, "cutout", self.cutout, "0 or more pixels")


AUGMENTATIONS = {"none": Nothing, "standard": Standard, "simclr": SimCLR, "strong": Strong}


def check_crop(scale):
    need(len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1, "crop_scale", scale, "two shares, 0 < smallest <= largest <= 1")
