"""Names and settings out of YAML, checked: the type, the range, what is unknown, what is missing."""

import contextlib
import dataclasses
import difflib
import math
import re
import types
import typing

from harness.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LARGEST = 2**31 - 1  # of whole numbers: what every library that they go to takes


def check_name(value, where, taken=()):
    """Raise UserError unless `value` will do as the name of a data set, a study, an arm or a pretext task.

    Names stand in commands, in paths (also where capitals are small letters), in dotted keys, and before the seeds in DVC's names
    of stages. Args: where: what is named, for the message; taken: names that the project has used up.
    """
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise UserError(f"{where} is {value!r}, and should be small letters, digits and underscores, beginning with a letter, 64 "
                        "at most")
    if value in taken:
        raise UserError(f"{where} is {value!r}, which is taken, as are {', '.join(taken)}; choose another name")


def need(condition, key, value, right):
    """Raise ValueError, naming the key, the value and what would be right, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{key} is {value}, and should be {right}")


def build(cls, mapping, where):
    """An instance of the settings dataclass `cls` from a mapping out of YAML.

    Args: `where` names file and key, for messages.
    Raises: UserError for an unknown key (with the nearest known), a missing one, a wrong type, a value out of range.
    """
    if not isinstance(mapping, dict):
        raise UserError(f"{where} should be a mapping of settings, not {mapping!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in mapping:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(fields) or 'none'}"
            raise UserError(f"{where}: unknown setting '{key}'; {hint}")
    missing = [name for name, field in fields.items() if name not in mapping
               and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING]
    if missing:
        raise UserError(f"{where}: the setting '{missing[0]}' is missing")
    hints = typing.get_type_hints(cls)
    values = {key: _convert(value, hints[key], f"{where}.{key}") for key, value in mapping.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def _convert(value, kind, where):
    """`value` as the annotated type: bool, int, float, str, dict, dict[str, x], tuple[x, ...] or a settings dataclass; or such a
    type | Literal[a word].

    A dict without a type of its values holds what YAML does, to any depth: its numbers are finite, and its keys text.
    """
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind, literal = typing.get_args(kind)
        words = typing.get_args(literal)
        if isinstance(value, str) and value not in words:
            raise UserError(f"{where} is {value!r}, and should be a value or {' or '.join(words)}")
        return value if isinstance(value, str) else _convert(value, kind, where)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{where} is {value!r}, and should be a list")
        return tuple(_convert(item, typing.get_args(kind)[0], f"{where}.{index}") for index, item in enumerate(value))
    if typing.get_origin(kind) is dict:
        items = _convert(value, dict, where).items()
        return {key: _convert(item, typing.get_args(kind)[1], f"{where}.{key}") for key, item in items}
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):  # YAML 1.1 reads 1e-4 as text
            value = float(value)
    if type(value) is not kind:
        raise UserError(f"{where} is {value!r}, and should be of type {kind.__name__}")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{where} is {value}, and should be a finite number")
    if kind is int and abs(value) > LARGEST:
        raise UserError(f"{where} is {value}, and should be {LARGEST} at most")
    if kind is dict:
        _check_plain(value, where)
    return value


def _check_plain(value, where):
    """Raise UserError unless `value` is made of text, finite numbers, true and false, none, lists, and mappings from text."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise UserError(f"{where} has the key {key!r}, and should have text for keys")
            _check_plain(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_plain(item, f"{where}.{index}")
    elif type(value) in (int, float):
        _convert(value, type(value), where)
    elif value is not None and not isinstance(value, (str, bool)):
        raise UserError(f"{where} is {str(value)!r}, and should be text, a number, true or false")
