"""SGD, LARS and Adam: torch's own arithmetic, by the functions that the classes of torch.optim call.

The classes have no momentum before the first step, and where that one is left out (`leave_out`), their fused SGD goes on from
memory that nobody has written. They also load torch's compiler, which takes seconds where no server has it (harness/server.py).
"""

from dataclasses import dataclass, replace

import torch
from torch.optim import adam, sgd


@dataclass(frozen=True)
class Group:
    """Parameters of a network, on their device already, that are learned alike."""

    parameters: list
    decayed: bool = True
    """Whether weight decay covers them."""
    scheduled: bool = True
    """Whether their learning rate follows the schedule, or is the setting `lr` throughout."""


def make_optimizer(groups, settings):
    """The optimizer that the settings ask for, on a list of groups."""
    if not settings.decay_norms:
        groups = [replace(group, parameters=[parameter for parameter in group.parameters if (parameter.ndim > 1) == matrices],
                          decayed=group.decayed and matrices)
                  for group in groups for matrices in (True, False)]
    return {"sgd": SGD, "lars": LARS, "adam": Adam}[settings.kind](groups, settings)


class Optimizer:
    """What both have in common. All the work of a step is one operation for each group, in place.

    `lr` is the learning rate of the groups that follow the schedule: a number, or a tensor [] on the parameters' device.
    """

    leave_out = None
    """float32 [] on the parameters' device: where it is 1, a step changes nothing, and the device need not be asked."""

    def __init__(self, groups, settings):
        self.groups, self.settings, self.lr = groups, settings, settings.lr
        self.state = {parameter: self.begin(parameter) for group in groups for parameter in group.parameters}

    def zero_grad(self):
        for parameter in self.state:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        for group in self.groups:
            parameters = [parameter for parameter in group.parameters if parameter.grad is not None]
            state = [self.state[parameter] for parameter in parameters]
            columns = {name: [kept[name] for kept in state] for name in (state[0] if state else ())}
            self.move(parameters, [parameter.grad for parameter in parameters], columns,
                      self.lr if group.scheduled else self.settings.lr, self.settings.weight_decay if group.decayed else 0.0)

    def state_dict(self):
        """What is kept of earlier steps, a mapping of tensors for each parameter."""
        return list(self.state.values())

    def load_state_dict(self, kept):
        """Go on from what state_dict returned, on whatever device that was."""
        for mine, theirs in zip(self.state.values(), kept, strict=True):
            for name, tensor in mine.items():
                tensor.copy_(theirs[name])


class SGD(Optimizer):
    """With momentum, from zero (Sutskever et al. 2013, as torch has it)."""

    def begin(self, parameter):
        return {"momentum": torch.zeros_like(parameter)} if self.settings.momentum else {}

    def move(self, parameters, gradients, state, lr, weight_decay):
        sgd.sgd(parameters, gradients, state.get("momentum", [None] * len(parameters)), fused=True, found_inf=self.leave_out,
                lr=lr, momentum=self.settings.momentum, weight_decay=weight_decay, dampening=0.0, nesterov=False, maximize=False)


class LARS(SGD):
    """SGD in which each matrix has a rate of its own, so that its steps are in proportion to its length (You et al. 2017).

    Biases and the parameters of BatchNorm are learned as by SGD, as in BYOL (Grill et al. 2020, section 3.3).
    """

    def move(self, parameters, gradients, state, lr, weight_decay):
        gradients = torch._foreach_add(gradients, parameters, alpha=weight_decay)
        scaled = [self.scaled(*pair) if pair[0].ndim > 1 else pair[1] for pair in zip(parameters, gradients)]
        super().move(parameters, scaled, state, lr, 0.0)

    def scaled(self, parameter, gradient):
        """The gradient, brought to `trust` times the parameter's length; as it is where either has no length."""
        length, own = gradient.norm(), parameter.norm()
        share = torch.where((length > 0) & (own > 0), self.settings.trust * own / length, 1.0)
        return gradient * share


class Adam(Optimizer):
    """Kingma and Ba 2015, algorithm 1, with torch's constants; the weight decay is a part of the gradient."""

    def begin(self, parameter):
        return {"step": torch.zeros((), device=parameter.device), "mean": torch.zeros_like(parameter),
                "square": torch.zeros_like(parameter)}

    def move(self, parameters, gradients, state, lr, weight_decay):
        adam.adam(parameters, gradients, state["mean"], state["square"], [], state["step"], fused=True,
                  found_inf=self.leave_out, lr=lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=weight_decay,
                  amsgrad=False, maximize=False)
