"""Several labels a video: their text in a list, and the interface of a list of such videos. Without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias, runtime_checkable

LabelSet: TypeAlias = tuple[int, ...]

# As of a list with one label a video.
_LARGEST = 2**31 - 1
EXAMPLE = '"3,9,21", or "" for a video without any'


@runtime_checkable
class LabelSets(Protocol):
    """The part of a list of videos that several labels a video need (DATA.MULTI_LABEL)."""

    num_classes: int

    def label_set(self, index: int, first: int | None = None, last: int | None = None) -> LabelSet:
        """The labels of a video, ascending, each once.

        Args:
            index: its place in the list.
            first: the first frame of a part of the video; None: of the whole video.
            last: the last frame of that part, inclusive. A list that labels whole videos takes no notice of the part.
        """


def read_label_set(text: str) -> LabelSet:
    """The labels in a text such as ``3,9,21``, with or without quotes, ascending, each once; of an empty text none.

    Raises:
        ValueError: it holds anything but whole numbers from 0 to 2147483647 with commas between them.
    """
    inside = text.strip()
    if inside[:1] in ("'", '"'):
        if len(inside) < 2 or inside[-1] != inside[0]:
            raise ValueError(f"{_short(text)} has a quote at one end only: write {EXAMPLE}")
        inside = inside[1:-1].strip()
    if not inside:
        return ()
    numbers = [part.strip() for part in inside.split(",")]
    for number in numbers:
        if not (number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= _LARGEST):
            raise ValueError(f"{_short(number)} is no label: write whole numbers from 0, such as {EXAMPLE}")
    return tuple(sorted(set(map(int, numbers))))


def label_text(labels: Iterable[int]) -> str:
    """The labels as a packed list holds them: ``3,9,21``."""
    return ",".join(map(str, labels))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
