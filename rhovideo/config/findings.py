"""What is wrong with a configuration, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a line of a file, or the command line."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


COMMAND_LINE = Origin("command line")


@dataclass(frozen=True)
class Problem:
    """One thing to put right.

    Attributes:
        key: the key in question, e.g. ``"SOLVER.BASE_LR"``; empty where it is the whole file.
        origin: where its value was written.
        wrong: what is wrong with it.
        write: what to write instead.
    """

    key: str
    origin: Origin
    wrong: str
    write: str = ""

    def __str__(self) -> str:
        return _text(str(self.origin), self.key, self.wrong, self.write)


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        keys: the key to put right first, then the others that take part.
        wrong: what is wrong.
        write: what to write.
    """

    keys: tuple[str, ...]
    wrong: str
    write: str = ""


def told(problems: Iterable[Problem]) -> list[str]:
    """The problems as text, none of which repeats another.

    What is wrong in several places alike is one of them, and names the places; one remedy for several stands last.
    """
    alike: dict[tuple[str, str, str], list[str]] = {}
    for problem in problems:
        places = alike.setdefault((problem.key, problem.wrong, problem.write), [])
        if str(problem.origin) not in places:
            places.append(str(problem.origin))
    said = [(" and ".join(places), *what) for what, places in alike.items()]
    mended_below = [(one[1], one[3]) == (other[1], other[3]) for one, other in pairwise(said)]
    return [
        _text(place, key, wrong, "" if below else write)
        for (place, key, wrong, write), below in zip(said, [*mended_below, False], strict=True)
    ]


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
        super().__init__("\n".join(told(self.problems)))

    def __reduce__(self) -> tuple:
        return type(self), (self.problems,)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)
