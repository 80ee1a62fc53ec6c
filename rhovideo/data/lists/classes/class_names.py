"""Names of classes: classes.txt next to the lists, and what two lists of names disagree on. Without torch.

Line n of classes.txt, counted from 0, is the name of the class with the label n. An empty line is a class without a
name. Labels are numbers, so only the names can tell that two lists number their classes in two ways.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rhovideo.atomic_files import written_whole
from rhovideo.config.list_names import CLASS_NAMES_FILE

# Rows of a table of names.
_SHOWN = 10
_IGNORED = str.maketrans("", "", " _-")


class OtherName(NamedTuple):
    """A class with two names.

    Attributes:
        number: the label.
        first: the name in one place.
        second: the name in the other place.
    """

    number: int
    first: str
    second: str


def read_class_names(folder: str | os.PathLike[str]) -> list[str]:
    """Read the names of the classes of a folder's lists, or of a run folder.

    Args:
        folder: the folder of classes.txt.

    Returns:
        The names by label; empty where there is no classes.txt.
    """
    path = Path(folder) / CLASS_NAMES_FILE
    # A pipe would be waited for.
    return names_in(path.read_bytes()) if path.is_file() else []


def names_in(content: bytes) -> list[str]:
    """The names in the bytes of a classes.txt, by label."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    names = [os.fsdecode(line.strip(b"\r")) for line in lines]
    while names and not names[-1].strip():
        names.pop()
    return names


def as_bytes(names: Iterable[str]) -> bytes:
    """The bytes of a classes.txt."""
    return b"".join(os.fsencode(name) + b"\n" for name in names)


def write_class_names(folder: str | os.PathLike[str], names: Sequence[str]) -> None:
    """Write classes.txt as a whole; without names, remove an earlier one.

    Args:
        folder: of the lists, or of a run; it exists.
        names: by label.
    """
    path = Path(folder) / CLASS_NAMES_FILE
    if not names:
        path.unlink(missing_ok=True)
        return
    with written_whole(path) as file:
        file.write(as_bytes(names))


def other_names(first: Sequence[str], second: Sequence[str]) -> list[OtherName]:
    """Find the numbers under which two places name two classes.

    Capital letters, blanks, hyphens and underscores make no difference where the names stay apart without them. Numbers
    that one place gives no name are passed over, so one place may know fewer classes.

    Args:
        first: names by label.
        second: names by label.

    Returns:
        The classes with two names, by number.
    """
    apart = all(len(set(map(plain, names))) == len(set(names)) for names in (first, second))
    same = plain if apart else str
    pairs = enumerate(zip(first, second, strict=False))
    return [OtherName(n, one, two) for n, (one, two) in pairs if one and two and same(one) != same(two)]


def plain(name: str) -> str:
    """The name in small letters, without blanks, hyphens and underscores."""
    return name.casefold().translate(_IGNORED)


def as_table(different: Sequence[OtherName], first: str, second: str) -> str:
    """The classes with two names as a table for people, at most ten.

    Args:
        different: the classes.
        first: heading of the first names.
        second: heading of the second ones.

    Returns:
        Lines that begin with four blanks, the heading first.
    """
    shown = different[:_SHOWN]
    rows = [("number", first, second), *((str(number), _shown(one), _shown(two)) for number, one, two in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"    {a:>{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    if len(different) > _SHOWN:
        lines.append(f"    ... and {len(different) - _SHOWN} more")
    return "\n".join(lines)


def _shown(name: str) -> str:
    """The name in a table; bytes that are no text become readable."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if len(text) <= 60 else text[:57] + "..."
