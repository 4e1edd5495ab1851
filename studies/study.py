"""A study as its study.yaml describes it, and where the records of its cells lie."""

from dataclasses import dataclass
from pathlib import Path

from harness.files import read_yaml
from harness.settings import ARM_STAGES, build


@dataclass(frozen=True, slots=True)
class Study:
    """The fields of a study.yaml."""

    title: str
    claim: str
    source: str
    """Where the claim is made."""
    shared: tuple[str, ...]
    """What all studies share and this one reports, as folders under runs/<dataset>/: `neighbors/simclr`, say."""
    arms: dict
    """Implementation -> arm -> stage -> the settings that the arm changes."""
    published: tuple[dict, ...] = ()
    """Published figures, in percent: source, dataset, step, and per metric a mean, or a mean and a deviation."""


@dataclass(frozen=True)
class Place:
    """Where one cell's record lies. `step` is `<implementation>/<arm>/<stage>`, or the shared folder's name."""

    step: str
    seed: int
    folder: Path


def load_study(name):
    file = Path("studies") / name / "study.yaml"
    return build(Study, read_yaml(file), str(file))


def places(study, name, dataset, seeds):
    """Every cell of the study `name`, in the order of study.yaml."""
    root = Path("runs") / dataset
    steps = [(shared, lambda seed, shared=shared: root / shared / str(seed)) for shared in study.shared]
    for implementation, arms in study.arms.items():
        for arm in arms:
            for stage in ARM_STAGES:
                steps.append((f"{implementation}/{arm}/{stage}",
                              lambda seed, i=implementation, a=arm, s=stage: root / name / i / a / str(seed) / s))
    return [Place(step, seed, folder(seed)) for step, folder in steps for seed in seeds]
