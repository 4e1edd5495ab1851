"""The list of divergences names settings that there are, and lines that the authors' code has."""

import re
import typing

import pytest

from harness.files import read_yaml
from harness.settings import InstanceDiscrimination, Scan, SelfLabel
from original_ref.checkout import folder

LIST = read_yaml("original_ref/divergences.yaml")
entries = pytest.mark.parametrize("name", LIST)


def keys(known):
    """What a section has, be it a mapping or a settings dataclass, inherited fields included."""
    return known if isinstance(known, dict) else typing.get_type_hints(known)


@entries
def test_an_entry_is_complete_and_its_setting_exists(name):
    entry = LIST[name]
    assert set(entry) == {"paper", "code", "reimpl", "setting", "concerns"}
    assert entry["concerns"] in ("results", "speed", "failures")
    digits = read_yaml("params.yaml")["datasets"]["digits"]
    for setting in filter(None, entry["setting"].split(", ")):
        *sections, key = setting.split(".")
        known = {"scan": Scan, "selflabel": SelfLabel, "pretext": {"simclr": InstanceDiscrimination},
                 "augmentation": digits["augmentation"], "seeds": 0}
        for section in sections:
            known = keys(known)[section]
        assert key in keys(known), setting


@entries
def test_the_lines_that_an_entry_names_are_there(name):
    if not folder().exists():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    for file, lines in re.findall(r"([\w/]+\.py):([\d, -]*\d)", LIST[name]["code"]):
        text = (folder() / file).read_text().splitlines()
        assert max(int(number) for number in re.findall(r"\d+", lines)) <= len(text), file
