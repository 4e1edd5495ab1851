"""params/slurm.yaml: what the stages ask a cluster for, and how it is used."""

from dataclasses import dataclass, replace

from harness.errors import UserError
from harness.files import read_yaml
from harness.params import SETTINGS_FOLDER, execution, overlay, processes
from harness.stages import STAGES
from harness.validation import build, need

FILE = SETTINGS_FOLDER / "slurm.yaml"
LONGEST = 366 * 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for."""

    memory_mib: int
    """Of main memory, for each of execution.processes. Where a stage takes more, it is given twice as much, once."""
    minutes: int
    """Its time limit."""
    cpus: int = 0
    """Of a stage, on each node; 0 for execution.threads for each of its processes there."""
    gres: str = ""
    """GPUs on each node, as sbatch takes them: gpu:1, gpu:a100:1; empty for none."""
    nodes: int = 1
    """Over which execution.processes are spread evenly; a stage that one process runs has one."""
    partition: str = ""
    """Empty for the cluster's default."""
    account: str = ""
    flags: tuple[str, ...] = ()
    """What else sbatch is told, --exclude=n7 say."""

    def __post_init__(self):
        need(self.memory_mib > 0, "memory_mib", self.memory_mib, "above 0")
        need(0 < self.minutes <= LONGEST, "minutes", self.minutes, f"from 1 to {LONGEST}")
        need(self.cpus >= 0, "cpus", self.cpus, "0 or more")
        need(self.nodes >= 1, "nodes", self.nodes, "at least 1")
        need(all(flag.startswith("-") for flag in self.flags), "flags", list(self.flags), "options, each beginning with -")


@dataclass(frozen=True, slots=True)
class Cluster:
    """How the cluster is used."""

    default: dict
    """The Resources of every stage."""
    stages: dict[str, dict]
    """What of these differs, by the stage's name."""
    jobs: int = 200
    """That are in the queue at a time, at most."""
    warning_seconds: int = 120
    """Before its time limit a stage that trains is told to save itself, which it does at the end of an epoch."""
    poll_seconds: float = 2
    """Between two looks at the queue."""

    def __post_init__(self):
        need(self.jobs > 0, "jobs", self.jobs, "above 0")
        need(self.warning_seconds >= 0, "warning_seconds", self.warning_seconds, "0 or more")
        need(self.poll_seconds > 0, "poll_seconds", self.poll_seconds, "above 0 seconds")

    def resources(self, stage, implementation="reimpl"):
        """The Resources of a stage on each of its nodes, by its name. Raises UserError."""
        named = f"{FILE}: stages.{stage} over default" if stage in self.stages else f"{FILE}: default"
        build(Resources, self.default, f"{FILE}: default")  # so that its mistakes are not told of a stage
        found = build(Resources, overlay(self.default, self.stages.get(stage, {})), named)
        count = processes(implementation, STAGES[stage])
        nodes = found.nodes if count > 1 else 1
        if count % nodes:
            raise UserError(f"{named}: nodes is {nodes}, and should divide execution.processes in params.yaml, {count}")
        here = count // nodes
        return replace(found, memory_mib=found.memory_mib * here, cpus=found.cpus or execution().threads * here, nodes=nodes)


def cluster():
    """Raises UserError for what is wrong in any part of the file."""
    found, known = build(Cluster, read_yaml(FILE), str(FILE)), [name for name, stage in STAGES.items() if stage.seeds]
    for stage in found.stages:
        if stage not in known:
            raise UserError(f"{FILE}: stages has '{stage}', and there are {', '.join(known)}")
    for stage in known:
        found.resources(stage)
    return found
