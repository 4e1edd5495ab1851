"""The settings of a stage, by section, out of a mapping that has the form of params/<data set>.yaml.

That is such a file itself, with what an arm changes laid over it (harness/pipeline/resolve.py), or the part of it that a stage
needs: the file that its command names by --settings.
"""

from dataclasses import fields

from harness.augmentations import AUGMENTATIONS
from harness.errors import UserError
from harness.files import read_json
from harness.params import lookup, mapping_of, overlay
from harness.settings import SECTIONS
from harness.stages import PICKED, STAGES
from harness.tasks import settings_of
from harness.validation import build


class Sections:
    """Settings by section, with changes laid over them.

    Args: base: the mapping, out of the file `file`; changes: another, which `arm` says the place of.
    """

    def __init__(self, base, file, changes=None, arm=""):
        self.base, self.file, self.changes, self.arm = base, file, changes or {}, arm

    def mapping(self, key):
        """The raw mapping of a section, e.g. `scan` or `augmentation.strong`."""
        base, changes, parts = self.base, self.changes, key.split(".")
        for depth, part in enumerate(parts, 1):
            base = lookup(base, part, self.where(".".join(parts[: depth - 1])))
            where = self.where(".".join(parts[:depth]))
            base, changes = (mapping_of("settings", value, where) for value in (base, changes.get(part)))
        return overlay(base, changes)

    def where(self, key=""):
        """Where the section `key` stands, for a message."""
        file = f"{self.file}: {key}" if key else str(self.file)
        return f"{file} with {self.arm}.{key}".rstrip(".") if self.arm else file

    def read(self, key, cls):
        """The section `key` as the settings dataclass `cls`."""
        return build(cls, self.mapping(key), self.where(key))


def keys(stage, implementation, task):
    """The sections that a Stage reads, but those of augmentations. The authors' pretext task mines the neighbors, too."""
    mines = implementation == "original_ref" and stage.name == "pretext"
    found = STAGES["neighbors"].sections if mines else stage.sections
    return [key.format(task=task) for key in found if key != "augmentation"]


def augmentations(stage, settings, variant):
    """Where the settings of each augmentation of a Stage stand, by what it is for, and its kind: {role: (key, kind)}. Roles are
    the fields of its own settings that end in `augmentation`."""
    own = settings.get(stage.name)
    if stage.name == "pretext":
        if not hasattr(own, "augmentation"):  # nothing is trained
            return {}
        (kind,) = own.augmentation
        return {"augmentation": (f"pretext.{variant}.augmentation.{kind}", kind)}
    if stage.name == "augmentation":
        return {"augmentation": (f"augmentation.{variant}", variant)}
    roles = [field.name for field in (fields(own) if own else ()) if field.name.endswith("augmentation")]
    kinds = {role: getattr(own, role) for role in roles}
    if kinds.get("neighbor_augmentation") == kinds.get("augmentation"):  # in one draw with that of the image
        kinds.pop("neighbor_augmentation", None)
    return {role: (f"augmentation.{kind}", kind) for role, kind in kinds.items() if kind}


def read_settings(sections, stage, implementation, variant=""):
    """All that a Stage reads: a settings dataclass for each of its sections, by their first names, and for each of its
    augmentations. Args: variant: the pretext task, the method or the like. Raises: UserError."""
    found = {}
    for key in keys(stage, implementation, variant):
        name = key.partition(".")[0]
        found[name] = sections.read(key, settings_of(variant, name) if name in PICKED else SECTIONS[name])
    for role, (key, kind) in augmentations(stage, found, variant).items():
        found[role] = read_augmentation(kind, sections, key)
        if found["dataset"].whole and getattr(found[role], "rotation", 0):
            raise UserError(f"{sections.where(key)}: rotation is {found[role].rotation}, and should be 0 with dataset.whole: "
                            "photographs are cropped as they are read, and the rotation comes before")
    return found


def read_augmentation(kind, sections, key):
    """The settings of the augmentation `kind`, which stand under `key`."""
    if kind not in AUGMENTATIONS:
        raise UserError(f"the augmentation is '{kind}', and should be one of {', '.join(AUGMENTATIONS)}")
    return sections.read(key, AUGMENTATIONS[kind])


def read_file(file, stage, implementation, variant=""):
    """The same from a settings file."""
    return read_settings(Sections(read_json(file), file), stage, implementation, variant)
