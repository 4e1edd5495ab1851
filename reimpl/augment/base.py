"""What every augmentation is: draws for a batch, and a function of images and draws."""

from reimpl.train.draws import move


class Augmentation:
    """Made from its settings (harness/augmentations.py) and the normalisation of the data set.

    draw(count, height, width, generator) -> all that is random for `count` images, as reimpl/train/draws.py has it
    apply(images, drawn) -> float32 [b, c, h, w], normalised, from uint8 images [b, c, h, w], drawn on the images' device
    draw_boxes(sizes, side, generator) -> int64 [b, 4] (top, left, height, width), what photographs of int64 [b, 2] sizes are
        cropped to before they are resized to images of `side` pixels

    Args: whole: whether images come from whole photographs, by draw_boxes; they are not cropped once more.
    """

    def __init__(self, settings, normalize, whole=False):
        self.settings, self.normalize, self.whole = settings, normalize, whole

    def __call__(self, images, generator):
        return self.apply(images, move(self.draw(len(images), *images.shape[2:], generator), images.device))
