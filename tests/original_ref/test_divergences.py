"""The list of divergences names settings that there are, lines that the authors' code has, and what each entry changes."""

import re
import typing
from dataclasses import fields

import pytest

from harness.files import read_yaml
from harness.params import Execution
from harness.pipeline.resolve import sections_of
from harness.pipeline.study import load_study
from harness.settings import KMeans, Optimizer, Scan, SelfLabel, Training
from harness.tasks import settings_of
from original_ref.checkout import folder
from report.summaries import flat

LIST = read_yaml("original_ref/divergences.yaml")
entries = pytest.mark.parametrize("name", LIST)


def keys(known):
    """What a section has, be it a mapping or a settings dataclass, inherited fields included."""
    return known if isinstance(known, dict) else typing.get_type_hints(known)


@entries
def test_an_entry_is_complete_and_its_setting_exists(name):
    entry = LIST[name]
    assert {"paper", "code", "reimpl", "setting", "concerns"} == set(entry) - {"effect"}
    assert all(isinstance(entry[key], str) and entry[key] for key in entry if key != "setting")
    assert entry["concerns"] in ("results", "speed", "failures")
    digits = read_yaml("params/digits.yaml")
    for setting in filter(None, entry["setting"].split(", ")):
        *sections, key = setting.split(".")
        known = {"scan": Scan, "selflabel": SelfLabel, "pretext": {"simclr": settings_of("simclr")},
                 "augmentation": digits["augmentation"], "pretext_seeds": 0, "clustering_seeds": 0,
                 "execution": Execution, "kmeans": KMeans}
        for section in sections:
            known = keys(known)[section]
        assert key in keys(known), setting


def test_an_entry_says_what_it_changes_unless_an_arm_measures_it():
    study = load_study("divergences")
    (implementation,), default = study.arms, "default"  # which the arms are compared with
    measured = {arm for arms in study.arms[implementation].values() for arm in arms} | set(study.reads) - {default}
    assert implementation == "reimpl" and default in study.reads and measured <= set(LIST)
    assert {name for name, entry in LIST.items() if "effect" in entry} == set(LIST) - measured


def test_an_arm_throws_the_switch_that_its_entry_names_and_no_other():
    """Each arm's settings by their full names: all that the entry names, with another value than the default's."""
    defaults = sections_of("digits")
    for groups in load_study("divergences").arms.values():
        for arm, changes in ((arm, changes) for arms in groups.values() for arm, changes in arms.items()):
            thrown = dict(flat(changes))
            assert thrown and set(thrown) == set(LIST[arm]["setting"].split(", ")), arm
            for setting, value in thrown.items():
                stage, _, key = setting.rpartition(".")
                assert value != effective(defaults, stage, key), setting


def effective(section, stage, key):
    """The value in force where no arm changes it."""
    mapping = section.mapping(stage)
    cls = {"scan": Scan, "selflabel": SelfLabel, "pretext.simclr": settings_of("simclr")}.get(stage)
    cls = cls or (Optimizer if stage.endswith("optimizer") else Training)
    return mapping.get(key, next((field.default for field in fields(cls) if field.name == key), None))


@entries
def test_the_lines_that_an_entry_names_are_there(name):
    if not folder().exists():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    for file, lines in re.findall(r"([\w/]+\.py):([\d, -]*\d)", LIST[name]["code"]):
        text = (folder() / file).read_text().splitlines()
        assert max(int(number) for number in re.findall(r"\d+", lines)) <= len(text), file
