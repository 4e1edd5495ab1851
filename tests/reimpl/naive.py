"""What tests of pretext tasks share: a training by the trainer, and the same draws for a loop that is written out."""

from contextlib import contextmanager

import torch

from harness import augmentations
from harness.record import Cell
from harness.session import Session, derive_seed
from reimpl.augment import Normalize, SimCLR
from reimpl.networks import ResNet
from reimpl.train.task import make_network
from reimpl.train.trainer import Trainer

AUGMENT = SimCLR(augmentations.SimCLR((0.5, 1.0), 0.5, 0.8, 0.4, 0.4, 0.4, 0.1, 0.2), Normalize((0.3,), (0.3,)))
EXECUTION = "execution: {device: cpu, threads: 1, tracking: disabled, checkpoint_seconds: 1000}"


def backbone():
    return ResNet(1, 8, (1, 1))


def train(Task, settings, images, folder):
    """The network of a task with two views and its curves, trained on uint8 images [n, 1, h, w] in an empty working folder."""
    (folder / "params.yaml").write_text(EXECUTION)
    session = Session(Cell("reimpl", "pretext", "tiny", "0"), {}, {})
    task = Task(settings, [AUGMENT] * 2)
    model = make_network(task, backbone())
    return model, Trainer(session, task, model, settings.training, images, lambda epoch, state: {}).run()


@contextmanager
def begun():
    """Draws as the stage's own begin: the generator of a training; networks made inside have the stage's initial weights."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the stage; another number would round sums differently
    torch.manual_seed(derive_seed("pretext", "0"))
    yield torch.Generator().manual_seed(derive_seed("pretext training", "0"))
    torch.set_num_threads(threads)


def steps(images, settings, generator, draw=lambda count, generator: None):
    """(first views, second views, what `draw` drew) of each step, as the trainer has them."""
    batch = settings.training.batch_size
    for _ in range(settings.training.epochs):
        for indices in torch.randperm(len(images), generator=generator).split(batch):
            if len(indices) == batch:
                drawn = draw(batch, generator)
                yield *AUGMENT(torch.cat([images[indices], images[indices]]), generator).chunk(2), drawn


def close(found, expected):
    """Networks after nine steps, of which one summed in another order: weights were seen to differ by 0.02 of this at most."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
