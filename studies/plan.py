"""What `dvc repro` would run, on what, and how long by what earlier records took."""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.record import FILE
from studies.mend import held, make_ready
from studies.study import load_study, names

UNKNOWN = 30.0  # seconds, for a stage that has never run: only the order of work depends on it


@dataclass(frozen=True)
class Step:
    """A stage of the pipelines as DVC knows it.

    name: as DVC addresses it; before: the names of the stages whose outputs it reads; outs: the paths that it writes; stale:
    whether its own inputs have changed since it last ran, or it never ran.
    """

    name: str
    before: frozenset
    outs: tuple
    stale: bool

    @property
    def kind(self):
        """The stage without its arm and seeds: those of one kind take about as long."""
        return self.name.split("@")[0]

    @property
    def is_cell(self):
        """Whether it is one of a kind for each seed, and leaves a record: else it serves all of them."""
        return "@" in self.name

    @property
    def record(self):
        """Where a cell's record is, or would be: the stage writes it, or the folder that holds it."""
        paths = list(map(Path, self.outs))
        return next(iter([path for path in paths if path.name == FILE] or [path / FILE for path in paths]), None)


def read_steps():
    """Every stage of every pipeline, by name, upstream first. Raises UserError where DVC cannot read them."""
    import networkx

    with held() as repo:
        graph = repo.index.graph
        stale = {stage.addressing for stage in repo.index.stages if _stale(stage)}  # Repo.status would read all a second time
        ordered = reversed(list(networkx.lexicographical_topological_sort(graph, key=lambda stage: stage.addressing)))
        return {stage.addressing: Step(
            stage.addressing, frozenset(before.addressing for before in graph.successors(stage)),
            tuple(str(Path(out.fs_path).relative_to(repo.root_dir)) for out in stage.outs),
            stage.addressing in stale) for stage in ordered}


def _stale(stage):
    """Of one that runs each time, what its outputs are tells; and one that another DVC is at work on has not run yet."""
    from dvc.lock import LockError

    try:
        return not stage.always_changed and bool(stage.status())
    except LockError:
        return True


def pending(steps):
    """The names of the stages that are stale or come after one that is."""
    found = set()
    for step in steps.values():
        if step.stale or step.before & found:
            found.add(step.name)
    return found


def upstream(steps, names):
    """`names` and all that they need."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(steps[name].before)
    return found


def of_studies(steps, studies):
    """The names of the stages of some studies, with all that they need, and the report. Args: studies: empty for all."""
    chosen = {name for name in steps if not studies or Path(name).parent.name in studies}
    return upstream(steps, chosen) | {"report"}


def seconds(steps):
    """How long each stage takes: by the record of its last run, else by those of its kind, else a guess (UNKNOWN)."""
    took = {name: _seconds(step) for name, step in steps.items()}
    kinds = {}
    for name, value in took.items():
        if value is not None:
            kinds.setdefault(steps[name].kind, []).append(value)
    return {name: value if value is not None else statistics.median(kinds.get(steps[name].kind, [UNKNOWN]))
            for name, value in took.items()}


def _seconds(step):
    return json.loads(step.record.read_text())["evidence"].get("seconds") if step.record and step.record.exists() else None


def first():
    """The stages that tell others of code, settings and images: until these are up to date, an edit makes more pass for stale
    than is, or less."""
    studies = (f"studies/{name}/dvc.yaml:settings" for name in names() if load_study(name).has_arms())
    return ["code", "settings", "listing", *studies]


def refresh():
    """Bring the stages that tell the others of code, settings and images up to date."""
    make_ready()
    subprocess.run([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet", *first()], check=False)


def plan(studies, jobs):
    """Print the stages that would run, a line for each kind, and how long they take in all."""
    refresh()
    steps = read_steps()
    todo = pending(steps) & of_studies(steps, studies)
    took = seconds(steps)
    for kind in dict.fromkeys(steps[name].kind for name in steps if name in todo):
        names = [name for name in steps if name in todo and steps[name].kind == kind]
        cells = ", ".join(name.partition("@")[2] for name in names if "@" in name)
        print(f"{kind}: {len(names)} to run, about {clock(sum(took[name] for name in names))}{f'  ({cells})' if cells else ''}")
    total = sum(took[name] for name in todo)
    print(f"{len(todo)} of {len(steps)} stages to run, about {clock(total / jobs)} with {jobs} at a time")


def clock(count):
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(count), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
