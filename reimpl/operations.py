"""How many operations a step takes for each image, and how many a second this machine does in a matrix product; kernels."""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from harness.prepared import PreparedDataset
from harness.session import Session
from reimpl.networks import ClusteringModel, make_backbone, place, training_precision
from reimpl.pretext import load_task
from reimpl.train.batch import Batch
from reimpl.train.draws import move
from reimpl.train.task import make_network

IMAGES = 8
SIDES = {"cpu": 1024, "cuda": 8192}
REPEATS = 10


def run(cell, settings, inputs, out):
    """Writes metrics.json: for each training stage the operations an image, and `matmul`, a second.

    A multiplication and an addition are two operations; those outside of convolutions and matrix products are not counted.
    """
    dataset = PreparedDataset(inputs["data"])
    Task = load_task(cell.variant)
    session = Session(cell, inputs, settings)
    session.trained_in = training_precision(session)
    images = session.images(dataset, "train")[:IMAGES].to(torch.float32)
    backbones = [make_backbone(settings["network"], images.shape[1]) for _ in range(2)]
    task = Task(settings["pretext"])
    pretext = place(make_network(task, backbones[0]), session)
    clustering = place(ClusteringModel(backbones[1], settings["scan"].clusters), session)
    learned, seen = count(lambda: clustering(images)[0].sum().backward()), count(lambda: clustering(images))
    session.record(out, {
        cell.variant: of_task(task, pretext, images, session.generator) / len(images),
        "scan": 2 * learned / len(images),  # the image and its neighbor
        "selflabel": (learned + seen) / len(images),  # the image learned from, and the one whose prediction is the label
        "matmul": matmul_rate(session.device, getattr(torch, session.trained_in)),
    })


def of_task(task, model, images, generator):
    """The operations of one step of a pretext task. Args: images: float32 [b, c, h, w], in the place of all their views."""
    indices = torch.arange(len(images))
    drawn = move(task.draw(indices, generator), images.device)
    batch = Batch((images.repeat(task.VIEWS, 1, 1, 1),), drawn, indices.to(images.device))
    return count(lambda: task.loss(model, batch, torch.zeros((), device=images.device))["loss"].backward())


def count(work):
    """The operations of convolutions and matrix products in `work()`, the way back included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


class Kernels(TorchDispatchMode):
    """Counts, in `count`, the operators of torch that compute or copy, each of which is about a kernel on a GPU."""

    IDLE = ("empty", "empty_like", "empty_strided", "detach", "_unsafe_view")
    """Those that do neither, besides views."""

    def __enter__(self):
        self.count = 0
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not function.is_view and function.overloadpacket.__name__ not in self.IDLE
        return function(*args, **(kwargs or {}))


def matmul_rate(device, kind):
    """Operations a second of the product of two square matrices of dtype `kind`, the best of REPEATS."""
    side = SIDES[device.type]
    matrix = torch.randn(side, side, device=device).to(kind)  # a GPU is quicker, and cooler, with equal numbers
    seconds = []
    for _ in range(REPEATS):
        _wait(device)
        began = time.perf_counter()
        matrix @ matrix
        _wait(device)
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)


def _wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)
