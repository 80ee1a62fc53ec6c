"""Dataclasses from JSON values, with a check of each type: a record may be damaged, or a person may have changed it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_Record = TypeVar("_Record")
# What JSON has for a type, and its name in a message.
_PLAIN: Mapping[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    types.NoneType: ((types.NoneType,), "null"),
}
# Letters of a wrong value that are shown.
_SHOWN = 60


class RecordError(TypeError):
    """Values that are not those of a record; the message names the first wrong one, and what is wanted there."""


def record_from(kind: type[_Record], values: object, place: str = "") -> _Record:
    """A record from its values, as ``dataclasses.asdict`` gives them.

    Args:
        kind: a dataclass whose fields are texts, numbers, booleans, lists, dicts by texts, and other dataclasses.
            Values of other names are left out: another version may have written them.
        values: as JSON gives them.
        place: the record's own, for messages.

    Raises:
        RecordError: a value is missing, or of another type.
    """
    if not isinstance(values, Mapping):
        raise _wrong(values, place or "the whole", "{NAME: VALUE}")
    wanted, found = get_type_hints(kind), {}
    for field in fields(kind):  # type: ignore[arg-type]
        at = f"{place}.{field.name}" if place else field.name
        if field.name in values:
            found[field.name] = _value(wanted[field.name], values[field.name], at)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise RecordError(f"{at} is missing")
    return kind(**found)


def _value(wanted: Any, value: object, place: str) -> Any:
    """The value, as an annotation says."""
    if is_dataclass(wanted):
        return record_from(wanted, value, place)  # type: ignore[arg-type]
    kind, inner = get_origin(wanted), get_args(wanted)
    if kind is list:
        if not isinstance(value, list):
            raise _wrong(value, place, "a list")
        return [_value(inner[0], each, f"{place}[{number}]") for number, each in enumerate(value)]
    if kind is dict:
        if not isinstance(value, dict):
            raise _wrong(value, place, "{NAME: VALUE}")
        return {name: _value(inner[1], each, f"{place}.{name}") for name, each in value.items()}
    if kind in (Union, types.UnionType):
        return None if value is None else _value(next(one for one in inner if one is not types.NoneType), value, place)
    plain, name = _PLAIN[wanted]
    # Python counts True among the whole numbers.
    if not isinstance(value, plain) or (isinstance(value, bool) and wanted is not bool):
        raise _wrong(value, place, name)
    return value


def _wrong(value: object, place: str, wanted: str) -> RecordError:
    return RecordError(f"{place} is {repr(value)[:_SHOWN]}, and {wanted} is wanted")
