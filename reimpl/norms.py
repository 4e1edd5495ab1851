"""BatchNorm over the batches of all processes that train together, which then is that of the whole batch."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from harness.processes import count, total


class SharedNorm(_BatchNorm):
    """In training mode the mean and variance are those of all processes' images (Ioffe and Szegedy 2015, algorithm 1).

    Torch's own SyncBatchNorm knows GPUs alone.
    """

    def _check_input_dim(self, images):
        pass

    def forward(self, images):
        if not self.training:
            return super().forward(images)
        axes, shape = [0, *range(2, images.ndim)], [1, -1] + [1] * (images.ndim - 2)
        wide = images.to(self.running_mean.dtype)  # where the network computes in bfloat16
        number = count() * images.numel() // images.shape[1]
        mean = total(wide.sum(axes)) / number
        centred = wide - mean.view(shape)
        variance = total(centred.square().sum(axes)) / number
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (number / (number - 1)), self.momentum)
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(images.dtype)


def share_norms(model):
    """Let the BatchNorm of a network be over all processes, where there are several; its weights stay where they are."""
    for module in model.modules():
        if count() > 1 and isinstance(module, _BatchNorm):
            module.__class__ = SharedNorm
