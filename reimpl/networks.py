"""The networks: a ResNet backbone, a contrastive head, cluster heads.

Parameter names are those of the reference, so that weights can be carried over either way.
"""

import math
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn

from reimpl.norms import share_norms


class Block(nn.Module):
    """What both kinds have: a shortcut around them. Args: channels: of its 3x3 convolutions; its output has so many times
    `widening`."""

    widening = 1

    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.convolutions(channels_in, channels, stride)
        self.channels = channels * self.widening
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != self.channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, self.channels, 1, stride, bias=False), nn.BatchNorm2d(self.channels))


class BasicBlock(Block):
    """Two 3x3 convolutions with a shortcut (He et al. 2016, figure 5 left)."""

    def convolutions(self, channels_in, channels, stride):
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        out = F.relu_(self.bn1(self.conv1(x)))  # in place, as the sum: on a CPU half the time of writing to new memory
        return F.relu_(self.bn2(self.conv2(out)).add_(self.shortcut(x)))


class Bottleneck(Block):
    """A 3x3 convolution between two of 1x1, with a shortcut (He et al. 2016, figure 5 right); the 3x3 one has the stride, as in
    torchvision."""

    widening = 4

    def convolutions(self, channels_in, channels, stride):
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.widening, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.widening)

    def forward(self, x):
        out = F.relu_(self.bn1(self.conv1(x)))
        out = F.relu_(self.bn2(self.conv2(out)))
        return F.relu_(self.bn3(self.conv3(out)).add_(self.shortcut(x)))


BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}
STEMS = {"cifar": {"kernel_size": 3, "padding": 1}, "imagenet": {"kernel_size": 7, "stride": 2, "padding": 3}}


class ResNet(nn.Module):
    """float32 [n, channels, height, width] -> float32 [n, dim].

    A stem, then one stage per entry of `blocks`, each but the first halving height and width and
    doubling the channels; the mean over all positions. Width 64 and blocks (2, 2, 2, 2) make the CIFAR ResNet-18, and with `pool`
    behind the stem that of the reference for STL-10; with the stem `imagenet`, ResNet-18 as it is for ImageNet, and blocks
    (3, 4, 6, 3) of the kind `bottleneck` ResNet-50.
    """

    def __init__(self, channels, width, blocks, pool=False, stem="cifar", block="basic"):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, bias=False, **STEMS[stem])
        self.bn1 = nn.BatchNorm2d(width)
        before, self.stages = width, len(blocks)
        self.pool = {"kernel_size": 3, "stride": 2} if stem == "imagenet" else {"kernel_size": 2} if pool else None
        for stage, count in enumerate(blocks):
            layer = []
            for index in range(count):
                layer.append(BLOCKS[block](before, width * 2**stage, 2 if stage and not index else 1))
                before = layer[-1].channels
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        self.dim = before
        self.bfloat16 = False
        """Whether convolutions and what lies between them are computed in bfloat16 while in training mode; weights and statistics
        stay as they are. In evaluation mode all is float32."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        with self.precision(x.device):
            (last,) = deque(self.maps(x), maxlen=1)
            return self.embed(last)

    def maps(self, x):
        """What each stage makes of images, one after another."""
        x = self.stem(x)
        if self.pool:
            x = F.max_pool2d(x, padding=1, **self.pool)
        for layer in self.layers():
            x = layer(x)
            yield x

    def precision(self, device):
        """The context that all of it is computed in."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16 and self.training, cache_enabled=False)

    def stem(self, x):
        return F.relu_(self.bn1(self.conv1(x)))

    def layers(self):
        """The stages, in their order."""
        return [getattr(self, f"layer{stage + 1}") for stage in range(self.stages)]

    def embed(self, maps):
        """float32 [n, dim] of the last stage's maps."""
        return maps.mean((2, 3), dtype=self.conv1.weight.dtype)


def make_backbone(settings, channels):
    """A ResNet for images of so many channels, as a settings.Network has it."""
    return ResNet(channels, settings.width, settings.blocks, settings.pool, settings.stem, settings.block)


class ContrastiveModel(nn.Module):
    """Backbone and two-layer head: float32 [n, c, h, w] -> unit vectors float32 [n, dim] (SimCLR, section 2)."""

    def __init__(self, backbone, dim):
        super().__init__()
        self.backbone = backbone
        self.contrastive_head = nn.Sequential(
            nn.Linear(backbone.dim, backbone.dim), nn.ReLU(), nn.Linear(backbone.dim, dim))

    def forward(self, x):
        return F.normalize(self.contrastive_head(self.backbone(x)), dim=1)


class ClusteringModel(nn.Module):
    """Backbone and linear cluster heads: float32 [n, c, h, w] -> a list of logits float32 [n, clusters], one a head."""

    def __init__(self, backbone, clusters, heads=1):
        super().__init__()
        self.backbone = backbone
        self.cluster_head = nn.ModuleList(nn.Linear(backbone.dim, clusters) for _ in range(heads))

    def forward(self, x):
        return self.heads(self.backbone(x))

    def heads(self, features):
        return [head(features) for head in self.cluster_head]

    def probabilities(self, features):
        """float32 [heads, n, clusters] of the backbone's features."""
        return torch.stack([logits.softmax(1) for logits in self.heads(features)])

    def keep_head(self, head):
        """Drop all cluster heads but one."""
        self.cluster_head = nn.ModuleList([self.cluster_head[head]])


def training_precision(session):
    """What the backbone trains in on the session's device, as execution.precision has it: float32 or bfloat16."""
    choice = session.execution.precision
    return {"cuda": "bfloat16"}.get(session.device.type, "float32") if choice == "auto" else choice


def place(model, session):
    """`model` on the session's device, channels last, to train in the precision that execution.precision asks for."""
    for module in model.modules():
        if isinstance(module, ResNet):
            module.bfloat16 = training_precision(session) == "bfloat16"
    share_norms(model)
    for work in (torch.backends.cudnn.conv, torch.backends.cuda.matmul):
        work.fp32_precision = "ieee"  # where float32 is asked for, it is float32, and not TF32
    torch.backends.cudnn.benchmark = True  # batches have one size, so looking for the quickest algorithm pays
    return model.to(session.device, memory_format=torch.channels_last)


@torch.no_grad()
def in_batches(function, images, pixels=2**20):
    """`function` over uint8 images [n, c, h, w] in batches of at most 1,024 and of so many pixels, since a network's maps are the
    larger the larger its images are; its outputs concatenated."""
    batch_size = max(1, min(1024, pixels // math.prod(images.shape[2:])))
    return torch.cat([function(images[start : start + batch_size]) for start in range(0, len(images), batch_size)])
