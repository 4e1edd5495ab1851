"""From pixels to what a network is fed."""

import torch


class Normalize:
    """Pixels [b, c, h, w], uint8 or float32 0 to 255, -> float32 [b, c, h, w]: (pixel / 255 - mean) / std per channel.

    The result takes the place of float32 pixels.
    """

    def __init__(self, mean, std):
        self.mean = torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1)

    def __call__(self, images):
        self.mean, self.std = self.mean.to(images.device), self.std.to(images.device)
        return images.to(torch.float32).div_(255).sub_(self.mean).div_(self.std)
