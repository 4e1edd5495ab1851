"""Which jobs there are, which are to run, and how long they take by what earlier records say. It knows no backend."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from harness.files import read_json
from harness.record import FILE
from harness.results.verify import RUNS, kept_folder
from harness.stages import GROUPS

UNKNOWN = 30.0  # seconds, for a stage that has never run: only the order of work depends on it


@dataclass(frozen=True)
class Job:
    """A stage at an arm and its seeds, or one that serves all of them: what is scheduled.

    name: as in `dvc repro NAME`; before: the names of the jobs whose outputs it reads; outs: the paths that it writes; stale:
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
    def stage(self):
        """What it is called in whichever study, and group of arms, it stands in: those of one stage take nearly as long."""
        name = self.kind.rpartition(":")[2]
        return name.removesuffix(next((end for end in GROUPS.values() if end and name.endswith(end)), ""))

    @property
    def is_cell(self):
        """Whether it is one of a kind for each seed, and leaves a record: else it serves all of them."""
        return "@" in self.name

    @property
    def is_of_the_authors(self):
        """Whether the authors' code computes it."""
        return self.kind.rpartition(":")[2].startswith("original_")

    @property
    def record(self):
        """Where a cell's record is, or would be: the stage writes it, or the folder that holds it."""
        paths = list(map(Path, self.outs))
        return next(iter([path for path in paths if path.name == FILE] or [path / FILE for path in paths]), None)


def pending(jobs, wanted):
    """The names of the jobs, among those wanted, that are stale or come after one of them that is."""
    found = set()
    for name in (name for name in jobs if name in wanted):
        if jobs[name].stale or jobs[name].before & found:
            found.add(name)
    return found


def upstream(jobs, names):
    """`names` and all that they need."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(jobs[name].before)
    return found


def of_studies(jobs, chosen):
    """The names of the jobs of some studies, or of some of their arms, with all that they need, and the report.

    Args: chosen: <study> or <study>/<implementation>/<arm>; empty for all. Of a study of which arms are chosen, the summary does
    not wait for the other arms, nor that of an arm of the rewrite for the authors' code.
    """
    names = {"report"}
    for one in chosen or {Path(name).parent.name for name in jobs}:
        study, _, arm = one.partition("/")
        own = [job for job in jobs.values() if Path(job.name).parent.name == study]
        others = {job.name for job in own if arm and job.is_cell and f"/studies/{one}/" not in job.outs[0]}
        if arm.startswith("reimpl/"):
            others |= {job.name for job in jobs.values() if job.is_of_the_authors}
        for job in own:
            if job.name not in others:
                names |= {job.name} | upstream(jobs, job.before - others)
    return names


def seconds(jobs):
    """How long each job takes: by the record of its last run, or the one that is kept of it, else by those of its kind, else by
    those of its stage, else a guess (UNKNOWN)."""
    took, like = {name: _seconds(job) for name, job in jobs.items()}, {}
    for name, value in took.items():
        for what in {jobs[name].kind, jobs[name].stage} if value is not None else ():
            like.setdefault(what, []).append(value)
    return {name: value if value is not None else statistics.median(like.get(job.kind) or like.get(job.stage) or [UNKNOWN])
            for (name, job), value in zip(jobs.items(), took.values())}


def _seconds(job):
    files = [job.record] if job.is_cell else []
    files += [kept_folder(file.parent) / FILE for file in files if file.is_relative_to(RUNS)]
    found = (read_json(file)["evidence"].get("seconds") for file in files if file.exists())
    return next((value for value in found if value is not None), None)


def longest_chain(jobs, todo, took):
    """Seconds that the jobs named in `todo` take where each begins as soon as those before it have ended."""
    ended = {}
    for name in (name for name in jobs if name in todo):  # upstream first
        ended[name] = took[name] + max((ended[before] for before in jobs[name].before if before in ended), default=0.0)
    return max(ended.values(), default=0.0)


def tell(jobs, todo, at_once):
    """Print the jobs that would run, and how long they take in all with so many at a time."""
    took = seconds(jobs)
    tell_kinds(jobs, todo, took)
    total = clock(sum(took[name] for name in todo) / at_once)
    print(f"{len(todo)} of {len(jobs)} stages to run, about {total} with {at_once} at a time")


def tell_kinds(jobs, todo, took):
    """Print a line for each kind of the jobs that would run. Args: took: seconds, by name."""
    for kind in dict.fromkeys(jobs[name].kind for name in jobs if name in todo):
        names = [name for name in jobs if name in todo and jobs[name].kind == kind]
        cells = ", ".join(name.partition("@")[2] for name in names if "@" in name)
        print(f"{kind}: {len(names)} to run, about {clock(sum(took[name] for name in names))}{f'  ({cells})' if cells else ''}")


def clock(count):
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(count), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
