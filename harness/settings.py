"""Every setting of every stage, as frozen dataclasses: what it means, its unit, its range.

Values come from params/<data set>.yaml, overlaid by what a study's arm changes. The dataclasses have no default where the paper's
value differs between data sets, so that there is one place to read a value from. Numbers in brackets are the reference code's for
CIFAR-10.
"""

from dataclasses import dataclass
from typing import Literal

from harness.validation import need

MEASURED = "measured"
"""In the place of numbers: those of the training images, as the stage `dataset` finds them."""
READ_FROM = ("dataset.source", "dataset.root", "dataset.cached")
"""Where images are read from, which is no setting of what is made of them."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the images come from and how they are normalised."""

    source: str
    """digits | cifar10 | cifar20 | cifar100 | stl10 | folder: a function of harness/sources.py."""
    mean: tuple[float, ...] | Literal["measured"]
    """Per channel, of pixels scaled to 0..1 [0.4914, 0.4822, 0.4465]; or `measured`."""
    std: tuple[float, ...] | Literal["measured"]
    """Per channel [0.2023, 0.1994, 0.2010: what the reference divides by; the set's own are larger]; or `measured`."""
    root: str = ""
    """Folder of the raw images: for `folder`, <root>/{train,test}/<class>/<file>, or without the class where images have no
    label; for the others but `digits`, the download."""
    size: int = 0
    """Side, in pixels, that the shorter side of images is resized to (bilinear), of which the middle square is kept; 0 keeps
    theirs, which are then to be square and of one size."""
    shorter: int = 0
    """Of a `folder`: pixels that the shorter side is resized to, where the middle square of `size` is less than all of it [256 on
    ImageNet, for 224]; 0 is `size`."""
    whole: bool = False
    """Of a `folder` with a size: whether random crops of training come from the full photograph, its shorter side `shorter`,
    instead of its middle square, which everything else uses [true on ImageNet]."""
    cached: bool = True
    """Of a `folder` with a size: whether images are decoded once, into data/; else they are from their files, which must stay,
    whenever they are asked for [false in the authors' code]."""
    cmyk: bool = False
    """Of a `folder`: whether CMYK images become RGB as Pillow converts them, without a colour profile; else they are refused
    [true on ImageNet, which has some]."""
    classes: tuple[str, ...] = ()
    """Names of the classes to keep, in this order; empty keeps all."""
    class_list: str = ""
    """Instead of `classes`: a text file, each line of which begins with the name of a class to keep, as in the authors' lists of
    ImageNet's subsets (data/imagenet_subsets in their code)."""
    train_images: int = 0
    """Training images to keep, of each class the same share, picked and ordered by a hash of the pixels, so the same from any
    source; 0 keeps all. Fewer are among those of more."""
    test_images: int = 0
    """Test images to keep, alike."""
    unlabeled_images: int = 0
    """Of the images that only the pretext task learns from, where the data set has such, those to keep, alike."""
    joint: bool = False
    """Whether the test images, by which all is scored, are learned from, too, as by the methods before SCAN [false]. Of these
    settings it is the one that an arm may change."""

    def __post_init__(self):
        need((self.mean == MEASURED) == (self.std == MEASURED), "mean", self.mean, "measured where std is, and only there")
        if self.mean != MEASURED:
            need(len(self.mean) == len(self.std) and len(self.mean) in (1, 3), "mean", self.mean, "1 or 3 numbers, as std")
            need(all(0 <= value <= 1 for value in self.mean), "mean", self.mean, "numbers from 0 to 1")
            need(all(0 < value <= 1 for value in self.std), "std", self.std, "numbers above 0, 1 at most")
        need(self.size == 0 or self.size >= 4, "size", self.size, "0 or at least 4 pixels")
        need(len(self.classes) != 1 and len(set(self.classes)) == len(self.classes), "classes", self.classes,
             "two or more names, each once, or left out")
        need(not (self.classes and self.class_list), "class_list", self.class_list, "left out where there are classes")
        need(self.shorter == 0 or self.source == "folder" and 0 < self.size <= self.shorter, "shorter", self.shorter,
             f"left out, or at least dataset.size, {self.size}, with the source folder")
        need(not self.whole or self.source == "folder" and self.size, "whole", self.whole,
             "false where the source is no folder, or size is 0")
        need(self.cached or self.source == "folder" and self.size, "cached", self.cached,
             "true where the source is no folder, or size is 0")
        need(self.train_images >= 0, "train_images", self.train_images, "0 or more")
        need(self.test_images >= 0, "test_images", self.test_images, "0 or more")
        need(self.unlabeled_images >= 0, "unlabeled_images", self.unlabeled_images, "0 or more")

    @property
    def channels(self):
        """Of the images that are read from files: as many as `mean` has numbers; 3 where it is measured."""
        return 3 if self.mean == MEASURED else len(self.mean)


@dataclass(frozen=True, slots=True)
class Network:
    """A ResNet (networks.py)."""

    width: int
    """Channels of the first stage's 3x3 convolutions, doubled by each further one [64]."""
    blocks: tuple[int, ...]
    """Blocks of each stage [2, 2, 2, 2]."""
    pool: bool = False
    """Whether max-pooling (2x2 at a stride of 2, with a border of 1) follows the stem: a quarter of the work on larger images
    [false; true for STL-10]."""
    stem: str = "cifar"
    """cifar | imagenet: a 3x3 convolution, or one of 7x7 at a stride of 2 and max-pooling of 3x3 at a stride of 2 behind it
    [cifar]."""
    block: str = "basic"
    """basic | bottleneck: two 3x3 convolutions, or one between two of 1x1, of which the last has four times the channels
    [basic]."""

    def __post_init__(self):
        # With fewer, oneDNN writes past its memory on processors without AVX-512 (uxlfoundation/oneDNN, issue 6035).
        need(self.width >= 8, "width", self.width, "at least 8")
        need(self.blocks and min(self.blocks) >= 1, "blocks", self.blocks, "one or more numbers of at least 1")
        need(self.stem in ("cifar", "imagenet"), "stem", self.stem, "cifar or imagenet")
        need(self.block in ("basic", "bottleneck"), "block", self.block, "basic or bottleneck")
        need(not self.pool or self.stem == "cifar", "pool", self.pool, "false where stem is imagenet, which has its own")


@dataclass(frozen=True, slots=True)
class Optimizer:
    """One optimizer step and its learning-rate schedule."""

    kind: str
    """sgd | adam | lars [sgd for the pretext task, adam after it]."""
    lr: float
    """Learning rate at epoch 0 [0.4; 0.0001]."""
    weight_decay: float
    """[0.0001]"""
    momentum: float = 0.0
    """Of SGD and LARS [0.9]."""
    schedule: str = "constant"
    """constant | cosine: from lr at epoch 0 towards lr * 0.001 after the last."""
    decay_norms: bool = True
    """Whether weight decay covers BatchNorm's parameters and biases, too: all that have one dimension [true]."""
    warm_up: int = 0
    """Epochs in which the learning rate rises to lr, in even steps from lr / (warm_up + 1); the schedule takes the others [0]."""
    trust: float = 0.001
    """Of LARS: the length of a step of a parameter, at a learning rate of 1, as a share of the parameter's own."""

    def __post_init__(self):
        need(self.kind in ("sgd", "adam", "lars"), "kind", self.kind, "sgd, adam or lars")
        need(self.lr > 0, "lr", self.lr, "above 0")
        need(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        need(0 <= self.momentum < 1, "momentum", self.momentum, "from 0 to below 1")
        need(self.schedule in ("constant", "cosine"), "schedule", self.schedule, "constant or cosine")
        need(self.warm_up >= 0, "warm_up", self.warm_up, "0 or more epochs")
        need(self.trust > 0, "trust", self.trust, "above 0")


@dataclass(frozen=True, slots=True)
class Training:
    """What every training stage has."""

    epochs: int
    batch_size: int
    """Images a step."""
    optimizer: Optimizer
    drop_last: bool = True
    """Whether the last, smaller batch of an epoch is dropped [true]; one of a single image always is."""

    def __post_init__(self):
        need(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        need(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2")
        need(self.optimizer.warm_up < self.epochs, "optimizer.warm_up", self.optimizer.warm_up,
             f"below {self.epochs}, the number of epochs")


@dataclass(frozen=True, slots=True)
class Features:
    """What every source of features has that neighbors are mined in: a pretext task, or weights from elsewhere."""


@dataclass(frozen=True, slots=True)
class Pretext(Features):
    """What every pretext task has that trains; a task's own settings add to it."""

    training: Training
    augmentation: dict[str, dict]
    """One entry: the kind of augmentation, and its settings."""
    evaluate_every: int
    """Epochs between two measurements of neighbor accuracy on the test images."""

    def __post_init__(self):
        need(len(self.augmentation) == 1, "augmentation", self.augmentation, "one entry, the kind and its settings")
        need(self.evaluate_every >= 1, "evaluate_every", self.evaluate_every, "at least 1")


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Mining of nearest neighbors by cosine similarity (neighbors.py)."""

    train: int
    """Neighbors kept of each training image, itself not counted [20]."""
    test: int
    """Neighbors kept of each test image, among the test images [5]; they serve model selection only."""
    scored: int
    """Neighbors of a training image that its accuracy is measured over [20]."""

    def __post_init__(self):
        need(self.train >= 1, "train", self.train, "at least 1")
        need(self.test >= 1, "test", self.test, "at least 1")
        need(1 <= self.scored <= self.train, "scored", self.scored, f"from 1 to {self.train}, as many as are kept")


@dataclass(frozen=True, slots=True)
class KMeans:
    """The k-means baselines (kmeans.py)."""

    clusters: int
    """Number of clusters to find [10]."""
    restarts: int
    """Runs from new centres, of which the one with the lowest inertia counts."""
    train_images: int = 0
    """Training images, drawn at random, on which centres are found; 0 for all. What more than some 256 a centre would add is
    little, which is all that faiss takes by itself; the pixels of a million photographs do not fit in memory."""

    def __post_init__(self):
        need(self.clusters >= 2, "clusters", self.clusters, "at least 2")
        need(self.restarts >= 1, "restarts", self.restarts, "at least 1")
        need(self.train_images == 0 or self.train_images >= self.clusters, "train_images", self.train_images,
             f"0, or at least the number of clusters, {self.clusters}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What every method that SCAN is compared with has (reimpl/baselines/); a method's own settings add to it."""

    clusters: int
    """Number of clusters to find."""

    def __post_init__(self):
        need(self.clusters >= 2, "clusters", self.clusters, "at least 2")


@dataclass(frozen=True, slots=True)
class TrainedBaseline(Baseline):
    """What every one of them has that trains a network."""

    training: Training
    augmentation: str
    """Of the images that are learned from."""


@dataclass(frozen=True, slots=True)
class EmbeddingBaseline(TrainedBaseline):
    """What every one of them has whose network embeds, and k-means clusters what it embeds."""

    restarts: int
    """Of k-means."""

    def __post_init__(self):
        Baseline.__post_init__(self)
        need(self.restarts >= 1, "restarts", self.restarts, "at least 1")


@dataclass(frozen=True, slots=True)
class Scan:
    """Semantic clustering (scan.py; slides, Step 2)."""

    training: Training
    clusters: int
    """Number of clusters to find; the paper takes the number of classes [10]."""
    augmentation: str
    """Of the image, and of its neighbor unless neighbor_augmentation names another [strong]."""
    num_neighbors: int
    """Neighbors to draw from; 0 leaves the image itself [20]."""
    entropy_weight: float
    """The weight of the entropy term [5]."""
    heads: int
    """Cluster heads on one backbone; the one of lowest validation loss is kept [1]."""
    overclustering: int = 1
    """How many times as many clusters are sought as `clusters` says [1]."""
    selection_entropy_weight: float = 1.0
    """lambda in the validation loss that picks epoch and head [1, where training has 5]."""
    draw_itself: bool = True
    """Whether an image may be drawn as its own neighbor [true]."""
    neighbor_augmentation: str = ""
    """Of the neighbor; empty: the same as of the image [the same]."""
    entropy_over: str = "anchors"
    """anchors | both: whose mean prediction the entropy is of [anchors]."""
    joint_batch: bool = False
    """Whether images and neighbors are one batch, with one mean and variance in each BatchNorm, or two batches [false]."""
    frozen_backbone: bool = False
    """Whether the cluster heads alone are learned, on features in evaluation mode [false; true on ImageNet]."""
    selection: str = "validation"
    """validation | last: the epoch that is kept; its head is the one of lowest validation loss either way [validation]."""

    def __post_init__(self):
        need(self.clusters >= 2, "clusters", self.clusters, "at least 2")
        need(self.overclustering >= 1, "overclustering", self.overclustering, "at least 1")
        need(self.num_neighbors >= 0, "num_neighbors", self.num_neighbors, "0 or more")
        need(self.entropy_weight >= 0, "entropy_weight", self.entropy_weight, "0 or more")
        need(self.heads >= 1, "heads", self.heads, "at least 1")
        need(self.draw_itself or self.num_neighbors > 0, "draw_itself", self.draw_itself, "true where num_neighbors is 0")
        need(self.entropy_over in ("anchors", "both"), "entropy_over", self.entropy_over, "anchors or both")
        need(self.selection in ("validation", "last"), "selection", self.selection, "validation or last")

    @property
    def sought(self):
        """The number of clusters that are sought."""
        return self.clusters * self.overclustering


@dataclass(frozen=True, slots=True)
class SelfLabel:
    """Self-labeling (selflabel.py; slides, Step 2b)."""

    training: Training
    augmentation: str
    """Of the predicted image [strong]."""
    target_augmentation: str
    """Of the image whose prediction is the label [none]."""
    threshold: float
    """Only images with a probability above it are learned from [0.99]."""
    class_balancing: bool = True
    """Weigh each class of a batch by the inverse of its share [true]."""
    targets_in_training_mode: bool = True
    """Whether the pass that yields the labels has BatchNorm statistics of its batch, and moves the running ones [true]."""
    ema: float = 0.0
    """How much of the weights' exponential moving average stays as it is at each step; 0 has none [0; 0.999 on ImageNet]."""
    ema_replaces_weights: bool = True
    """Whether the averages take the weights' place after each step, with BatchNorm's running statistics as they were in the
    beginning; else the weights go their own way, and the averages are what is evaluated and kept [true]."""

    def __post_init__(self):
        need(0 <= self.ema < 1, "ema", self.ema, "from 0 to below 1")
        need(0 <= self.threshold < 1, "threshold", self.threshold, "from 0 to below 1")


SECTIONS = {"dataset": Dataset, "network": Network, "neighbors": Neighbors, "kmeans": KMeans, "scan": Scan,
            "selflabel": SelfLabel}
"""Those of a file in params/, but the pretext tasks', the baselines' and the augmentations'."""
