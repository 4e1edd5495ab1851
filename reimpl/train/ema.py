"""Networks that follow another: their parameters are moving averages of its own (Tarvainen and Valpola 2017)."""

import copy

import torch


def follower(leader):
    """A copy of a module that no gradient reaches."""
    return copy.deepcopy(leader).requires_grad_(False)


@torch.no_grad()
def follow_(follower, leader, momentum):
    """Move each parameter of the follower to momentum * itself + (1 - momentum) * the leader's of the same name.

    Buffers, such as the statistics of BatchNorm, stay its own. Args: momentum: a number, or a tensor [] on the device.
    """
    names, followers = zip(*follower.named_parameters())
    leaders = dict(leader.named_parameters())
    torch._foreach_mul_(followers, momentum)
    torch._foreach_add_(followers, torch._foreach_mul([leaders[name] for name in names], 1 - momentum))
