"""A study, as its study.yaml describes it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import UserError
from harness.files import read_yaml
from harness.params import lookup, mapping_of, seeds
from harness.stages import GROUPS, IMPLEMENTATIONS, SCORED, of_group
from harness.validation import NAME, build, check_name, need

KINDS = ("above", "equal", "same", "varies", "collapses")
JOINT = ("whole", "baseline")
"""The groups whose arms may change the split (Dataset.joint), since they start from the images."""
SCORES = ("acc", "acc_many_to_one", "acc_reference", "nmi", "ari")
"""The figures of a clustering, in percent, that a study's table may show."""
METRICS = (*SCORES, "train_accuracy", "test_accuracy")
"""The figures of records that are shown in percent."""
SHARES = ("acc", "acc_many_to_one", "acc_reference", "train_accuracy", "test_accuracy")
"""Figures that are shares of images: of those alone it is known how much the draw of the test images adds to their error."""
FIGURES = (*SHARES, "balance", "prototypes")
"""What a claim may be about: a share; or the accuracy that clusters of such sizes allow, or the share of prototypes that are of
the class that their cluster is matched to (report/runs.py)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a paper says about a step, in a form that runs can bear out or not."""

    text: str
    """The claim in a sentence."""
    source: str
    """Where it is made."""
    kind: str
    """above: more than another step, or than `value` | equal: within `margin` of `value` | same: within `margin` of another
    step | varies: its runs lie further apart than another step's | collapses: every run is at chance, or uses fewer than half of
    its clusters (report/runs.py)."""
    of: str
    """The step that the claim is about: `reimpl/default/selflabel`, say."""
    figure: str = "acc"
    """One of FIGURES."""
    than: str = ""
    """The other step, for `above`, `same` and `varies`."""
    than_figure: str = ""
    """The figure of `than`, where it is not that of `of`; then both may be one step."""
    value: float = 0.0
    """In percent: the published mean, for `equal`, or what is exceeded, for `above`. 0 is none."""
    value_error: float = 0.0
    """Standard error of `value` in points, for `equal`; 0 where it is not known."""
    margin: float = 0.0
    """In points: how far off still counts as equal or same, or as no difference where kind is above. 0: what matters."""
    about: tuple[str, ...] = ()
    """The settings that the claim is about, such as scan.num_neighbors, where its two arms differ in more than one; what else
    they differ in confounds it."""
    dataset: str = ""
    """The data set that the claim is about, as in params.yaml; empty where it is about any."""
    published: str = ""
    """Published figures, as text to stand beside ours: "87.6 ± 0.4 against 81.8 ± 0.3, CIFAR-10", say."""

    def __post_init__(self):
        need(self.kind in KINDS, "kind", repr(self.kind), "above, equal, same, varies or collapses")
        for key in ("text", "source", "of", "figure"):
            need(getattr(self, key), key, repr(getattr(self, key)), "some text")
        where = f"where kind is {self.kind}"
        need(-100 <= self.value <= 100, "value", self.value, "a percentage")
        need(self.figure in FIGURES, "figure", repr(self.figure), f"a share of images: {', '.join(FIGURES)}")
        need(self.margin >= 0, "margin", self.margin, "above 0, or left out for what matters in general")
        if self.kind in ("varies", "collapses"):
            need(self.margin == 0, "margin", self.margin, f"left out {where}")
        if self.kind == "above":
            need(bool(self.than) != bool(self.value), "than", repr(self.than), f"a step, or a value given instead, {where}")
        elif self.kind in ("same", "varies"):
            need(self.than, "than", repr(self.than), f"a step {where}")
        else:
            need(not self.than, "than", repr(self.than), f"left out {where}")
        if self.kind == "equal":
            need(self.value, "value", self.value, f"the published mean in percent {where}")
        elif self.kind != "above":
            need(not self.value, "value", self.value, f"left out {where}")
        need(self.value_error == 0 or self.kind == "equal" and self.value_error > 0, "value_error", self.value_error,
             "in points above 0, where kind is equal, or left out")
        need(self.than_figure in ("", *FIGURES), "than_figure", repr(self.than_figure), f"one of {', '.join(FIGURES)}")
        need(self.than or not self.than_figure, "than_figure", repr(self.than_figure), "left out where there is no `than`")
        need((self.than, self.than_figure or self.figure) != (self.of, self.figure), "than", repr(self.than),
             "another step than `of`, or the same with another figure")


@dataclass(frozen=True, slots=True)
class Figures:
    """Published figures of one step, in percent: of each metric a mean, or a mean and a deviation, or None."""

    source: str
    dataset: str
    step: str
    """As in Claim; or the stage alone, where they are of no arm."""
    n: int = 0
    """How many runs they are the mean of; 0 where that is not known."""
    acc: tuple[float, ...] = None
    acc_many_to_one: tuple[float, ...] = None
    acc_reference: tuple[float, ...] = None
    nmi: tuple[float, ...] = None
    ari: tuple[float, ...] = None
    train_accuracy: tuple[float, ...] = None
    test_accuracy: tuple[float, ...] = None

    def __post_init__(self):
        need(self.n >= 0, "n", self.n, "how many runs, or left out")
        for key in METRICS:
            figure = getattr(self, key)
            need(figure is None or 1 <= len(figure) <= 2 and all(-100 <= value <= 100 for value in figure), key,
                 list(figure or ()), "a mean in percent, or a mean and a deviation")


START = {"pretext": "simclr", "scan": "main/reimpl/default"}


@dataclass(frozen=True, slots=True)
class Study:
    """The fields of a study.yaml."""

    title: str
    question: str
    arms: dict
    """Implementation -> group (harness.stages.GROUPS) -> arm -> stage -> the settings that the arm changes."""
    shared: tuple[str, ...] = ()
    """What all studies share and this one reports, as folders under runs/<dataset>/: `neighbors/simclr`, say."""
    start: dict[str, str] = field(default_factory=START.copy)
    """What the arms start from: `pretext`, a pretext task, where they name none of their own [simclr]; `scan`, for the group
    selflabel, another study's arm as `<study>/<implementation>/<arm>` [main/reimpl/default]."""
    reads: dict[str, str] = field(default_factory=dict)
    """Arm -> the arm of another study, as above, that is the same cell and so is not run again."""
    labels: dict[str, str] = field(default_factory=dict)
    """Arm -> what the report calls it; left out, its name, with spaces for underscores."""
    scores: tuple[str, ...] = ("acc", "nmi", "ari")
    """The figures of its table, of SCORES; acc is one, since drawings show it."""
    axis: str = ""
    """The setting that the arms vary, such as scan.num_neighbors, where they make a curve."""
    clustering_seeds: tuple[int, ...] = ()
    """Where the study has its own instead of those of params.yaml."""
    published: tuple[dict, ...] = ()
    """Published figures, each as Figures has them."""
    claims: tuple[Claim, ...] = ()
    matters: float = 0.0
    """The smallest difference that matters here, in points, where a claim has no margin of its own. 0: the data set's."""

    def __post_init__(self):
        need("acc" in self.scores and {*self.scores} <= {*SCORES}, "scores", list(self.scores),
             f"acc and any others of {', '.join(SCORES)}")
        need(0 <= self.matters < 100, "matters", self.matters, "a number of points, or left out for what matters on the data set")

    def has(self, implementation, group):
        """Whether there are arms of the group."""
        return bool(self.arms.get(implementation, {}).get(group))

    def has_arms(self):
        """Whether there are any: else the study reads what others run."""
        return bool(self.each_arm())

    def each_arm(self):
        """(implementation, group, arm, what it changes, as `arms` has it) of every arm, in a list, in the order of study.yaml."""
        return [(implementation, group, arm, changes) for implementation, groups in self.arms.items()
                for group, arms in groups.items() for arm, changes in arms.items()]

    def group(self, implementation, arm):
        """The group that an arm stands in. Raises UserError where there is no such arm."""
        groups = {name: group for one, group, name, _ in self.each_arm() if one == implementation}
        if arm not in groups:
            if implementation not in IMPLEMENTATIONS:
                asked = "/".join(filter(None, (implementation, arm)))
                raise UserError(f"'{asked}' is no arm of the study “{self.title}”: name it with its implementation, "
                                f"{' or '.join(f'{one}/ARM' for one in IMPLEMENTATIONS)}")
            known = ", ".join(groups) or "none"
            raise UserError(f"the study “{self.title}” has no arm '{arm}' of {implementation}; it has {known}")
        return groups[arm]

    def unchanged(self):
        """The arms that change no setting, as <implementation>/<arm>."""
        return [f"{implementation}/{arm}" for implementation, _, arm, changes in self.each_arm() if not any(changes.values())]

    def run(self, implementation, group):
        """The Stages that the arms of a group run anew."""
        arms = self.arms.get(implementation, {}).get(group, {})
        return [stage for stage in of_group(group)
                if arms and not stage.optional or any(stage.name in changes for changes in arms.values())]

    def variant(self, stage, implementation, arm):
        """What a Stage of an arm is run on, or as: the pretext task or method that the arm names, else what all start from."""
        changes = self.arms[implementation][self.group(implementation, arm)][arm]
        (variant,) = changes.get(stage.picks("reimpl")) or [stage.variant or self.start["pretext"]]
        return variant

    def stages(self):
        """The stages with predictions that the study is about, in the order of the method: those that its arms run, and those of
        arms that its claims name."""
        run = {stage.name for implementation, groups in self.arms.items() for group in groups
               for stage in self.run(implementation, group)}
        named = {step.split("/")[-1] for claim in self.claims for step in (claim.of, claim.than) if step.count("/") == 2}
        return [stage for stage in SCORED if stage in run | named]


FILE = "study.yaml"


def names():
    """Every study: the folders of studies/ with a study.yaml."""
    return sorted(file.parent.name for file in Path("studies").glob(f"*/{FILE}"))


def load_study(name):
    """The Study in studies/<name>/study.yaml. Raises UserError, naming file and key, for whatever is wrong with it."""
    file = Path("studies") / name / FILE
    check_name(name, f"{file}: the name of the study")
    mapping = read_yaml(file)
    study = build(Study, mapping, str(file))
    study = replace(study, start=START | study.start)
    for key in study.start:
        if key not in START:
            raise UserError(f"{file}: start has '{key}'; it has {' and '.join(START)} only")
    check_name(study.start["pretext"], f"{file}: start.pretext")
    arms_elsewhere = {"start.scan": study.start["scan"]} | {f"reads.{arm}": target for arm, target in study.reads.items()}
    for key, target in arms_elsewhere.items():
        if not all(NAME.fullmatch(part) for part in target.split("/")) or target.count("/") != 2:
            raise UserError(f"{file}: {key} is {target!r}, and should be <study>/<implementation>/<arm>")
    for arm in study.reads:
        check_name(arm, f"{file}: reads: the name of an arm")
    for index, figures in enumerate(study.published):
        build(Figures, figures, f"{file}: published.{index}")
    for implementation in study.arms:
        if implementation not in IMPLEMENTATIONS:
            raise UserError(f"{file}: arms.{implementation} is unknown; known are {', '.join(IMPLEMENTATIONS)}")
    study = replace(study, arms={implementation: checked_groups(groups, f"{file}: arms.{implementation}")
                                 for implementation, groups in study.arms.items()})
    arms = {arm for _, _, arm, _ in study.each_arm()} | set(study.reads)
    for arm in study.labels:
        if arm not in arms:
            raise UserError(f"{file}: labels has '{arm}', which is no arm; the arms are {', '.join(sorted(arms))}")
    check_authors_arms(study, file)
    if "clustering_seeds" in mapping:
        seeds("clustering_seeds", mapping, file)
    return study


def checked_groups(groups, where):
    """An implementation's arms by group; where all of them are left out, an empty mapping. Raises UserError unless they stand in
    groups that there are, each arm once and with its stages."""
    found, group_of = {}, {}
    for group, given in mapping_of("groups of arms", groups, where).items():
        lookup(GROUPS, group, f"{where}.{group} is unknown; the list of groups")
        found[group] = arms = mapping_of("arms", given, f"{where}.{group}")
        for arm, changes in arms.items():
            check_name(arm, f"{where}.{group}: the name of an arm")
            if arm in group_of:
                raise UserError(f"{where} has the arm '{arm}' in the groups {group_of[arm]} and {group}")
            group_of[arm] = group
            check_arm(group, changes, f"{where}.{group}.{arm}")
        for stage in (stage.name for stage in of_group(group) if stage.optional):
            without = [arm for arm, changes in arms.items() if stage not in changes]
            if without and len(without) < len(arms):
                raise UserError(f"{where}.{group}.{without[0]} has no '{stage}'; all arms of the group name it, or none")
    return found


def check_arm(group, changes, where):
    """Raise UserError unless an arm has a mapping of settings for each stage of its group that it names, and nothing else."""
    lookup(GROUPS, group, f"arms has groups of which one is '{group}', and the list of groups")
    stages = {stage.name: stage for stage in of_group(group) if stage.named}
    for name, stage in stages.items():
        if not isinstance({} if stage.optional and name not in (changes or ()) else lookup(changes, name, where), dict):
            raise UserError(f"{where}.{name} should be a mapping of settings, {{}} to change none")
    for key in changes:
        if key == "dataset" and group in JOINT:
            check_images(changes[key], f"{where}.{key}")
        elif key not in stages:
            raise UserError(f"{where} has '{key}'; an arm of the group {group} changes settings of {', '.join(stages)} only")
    if {"dataset", "kmeans"} <= set(changes):
        raise UserError(f"{where} has 'dataset' and 'kmeans'; leave out one, since k-means knows the training images alone")
    if group == "baseline" and len(changes["baseline"]) != 1:
        raise UserError(f"{where}.baseline has {len(changes['baseline'])} methods, and should have one")
    if len(changes.get("pretext", ())) > 1:
        raise UserError(f"{where}.pretext has {len(changes['pretext'])} pretext tasks, and should have one")


def check_images(changes, where):
    """Raise UserError unless an arm changes of the data set what does not change the prepared images."""
    for key in mapping_of("settings", changes, where):
        if key != "joint":
            raise UserError(f"{where} has '{key}'; an arm may change joint alone, since all have the images that are prepared")


def check_authors_arms(study, file):
    """Raise UserError for arms of the authors' code that no stage would run."""
    groups = [group for group, arms in study.arms.get("original_ref", {}).items() if arms]
    for group in groups:
        if group != "clustering":
            raise UserError(f"{file}: arms.original_ref.{group} is not run; "
                            "the authors' code has arms of the group clustering only")
    if groups and study.start["pretext"] != "simclr":
        raise UserError(f"{file}: start.pretext is {study.start['pretext']!r}, and the authors' code has simclr only")
