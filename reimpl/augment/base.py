"""What every augmentation is: draws for a batch, and a function of images and draws."""

import torch

from reimpl.draws import move, rows_of

PIECE = 128 * 3 * 32 * 32  # values: few enough for a processor's cache, and enough for what each call costs by itself


class Augmentation:
    """Made from its settings (harness/augmentations.py) and the normalisation of the data set. A subclass has

    draw(count, height, width, generator) -> all that is random for `count` images, as reimpl/draws.py has it, an image a row
    apply_to_piece(images, drawn) -> what `apply` gives
    """

    def __init__(self, settings, normalize):
        self.settings, self.normalize = settings, normalize

    def __call__(self, images, generator):
        return self.apply(images, move(self.draw(len(images), *images.shape[2:], generator), images.device))

    def apply(self, images, drawn):
        """float32 [b, c, h, w], normalised, from uint8 images [b, c, h, w], drawn on the images' device.

        On a CPU a few images at a time, which is several times as fast.
        """
        count = max(PIECE // max(images[:1].numel(), 1), 1)
        if images.device.type != "cpu" or len(images) <= count:
            return self.apply_to_piece(images, drawn)
        pieces = torch.arange(len(images)).split(count)
        return torch.cat([self.apply_to_piece(images[piece[0] : piece[-1] + 1], rows_of(drawn, piece)) for piece in pieces])
