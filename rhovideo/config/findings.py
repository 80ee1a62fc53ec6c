"""The results of checks: :class:`Finding`, and :class:`Problem`, a finding with its place in the files.

A check gets a configuration, so it knows keys and values, but not the line of a file on which a key was written. It
returns findings. :class:`rhovideo.config.files.reading.Loaded` has read the files and knows the lines. It turns the
findings into problems, which are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

# An error keeps the jobs from starting. A warning is likely to be a mistake and may be meant: it is shown, no more.
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Origin:
    """The place where a value was written: a line of a file, or the command line."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


COMMAND_LINE = Origin("command line")


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found in a configuration.

    Attributes:
        keys: the key to put right first, then the others that take part; at least one.
        wrong: what is wrong.
        write: what to write instead.
        severity: whether it keeps the job from starting.
    """

    keys: tuple[str, ...]
    wrong: str
    write: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.wrong}: write {self.write}" if self.write else self.wrong


@dataclass(frozen=True)
class Problem:
    """A finding with the place where its value was written, or what is wrong with a whole file or a flag.

    Attributes:
        key: the key to put right, e.g. ``"SOLVER.BASE_LR"``; empty where it is the whole file, or no key at all.
        origin: where its value was written.
        wrong: what is wrong with it.
        write: what to write instead.
        severity: as of :class:`Finding`.
    """

    key: str
    origin: Origin
    wrong: str
    write: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return _text(str(self.origin), self.key, self.wrong, self.write)


def as_lines(problems: Iterable[Problem]) -> list[str]:
    """The problems as text, each once.

    A problem that several places have alike is one text, which names the places. Where neighbours have the same remedy,
    it stands below the last of them.
    """
    places: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        known = places.setdefault((problem.key, problem.wrong, problem.write), [])
        if str(problem.origin) not in known:
            known.append(str(problem.origin))
    lines = []
    for (what, where), below in zip_longest(places.items(), list(places)[1:]):
        key, wrong, write = what
        same_below = below is not None and (key, write) == (below[0], below[2])
        lines.append(_text(" and ".join(where), key, wrong, "" if same_below else write))
    return lines


def _text(place: str, key: str, wrong: str, write: str) -> str:
    subject = f"{key}: " if key else ""
    remedy = f"\n    Write {write}" if write else ""
    return f"{place}: {subject}{wrong}{remedy}"


class ConfigError(ValueError):
    """The configuration cannot be used; the message lists every problem that was found.

    Attributes:
        problems: the list, in the order of the files and then of the command line.
    """

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(as_lines(self.problems)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[Problem]]]:
        return type(self), (self.problems,)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def report(self) -> str:
        """The message under a heading with the number of problems, as a command prints it."""
        count = len(as_lines(self.problems))
        return f"the configuration cannot be used, {count} problem{'s' if count > 1 else ''}:\n{self}"
