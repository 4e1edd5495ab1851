"""One training step: from what was drawn for it to moved weights.

All that is random in a step is drawn beforehand, on the CPU; the step itself is a function of those draws that never waits for
the device. So on a GPU it can be recorded once, as a CUDA graph, and then replayed, which costs one launch where it would be
several hundred.
"""

import torch

from harness.processes import add_up_, count
from reimpl.train.draws import leaves, move, pack, unpack

WARM_UP = 3  # steps before the recording, in which libraries choose their algorithms


def make_step(optimizer, loss, after, session):
    """The step of a training, recorded or not, as execution.cuda_graph has it.

    Args:
        loss: from what was drawn for a batch and the progress of training, both on the device, to what Task.loss returns.
        after: from that, detached, and the progress: what is done once the weights have moved.
    """
    recorded = session.device.type == "cuda" and session.execution.cuda_graph and count() == 1
    return (RecordedStep if recorded else Step)(optimizer, loss, after, session.device)


class Step:
    """Called with what was drawn for a batch (draws.py) and the progress of training. Returns the loss's scalars, detached."""

    def __init__(self, optimizer, loss, after, device):
        self.optimizer, self.loss, self.after, self.device = optimizer, loss, after, device
        self.progress = torch.zeros((), device=device)

    def set_lr(self, lr):
        self.optimizer.lr = lr

    def __call__(self, drawn, progress):
        self.progress.fill_(progress)
        return self.take(drawn)

    def take(self, drawn):
        return self.compute(move(drawn, self.device))

    def compute(self, drawn):
        found = dict(self.loss(drawn, self.progress))
        learnable = found.pop("learnable", None)
        self.optimizer.zero_grad()
        found["loss"].backward()
        add_up_([parameter.grad for parameter in self.optimizer.state if parameter.grad is not None])
        if learnable is not None:
            self.optimizer.leave_out = (~learnable).to(torch.float32)
        self.optimizer.step()
        found = {name: value.detach() for name, value in found.items()}
        with torch.no_grad():
            self.after(found, self.progress)
        return {name: value for name, value in found.items() if value.ndim == 0}


class RecordedStep(Step):
    """The same on a GPU: after WARM_UP steps, batches of the first one's size are replayed, others taken as they come."""

    def __init__(self, optimizer, loss, after, device):
        super().__init__(optimizer, loss, after, device)
        self.lr = torch.zeros((), device=device)  # in the device's memory, where the recorded optimizer reads it
        self.stream, self.taken, self.graph, self.shapes = torch.cuda.Stream(device), 0, None, None

    def set_lr(self, lr):
        super().set_lr(self.lr.fill_(lr))

    def take(self, drawn):
        shapes = [value.shape for value in leaves(drawn)]
        self.shapes = self.shapes or shapes
        if shapes != self.shapes:
            return super().take(drawn)
        if self.taken < WARM_UP:
            self.taken += 1
            return self._aside(drawn)
        if self.graph is None:
            self._record(drawn)
        self.packed.copy_(pack(drawn, self.device), non_blocking=True)
        self.graph.replay()
        return self.found

    def _aside(self, drawn):
        """A step on another stream, which a recording needs to have seen."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            found = super().take(drawn)
        torch.cuda.current_stream().wait_stream(self.stream)
        return found

    def _record(self, drawn):
        """Nothing is computed yet: recording only notes what is to be done, and where in memory."""
        self.packed = pack(drawn, self.device).to(self.device)
        self.optimizer.zero_grad()  # so that the gradients lie in the graph's own memory
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.found = self.compute(unpack(self.packed, drawn))
