"""The stages, in the order in which data flows. All else that tells of them is derived from this table.

A new stage is its module and an entry here.
"""

from dataclasses import dataclass, field

IMPLEMENTATIONS = ("reimpl", "original_ref")
GROUPS = {"whole": "_of_own_pretext", "clustering": "", "scan": "_alone", "selflabel": "_alone", "baseline": ""}
"""The groups that the arms of studies stand in, by what they run anew; and how DVC's names of their stages end, since a study may
have arms of several."""
PICKED = {"pretext": "reimpl.tasks", "baseline": "reimpl.baselines"}
"""The sections of which a module each is picked by name, `pretext.<task>` and `baseline.<method>`, and the packages of these."""
READ = (".npy", ".npz", ".bin", ".pt")
"""How the files end that a stage leaves for others to read; its record is left out, which holds times."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One command, `python -m <implementation> <name>`: a module with `run(cell, settings, inputs, out)`."""

    name: str
    implementations: tuple[str, ...]
    sections: tuple[str, ...]
    """What it reads of params/<data set>.yaml, by any implementation; {task} is the pretext task, or the method."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Options of the command, besides `data` -> <stage>/<file>: whose folder is named, and what is read there."""
    outputs: tuple[str, ...] = ()
    """What it writes beside its record."""
    option: str = ""
    """That of the command which says on what, or as what, it runs, where there are several."""
    variants: dict[str, str] = field(default_factory=dict)
    """What that may be, and its title in the report; empty for a pretext task."""
    variant: str = ""
    """The one of arms, unless it is their pretext task."""
    seeds: str = ""
    """pretext | clustering: runs once for each pretext seed, or for each clustering seed on each of them."""
    groups: tuple[str, ...] = ()
    """Those whose arms run it."""
    named: bool = True
    """Whether such an arm names it, with the settings of it that the arm changes, if only none."""
    optional: bool = False
    """Whether the arms of a group may do without it: it is run where they name it."""
    title: str = ""
    """What the report calls its result."""
    scored: bool = False
    """Whether it assigns the test images to clusters."""
    module: str = ""
    """Within the implementation's package, where it is not called as the stage."""
    reads_images: bool = True
    together: bool = False
    """Whether the rewrite trains it by several processes where execution.processes asks for them."""

    @property
    def folders(self):
        """The options of the command that name a folder to read."""
        return ("data", *self.inputs) if self.reads_images else ()

    @property
    def shared(self):
        """Whether all studies share its results, besides those of their arms."""
        return self.seeds != "clustering" and "baseline" not in self.groups

    def picks(self, implementation):
        """The section of PICKED of whose modules its code has one, or "". The authors' code has one pretext task only."""
        picked = (section.partition(".")[0] for section in self.sections if "{task}" in section)
        return next(picked, "") if implementation == "reimpl" else ""

    def code(self, implementation, task=""):
        """What the file is called that has the hashes of its code."""
        return f"{implementation}.{self.name}" + f".{task}" * bool(self.picks(implementation))


TASK = ("dataset", "network", "pretext.{task}")
PIPELINE = (
    Stage("listing", ("harness",), ("dataset",), reads_images=False),
    Stage("dataset", ("harness",), ("dataset",), reads_images=False, module="datasets"),
    Stage("pretext", IMPLEMENTATIONS, TASK, {}, ("model.pt",), option="task", seeds="pretext", groups=("whole",),
          together=True),
    Stage("neighbors", ("reimpl",), (*TASK, "neighbors"), {"pretext": "pretext/model.pt"}, ("neighbors.npz", "embeddings.npz"),
          option="task", seeds="pretext", groups=("whole",), named=False),
    Stage("kmeans", ("reimpl",), ("kmeans",), {"features": "neighbors/embeddings.npz"}, ("predictions.npz",), option="on",
          variants={"pixels": "pixels + k-means", "embeddings": "pretext + k-means"}, variant="embeddings", seeds="pretext",
          groups=("whole",), optional=True, title="pretext + k-means", scored=True),
    Stage("baseline", ("reimpl",), ("dataset", "network", "baseline.{task}", "augmentation"), {}, ("predictions.npz",),
          option="method", seeds="pretext", groups=("baseline",), title="baseline", scored=True),
    Stage("scan", IMPLEMENTATIONS, ("dataset", "network", "scan", "augmentation"),
          {"pretext": "pretext/model.pt", "neighbors": "neighbors/neighbors.npz"}, ("model.pt", "predictions.npz"),
          seeds="clustering", groups=("whole", "clustering", "scan"), title="SCAN", scored=True, together=True),
    Stage("selflabel", IMPLEMENTATIONS, ("dataset", "network", "selflabel", "augmentation"),
          {"scan": "scan/model.pt"}, ("model.pt", "predictions.npz"),
          seeds="clustering", groups=("whole", "clustering", "selflabel"), title="SCAN + self-label", scored=True, together=True),
)
MEASUREMENTS = (
    Stage("augmentation", IMPLEMENTATIONS, ("dataset", "augmentation"), option="kind"),
    Stage("operations", ("reimpl",), (*TASK, "scan"), option="task"),
)
"""What `make bench` runs besides."""
TASK_TITLES = {"simclr": "SimCLR"}  # of those that are not called by their name
STAGES = {stage.name: stage for stage in (*PIPELINE, *MEASUREMENTS)}
SCORED = tuple(stage.name for stage in PIPELINE if stage.scored)
BASELINES = tuple(f"{stage.name}/{variant}" for stage in PIPELINE if stage.scored for variant in stage.variants)
"""Steps that all studies share and that are scored, too."""


def of_group(group):
    """The Stages that an arm of the group runs anew, or may."""
    return [stage for stage in PIPELINE if group in stage.groups]


def made_from(name):
    """The names of a stage and of those whose results it is made from."""
    images = {"dataset"} if STAGES[name].reads_images else set()
    return {name}.union(images, *(made_from(path.split("/")[0]) for path in STAGES[name].inputs.values()))


def shared_steps(tasks):
    """The steps that all studies share, as folders under runs/<data set>/. Args: tasks: names of pretext tasks."""
    ours = [f"{stage.name}/{variant}" for stage in PIPELINE if stage.seeds and stage.shared
            for variant in stage.variants or tasks]
    return [*ours, "original_ref/pretext/simclr"]


def title(step):
    """What the report calls a stage's result, or that of a step which all studies share."""
    *_, name, variant = ("", *step.split("/"))
    if variant in STAGES:
        return STAGES[variant].title
    return STAGES[name].variants.get(variant) or TASK_TITLES.get(variant, variant)
