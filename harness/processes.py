"""Several processes that train one network together, as torchrun begins them; elsewhere one, for which all this changes nothing.

Each runs the network on its share of a batch, and computes the loss of the whole batch, from what the networks of all have made
(`gather`). So a loss is written as for one process, all processes have the same, and the gradient is the sum of what each finds
(`add_up_`). What is random is drawn for the whole batch by each, from the same seed. The first alone locks, evaluates, writes and
tells (`joined`, `first_goes_on`).
"""

import contextlib
import os
import sys
from datetime import timedelta

import torch
from torch import distributed
from torch.autograd import Function

from harness.files import alone

PATIENCE = timedelta(days=1)  # while the first evaluates; where one dies, torchrun ends the others at once


def count():
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank():
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextlib.contextmanager
def joined(out):
    """Be one of the processes. The first holds the folder `out` against other commands; the others print errors alone."""
    with contextlib.ExitStack() as block:
        if os.environ["RANK"] == "0":
            block.enter_context(alone(out))
        else:
            os.environ["WANDB_MODE"] = "disabled"
            nowhere = block.enter_context(open(os.devnull, "w"))
            block.enter_context(contextlib.redirect_stdout(nowhere))
            block.enter_context(contextlib.redirect_stderr(nowhere))
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group(timeout=PATIENCE)
        yield


def first_goes_on():
    """End all processes but the first: what follows is for one alone, to which `count` is 1 from here."""
    if distributed.is_initialized():
        number = rank()
        # Left to the interpreter's end, gloo's threads now and then abort a process (PyTorch issue 190489).
        distributed.destroy_process_group()
        if number:
            sys.exit()


def share(whole, dim=0):
    """This process's part of what all have, along an axis whose length `count()` divides."""
    return whole.chunk(count(), dim)[rank()]


def gather(own):
    """Tensors [n, ...] of all processes as one [count() * n, ...], as `share` had them.

    A gradient comes back from this process alone: all compute the same from the whole, and it would count several times.
    """
    return _Gathered.apply(own) if count() > 1 else own


def total(own):
    """The sum of a tensor over all processes, from each of which a gradient comes back."""
    return _Total.apply(own) if count() > 1 else own


@torch.no_grad()
def add_up_(tensors):
    """Sum tensors over all processes, in place."""
    if count() > 1:
        sums = _summed(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, found in zip(tensors, sums.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(found.view(tensor.shape))


def any_of(flag):
    """Whether it is true for any process."""
    return bool(total(torch.tensor(int(flag))))


def _summed(tensor):
    tensor = tensor.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(tensor)
    return tensor


class _Gathered(Function):
    @staticmethod
    def forward(ctx, own):
        parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(count())]
        distributed.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient):
        return share(gradient)


class _Total(Function):
    @staticmethod
    def forward(ctx, own):
        return _summed(own)

    @staticmethod
    def backward(ctx, gradient):
        return _summed(gradient)
