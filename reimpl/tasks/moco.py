"""Momentum contrast: tell an image's key from the keys of earlier images, which an encoder that follows slowly has made.

MoCo (He et al. 2020) with the head and the schedule of MoCo v2 (Chen et al. 2020, "Improved Baselines with Momentum Contrastive
Learning"). In brackets: the values of the authors' code for CIFAR-10 (facebookresearch/moco, colab/moco_cifar10_demo.ipynb).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from harness import settings
from harness.errors import UserError
from harness.processes import count, gather, share
from reimpl.networks import ContrastiveModel
from reimpl.train.ema import follow_, follower
from reimpl.train.task import PretextTask


@dataclass(frozen=True, slots=True)
class Settings(settings.Pretext):
    temperature: float
    """Of the softmax over similarities, tau in equation 1 [0.1]."""
    dim: int
    """Length of the embedding [128]."""
    momentum: float
    """m in equation 2: how much of the key encoder stays as it is at each step [0.99]."""
    queue: int
    """Keys that are kept, K in equation 1 [4096]."""
    norm_groups: int = 1
    """Groups of a batch that have BatchNorm statistics of their own, as on several GPUs; keys are shuffled between them, so that
    no query is told from others by the statistics that it shares with its key (section 3.3) [8]."""

    def __post_init__(self):
        settings.Pretext.__post_init__(self)
        batch = self.training.batch_size
        settings.need(self.temperature > 0, "temperature", self.temperature, "above 0")
        settings.need(self.dim >= 1, "dim", self.dim, "at least 1")
        settings.need(0 <= self.momentum < 1, "momentum", self.momentum, "from 0 to below 1")
        settings.need(self.queue >= batch, "queue", self.queue, f"at least {batch}, as many as a batch has images")
        settings.need(self.norm_groups == 1 or self.training.drop_last and batch % self.norm_groups == 0, "norm_groups",
                      self.norm_groups, f"1, or a divisor of {batch}, the batch size, with drop_last")


class MoCoModel(ContrastiveModel):
    """The encoder of queries, with the encoder of keys that follows it, and the queue of keys: float32 [K, dim], unit vectors."""

    def __init__(self, backbone, dim, queue):
        super().__init__(backbone, dim)
        self.key_encoder = follower(self)
        self.register_buffer("queue", F.normalize(torch.randn(queue, dim), dim=1))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))


class Task(PretextTask):
    VIEWS = 2

    def network(self, backbone):
        if self.settings.norm_groups > 1 and count() > 1:
            raise UserError("pretext.moco.norm_groups above 1 is for one process: execution.processes should be 1")
        return MoCoModel(backbone, self.settings.dim, self.settings.queue)

    def draw(self, indices, generator):
        return {"shuffled": torch.randperm(len(indices), generator=generator)}

    def loss(self, model, batch, progress):
        seen, kept = batch.views
        queries = gather(in_groups(model, seen, self.settings.norm_groups))
        shuffled = batch.drawn["shuffled"]
        keys = gather(in_groups(model.key_encoder, share(gather(kept)[shuffled]), self.settings.norm_groups))
        keys = torch.zeros_like(keys).index_copy_(0, shuffled, keys)
        return {"loss": info_nce(queries, keys, model.queue, self.settings.temperature), "keys": keys}

    def after_step(self, model, found, progress):
        """Equation 2, and the batch's keys in the place of the oldest."""
        follow_(model.key_encoder, model, self.settings.momentum)
        keys = found["keys"]
        places = (model.oldest + torch.arange(len(keys), device=keys.device)) % len(model.queue)
        model.queue.index_copy_(0, places, keys)
        model.oldest.add_(len(keys)).remainder_(len(model.queue))

    def embed(self, model, images):
        return model(images)


def info_nce(queries, keys, queue, temperature):
    """Equation 1 of MoCo, the mean over the queries.

    Args: unit vectors: queries and their own keys float32 [b, dim], other keys float32 [K, dim].
    """
    similarity = torch.cat([(queries * keys).sum(1, keepdim=True), queries @ queue.T], 1) / temperature
    return F.cross_entropy(similarity, torch.zeros(len(queries), dtype=torch.int64, device=queries.device))


def in_groups(network, images, groups):
    """What a network makes of images [b, ...], in groups that each have BatchNorm statistics of their own."""
    return torch.cat([network(group) for group in images.chunk(groups)])
