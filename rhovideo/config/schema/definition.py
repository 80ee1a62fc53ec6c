"""A key's definition: everything that is known about one key, in one place. See :mod:`rhovideo.config.schema`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rhovideo.config.extension.registries import Registry
from rhovideo.config.findings import Finding

# Kinds of value, each with what to write for it.
EXAMPLES = {
    "bool": "True or False",
    "int": "a whole number, such as 8",
    "float": "a number, such as 0.1 or 1e-6",
    "str": "a word or a path",
    "number list": "a list of numbers, such as [0, 60, 120]",
    "int list": "a list of whole numbers, such as [1, 2]",
    "float list": "a list of numbers, such as [1, 0.1]",
    "str list": 'a list of words in brackets and quotes, such as ["one", "two"]',
    "nested list": "a list of lists, such as [[1], [2]]",
}

# No number of frames, videos or steps is larger, and torch's sizes overflow not far above.
_LARGEST = 2**53


# The value of a key that is found from the number of training videos and the devices.
AUTO = "auto"


@dataclass(frozen=True)
class Key:
    """One key of the configuration.

    Args:
        name: dotted, such as ``SOLVER.BASE_LR``.
        default: its value where no file and no override gives one. None: the task decides.
        help: its meaning, in whole sentences.
        kind: one of ``EXAMPLES``; empty: as the default shows.
        choices: the values that it may have; a mapping gives the meaning of each, a registry grows with what is
            registered.
        at_least, above, at_most: the range of a number, which None never breaks.
        infinite: whether the number may be infinite, or a whole number of any size.
        fixed: of PySlowFast's values only the default is built.
        ours: PySlowFast has no such key.
        auto: whether the value may be ``auto``, found by the rules of :mod:`rhovideo.config.auto_values`.
        released: what PySlowFast does otherwise with this key.
        read_as: PySlowFast's values that are read as one of ours.
        flag: its flag on the command line, such as ``--partition``.
        metavar: the name of the flag's value in ``--help``.
        sbatch: the option of sbatch that it sets.
    """

    name: str
    default: Any
    help: str
    kind: str = ""
    choices: Collection[Any] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    infinite: bool = False
    fixed: bool = False
    ours: bool = False
    auto: bool = False
    released: str = ""
    read_as: Mapping[str, str] = field(default_factory=dict)
    flag: str = ""
    metavar: str = ""
    sbatch: str = ""

    def __post_init__(self) -> None:
        kind = self.kind or _kind_of(self.default)
        if kind not in EXAMPLES:
            raise ValueError(f"{self.name}: the default {self.default!r} does not show its kind: write kind=")
        # The one way to fill in a field of a frozen dataclass.
        object.__setattr__(self, "kind", kind)

    @property
    def section(self) -> str:
        """The part of the name before its last point; empty for a key at the top."""
        return self.name.rpartition(".")[0]

    @property
    def range(self) -> str:
        """The range of its number in words, or an empty text."""
        if self.at_least is not None and self.at_most is not None:
            return f"from {self.at_least:g} to {self.at_most:g}"
        if self.above is not None:
            return f"above {self.above:g}"
        if self.at_least is not None:
            return f"at least {self.at_least:g}" if self.at_least > 0 else f"{self.at_least:g} or more"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    def check(self, value: Any) -> Finding | None:
        """The finding about a wrong value of this key; None if the value is right."""
        if self.choices:
            several = value if isinstance(value, list) else [value]
            unknown = next((one for one in several if one not in self.choices), None) if several else None
            if unknown is not None:
                return self._unknown(unknown)
        if self.fixed and value != self.default:
            wrong = f"{value!r} is PySlowFast's, and rhovideo does not have it"
            return Finding((self.name,), wrong, repr(self.default))
        if isinstance(value, float) and math.isinf(value) and not self.infinite:
            return Finding((self.name,), f"{value} is not finite", "a number")
        if not self.infinite and any(abs(number) > _LARGEST for number in _whole_numbers(value)):
            return Finding((self.name,), f"{value!r} is out of range", "a smaller number")
        if self.range and value is not None and not self._is_in_range(value):
            return Finding((self.name,), f"{value!r} is out of range", f"a number that is {self.range}")
        return None

    def _is_in_range(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    def _unknown(self, value: Any) -> Finding:
        known = [str(choice) for choice in self.choices]
        close = difflib.get_close_matches(str(value).lower(), known, n=1)
        listed = ", ".join(known)
        remedy = f"{close[0]} (there are: {listed})" if close else f"one of {listed}" if len(known) > 1 else listed
        if isinstance(self.choices, Registry):
            remedy += "; PLUGINS: [MODULE] adds what a module of yours registers"
        return Finding((self.name,), f"there is no {value!r}", remedy)


def _whole_numbers(value: Any) -> Iterator[int]:
    """The whole numbers in a value, which may be a list of lists."""
    if isinstance(value, (list, tuple)):
        for element in value:
            yield from _whole_numbers(element)
    elif isinstance(value, int):
        yield value


def _kind_of(default: Any) -> str:
    """The kind of value that a default shows; empty where it shows none."""
    if isinstance(default, (list, tuple)):
        if not default:
            return ""
        if any(isinstance(element, (list, tuple)) for element in default):
            return "nested list"
        floats = any(isinstance(element, float) for element in default)
        return "float list" if floats else f"{type(default[0]).__name__} list"
    return type(default).__name__ if default is not None else ""
