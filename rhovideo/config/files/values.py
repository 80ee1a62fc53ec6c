"""Reading one value as what its key needs.

PyYAML takes ``1e-6`` for a string, ``("backbone.",)`` too, and an empty value for None. Here the key's
definition says what is meant.
"""

from __future__ import annotations

import ast
import copy
import math
import sys
from typing import Any

import yaml

from rhovideo.config.schema.definition import AUTO, EXAMPLES, Key

# What PyYAML raises for a value: its own errors; ValueError for ``2026-02-30``, which looks like a date and is none;
# and the others where a tag does not fit, as in ``!!int ""``, ``!!bool maybe`` and ``!!timestamp x``.
UNREADABLE_VALUE = (yaml.YAMLError, ValueError, IndexError, KeyError, AttributeError)


class ValueProblem(ValueError):
    """A value that does not fit its key; ``write`` says what would."""

    def __init__(self, wrong: str, write: str) -> None:
        super().__init__(wrong)
        self.write = write


def interpret(key: Key, value: Any, text: str | None = None) -> Any:
    """``value`` in the type that ``key`` needs, or the word ``auto`` where it may be that.

    Args:
        key: its definition; an empty value (None) means its default.
        value: what YAML or the caller made of it.
        text: the scalar as it was written, taken for keys that hold text (``OUTPUT_DIR: 2024``).

    Raises:
        ValueProblem: the value cannot be meant for this key.
    """
    if value is None or value == "None":
        return copy.deepcopy(key.default)
    if key.auto and value == AUTO:
        return AUTO
    if key.kind.endswith("list"):
        return type(key.default)(_sequence(value, key.kind))
    if key.kind == "str" and text is not None:
        return text
    return _scalar(value, key.kind)


def from_word(word: object) -> tuple[Any, str | None]:
    """An override as it came from a shell (or from Python): its YAML value, and its text where it is a scalar."""
    if not isinstance(word, str):
        return word, None if isinstance(word, (list, tuple, dict)) else str(word)
    try:
        value = yaml.safe_load(word) if word.strip() else word
    except (*UNREADABLE_VALUE, RecursionError):
        value = word
    return value, word


def _scalar(value: Any, kind: str) -> Any:
    if kind == "bool":
        return _bool(value)
    if kind == "str":
        if isinstance(value, str):
            return value
    elif kind in ("int", "float", "number"):
        number = _number(value)
        if number is not None and (kind != "int" or _is_whole(number)):
            return float(number) if kind == "float" else int(number) if kind == "int" else number
        kind = "float" if kind == "number" else kind  # an element of a "number list", no kind of a key
    raise _misfit(value, kind)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str) else ""
    if word in ("true", "false"):
        return word == "true"
    raise _misfit(value, "bool")


def _number(value: Any) -> int | float | None:
    """An int or float, also from text such as ``"1e-6"``, ``"-inf"`` or ``"8"``; None for anything else.

    A whole number that no float can hold is none either.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.strip().replace(".inf", "inf"))
        except ValueError:
            return None
        value = int(value) if _is_whole(value) else value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return None
    return value if isinstance(value, (int, float)) else None


def _is_whole(number: int | float) -> bool:
    return math.isfinite(number) and number == int(number)


def _sequence(value: Any, kind: str) -> list[Any]:
    if isinstance(value, str):
        value = _literal(value, kind)
    if not isinstance(value, (list, tuple)):
        raise _misfit(value, kind)
    if kind == "nested list":
        return [_nested(element) for element in value]
    element_kind = kind.removesuffix(" list")
    try:
        return [_scalar(element, element_kind) for element in value]
    except ValueProblem:
        raise _misfit(value, kind) from None


def _literal(text: str, kind: str) -> Any:
    """A Python literal that YAML takes for text: ``("backbone.",)``."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the last two: of thousands of brackets
        raise _misfit(text, kind) from None


def _nested(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_nested(element) for element in value]
    number = _number(value)
    if number is None:
        raise _misfit(value, "nested list")
    return number


# The types by name; EXAMPLES has them with an example.
_NAMES = {
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "str": "a word or a path",
    "number list": "a list of numbers",
    "int list": "a list of whole numbers",
    "float list": "a list of numbers",
    "str list": "a list of words",
    "nested list": "a list of lists",
}


def _misfit(value: Any, kind: str) -> ValueProblem:
    return ValueProblem(f"{value!r} is not {_NAMES[kind]}", EXAMPLES[kind])
