"""params.yaml, and where the settings of data sets stand: a file each, since DVC reads all of a file again for each stage."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.files import read_text, read_yaml
from harness.validation import build, check_name, need

PARAMS = Path("params.yaml")
SETTINGS_FOLDER = Path("params")
TAKEN = ("code", "raw", "slurm")
"""What no data set can be called, since runs/code, data/raw and params/slurm.yaml are something else."""
ENGINES = ("local", "slurm")
"""A file of harness/engine/ each."""
LIKE = "like"
"""In the settings of a data set: the name of another, whose settings it has where its own file says nothing else."""
CLUSTERS = "clusters"
"""In the settings of a data set: how many to find, for k-means, SCAN and all that they are compared with."""
MOST_THREADS = 1024
MATTERS = 1.0
"""The smallest difference of two accuracies that matters, in points, where neither data set nor study says otherwise: a sixth of
self-labeling's 5.8 on CIFAR-10, the smallest step of the paper's there. Two methods near 87.6 %, each on another draw of 10,000
test images, differ by up to 0.9 in 95 % of draws. The paper's own 0.3 and 0.4 are deviations between clustering runs on one set
of pretext weights, and say nothing of what another set would give."""


def overlay(base, changes):
    """`base` with `changes` laid over it, nested mappings key by key."""
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if nested else value
    return merged


def data_sets():
    """The names of the data sets that have settings."""
    return sorted({file.stem for file in SETTINGS_FOLDER.glob("*.yaml")} - {*TAKEN})


def settings_file(dataset):
    """The file with the settings of a data set. Raises UserError where there is none."""
    check_name(dataset, "the data set", TAKEN)
    return lookup({f"{name}.yaml": SETTINGS_FOLDER / f"{name}.yaml" for name in data_sets()}, f"{dataset}.yaml",
                  f"{SETTINGS_FOLDER}/")


def data_set_settings(dataset):
    """The settings of a data set, as a mapping: those of its file, laid over those of the data set that it is LIKE, if it names
    one; and the number of CLUSTERS in each section that needs one and has no other. Raises UserError."""
    found = _said(dataset)
    number, baseline = found.pop(CLUSTERS, None), found.get("baseline")
    if number is None:
        return found
    if not isinstance(number, int) or number < 2:
        raise UserError(f"{settings_file(dataset)}: {CLUSTERS} is {number!r}, and should be a whole number, at least 2")
    if isinstance(baseline, dict):
        found["baseline"] = {method: _with_clusters(section, number) for method, section in baseline.items()}
    return found | {name: _with_clusters(found[name], number) for name in ("kmeans", "scan") if name in found}


def _with_clusters(section, number):
    """A section; what is none is left to those who read it."""
    return {CLUSTERS: number, **(section or {})} if isinstance(section, (dict, type(None))) else section


def _said(dataset, round_by=()):
    """What the file of a data set says, laid over those of the ones that it is LIKE. Args: round_by: those that are like it."""
    own, other = dict(read_yaml(settings_file(dataset))), like(dataset, round_by)
    own.pop(LIKE, None)
    return overlay(_said(other, (*round_by, dataset)), own) if other else own


def like(dataset, round_by=()):
    """The name of the data set that a data set is LIKE; None where it names none. Args and errors: as _said."""
    file = settings_file(dataset)
    other, known = read_yaml(file).get(LIKE), sorted({*data_sets()} - {dataset, *round_by})
    if other is not None and other not in known:
        raise UserError(f"{file}: {LIKE} is {other!r}, and should be another data set that is not like this one: "
                        f"{', '.join(known) or 'there is none'}")
    return other


def mapping_of(what, value, where):
    """`value` if it is a mapping, an empty one for None, as which YAML reads a key with nothing after it; else a `UserError`."""
    if not isinstance(value, (dict, type(None))):
        raise UserError(f"{where} should be a mapping of {what}, not {value!r}")
    return value or {}


def lookup(mapping, key, where):
    """`mapping[key]`, or a `UserError` that lists the keys there are."""
    if not isinstance(mapping, dict) or key not in mapping:
        known = ", ".join(map(str, mapping)) if isinstance(mapping, dict) else ""
        raise UserError(f"{where} has no '{key}'; it has {known or 'nothing'}")
    return mapping[key]


@dataclass(frozen=True, slots=True)
class Execution:
    """How stages run. Nothing here is a setting of the method, so no stage depends on it; device, threads and precision change
    rounding."""

    device: str
    """auto | cpu | cuda: auto takes a GPU where there is one."""
    threads: int
    """CPU threads of a stage. One number everywhere, since a different one rounds sums differently."""
    tracking: str
    """W&B: offline (written to ./wandb, to be synced or not) | online | disabled."""
    checkpoint_seconds: float
    """A training stage saves itself at the end of an epoch if this long has passed since the last time."""
    engine: str = "local"
    """local | slurm: where the stages that have seeds run, on this machine or as jobs of a cluster (params/slurm.yaml)."""
    stop_after: float = 0
    """Seconds after which a training stage saves itself at the end of an epoch and ends with the code 75, to go on when it is run
    again; 0 for none."""
    precision: str = "auto"
    """auto | float32 | bfloat16: what the rewrite's backbone computes in while it is in training mode. In evaluation mode it, and
    everywhere the losses, mining and the choice of epoch and head, are in float32, without TF32. auto takes bfloat16 on a GPU,
    where it is several times as fast, and float32 on a CPU, where it is several times as slow."""
    cuda_graph: bool = True
    """Whether a training step of the rewrite is recorded once and replayed; on a GPU only."""
    processes: int = 1
    """That train one network together: pretext, scan and selflabel of the rewrite, each process on its part of every batch, with
    statistics of BatchNorm over the whole. On GPUs one for each."""
    resident_mib: float = 4096
    """Images of the rewrite's stages that take more, as bytes, stay in their file and are read batch by batch."""

    def __post_init__(self):
        need(self.device in ("auto", "cpu", "cuda"), "device", self.device, "auto, cpu or cuda")
        need(1 <= self.threads <= MOST_THREADS, "threads", self.threads, f"from 1 to {MOST_THREADS}")
        need(self.engine in ENGINES, "engine", self.engine, " or ".join(ENGINES))
        need(self.tracking in ("offline", "online", "disabled"), "tracking", self.tracking, "offline, online or disabled")
        need(self.precision in ("auto", "float32", "bfloat16"), "precision", self.precision, "auto, float32 or bfloat16")
        need(self.checkpoint_seconds >= 0, "checkpoint_seconds", self.checkpoint_seconds, "0 or more")
        need(self.stop_after >= 0, "stop_after", self.stop_after, "0 or more seconds")
        need(self.processes >= 1, "processes", self.processes, "at least 1")
        need(self.resident_mib >= 0, "resident_mib", self.resident_mib, "0 or more")


def execution():
    return build(Execution, lookup(read_yaml(PARAMS), "execution", str(PARAMS)), f"{PARAMS}: execution")


def processes(implementation, stage):
    """How many run a Stage together."""
    return execution().processes if implementation == "reimpl" and stage.together and PARAMS.exists() else 1


def dataset_name():
    """The name of the data set that is run."""
    name = lookup(read_yaml(PARAMS), "dataset", str(PARAMS))
    check_name(name, f"{PARAMS}: dataset", TAKEN)
    return name


def pretext_tasks():
    """The names of the pretext tasks that are run, each once."""
    names = lookup(read_yaml(PARAMS), "pretext_tasks", str(PARAMS))
    if not isinstance(names, list) or not names:
        raise UserError(f"{PARAMS}: pretext_tasks is {names!r}, and should be a list of names")
    for position, name in enumerate(names):
        check_name(name, f"{PARAMS}: pretext_tasks.{position}")
        if name in names[:position]:
            raise UserError(f"{PARAMS}: pretext_tasks holds {name} twice; a task counts once")
    return names


def pretext_seeds():
    return seeds("pretext_seeds", read_yaml(PARAMS), PARAMS)


def clustering_seeds():
    return seeds("clustering_seeds", read_yaml(PARAMS), PARAMS)


def looks():
    """Numbers of pretext seeds at which claims are looked at, where seeds are added until claims are decided; else empty."""
    values = read_yaml(PARAMS).get("looks") or []
    whole = isinstance(values, list) and all(type(value) is int and value >= 3 for value in values)
    if not whole or values != sorted({*values}):
        raise UserError(f"{PARAMS}: looks is {values!r}, and should be rising whole numbers of at least 3, or []")
    return tuple(values)


def matters(dataset):
    """The smallest difference that matters on a data set, in points: `matters` in its settings, or MATTERS."""
    file = SETTINGS_FOLDER / f"{dataset}.yaml"
    value = data_set_settings(dataset).get("matters", MATTERS) if file.exists() else MATTERS
    if type(value) not in (int, float) or not 0 < value < 100:
        raise UserError(f"{file}: matters is {value!r}, and should be a number of points above 0")
    return float(value)


def about(dataset):
    """What the comment at the head of a data set's settings says of them, as one line; empty where there is none."""
    file = SETTINGS_FOLDER / f"{dataset}.yaml"
    lines = itertools.takewhile(lambda line: line.startswith("#"), read_text(file).splitlines() if file.exists() else ())
    return " ".join(line.lstrip("# ").strip() for line in lines)


def check_seeds():
    """Refuse a seed given twice before anything runs on it."""
    pretext_seeds(), clustering_seeds()


def seeds(key, mapping, file):
    """The seeds that a mapping out of `file` has under `key`, each once."""
    values = lookup(mapping, key, str(file))
    if not isinstance(values, list) or not values:
        raise UserError(f"{file}: {key} is {values!r}, and should be a list of whole numbers")
    for position, seed in enumerate(values):
        if type(seed) is not int or seed < 0:
            raise UserError(f"{file}: {key} holds {seed!r}, and should hold whole numbers of 0 or more")
        if seed in values[:position]:
            raise UserError(f"{file}: {key} holds {seed} twice; a seed counts once")
    return values
