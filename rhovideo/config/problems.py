"""What is wrong with a configuration, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


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
        subject = f"{self.key}: " if self.key else ""
        remedy = f"\n    Write {self.write}" if self.write else ""
        return f"{self.origin}: {subject}{self.wrong}{remedy}"


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


class ConfigError(ValueError):
    """The configuration cannot be used; the message lists every problem that was found.

    Attributes:
        problems: the list, in the order of the files and then of the command line.
    """

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple:
        return type(self), (self.problems,)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)
