"""One training step: from what was drawn for it to moved weights.

All that is random in a step is drawn beforehand, on the CPU; the step itself is a function of those draws that never waits for
the device. So on a GPU it can be recorded once, as a CUDA graph, and then replayed, which costs one launch where it would be
several hundred.
"""

import torch

from reimpl.draws import leaves, move

WARM_UP = 3  # steps before the recording, in which libraries choose their algorithms


def make_step(model, optimizer, terms, session):
    """The step of a training, recorded or not, as execution.cuda_graph has it.

    Args:
        terms: from what was drawn for a batch, on the device, to a mapping of scalar tensors, of which `loss` is minimised. Where
            it has `learnable`, a bool [], and that is false, no weight moves, not even by weight decay or momentum.
    """
    recorded = session.device.type == "cuda" and session.execution.cuda_graph
    return (RecordedStep if recorded else Step)(model, optimizer, terms, session.device)


class Step:
    """Called with what was drawn for a batch (draws.py). Returns the terms, detached."""

    def __init__(self, model, optimizer, terms, device):
        self.model, self.optimizer, self.terms, self.device = model, optimizer, terms, device

    def set_rate(self, rate):
        self.optimizer.rate = rate

    def __call__(self, drawn):
        return self.take(move(drawn, self.device))

    def take(self, drawn):
        terms = dict(self.terms(drawn))
        learnable = terms.pop("learnable", None)
        self.optimizer.zero_grad()
        terms["loss"].backward()
        if learnable is not None:
            self.optimizer.leave_out = (~learnable).to(torch.float32)
        self.optimizer.step()
        return {name: value.detach() for name, value in terms.items()}


class RecordedStep(Step):
    """The same on a GPU: after WARM_UP steps, batches of the first one's size are replayed, others taken as they come."""

    def __init__(self, model, optimizer, terms, device):
        super().__init__(model, optimizer, terms, device)
        self.rate = torch.zeros((), device=device)  # in the device's memory, where the recorded optimizer reads it
        self.stream, self.taken, self.graph, self.shapes = torch.cuda.Stream(device), 0, None, None

    def set_rate(self, rate):
        super().set_rate(self.rate.fill_(rate))

    def __call__(self, drawn):
        shapes = [value.shape for value in leaves(drawn)]
        self.shapes = self.shapes or shapes
        if shapes != self.shapes:
            return super().__call__(drawn)
        if self.taken < WARM_UP:
            self.taken += 1
            return self._aside(drawn)
        if self.graph is None:
            self._record(drawn)
        for place, value in zip(leaves(self.drawn), leaves(drawn)):
            place.copy_(value.pin_memory(), non_blocking=True)
        self.graph.replay()
        return self.found

    def _aside(self, drawn):
        """A step on another stream, which a recording needs to have seen."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            found = super().__call__(drawn)
        torch.cuda.current_stream().wait_stream(self.stream)
        return found

    def _record(self, drawn):
        """Nothing is computed yet: recording only notes what is to be done, and where in memory."""
        self.drawn = move(drawn, self.device)
        self.optimizer.zero_grad()  # so that the gradients lie in the graph's own memory
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.found = self.take(self.drawn)
