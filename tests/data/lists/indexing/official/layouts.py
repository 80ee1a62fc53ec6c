"""Generated copies of data sets as their owners lay them out, with a part of the files missing and some empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.data.lists.listed import touch

# As YouTube makes them: they may begin with a dash or an underscore, and hold what looks like time stamps.
_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def youtube_id(number: int) -> str:
    first = ("-", "_", "a", "--", "0_000010_")[number % 5]
    digits = ""
    while number:
        number, digit = divmod(number, len(_SIGNS))
        digits += _SIGNS[digit]
    return f"{first}{digits}".ljust(11, "x")[:11]


@dataclass
class Copy:
    """Files that were written, and those that were left out.

    Attributes:
        there: names of videos by split.
        missing: names and reasons by split.
    """

    there: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def write(self, split: str, names: Sequence[str], place: Callable[[str], Path]) -> None:
        """Write a file for nine names of ten; the last file of each eleven is empty."""
        self.there[split], self.missing[split] = [], []
        for number, name in enumerate(names):
            if number % 10 == 3:
                self.missing[split].append((name, "no file"))
            elif number % 11 == 10:
                touch(place(name))
                self.missing[split].append((name, "empty file"))
            else:
                touch(place(name), b"video")
                self.there[split].append(name)
