"""Mixtures: lists in parts, from each of which a training samples its stated share. Without torch.

A part begins with a line such as ``#mixture {"weight": "3", "list": "curated"}``, and ends at the next one. The first
line of the list is that of its first part. So the weights go wherever the list goes, and rows can be taken out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from rhovideo.config.list_names import MIXTURE_MARK
from rhovideo.data.lists.csv_parsing import ManifestError

# The weights together, as whole numbers without a common divisor: after so many samples the shares come out even.
LONGEST_PERIOD = 100_000
_EXAMPLE = '#mixture {"weight": "3", "list": "curated"}'
# Python would need hours for the fraction of 1e999999999.
_WEIGHT = re.compile(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}|\d{1,9}/\d{1,9}")
_SHOWN = 40


@dataclass(frozen=True)
class MixturePart:
    """A part of a mixture.

    Attributes:
        name: for people.
        weight: its share, in proportion to the others' weights.
        first: its first row of the list, from 0.
        count: its rows.
    """

    name: str
    weight: Fraction
    first: int
    count: int


@dataclass(frozen=True)
class Mixture:
    """The parts of a list, at least one, in the order of its rows.

    Attributes:
        parts: as said.
    """

    parts: tuple[MixturePart, ...]

    @property
    def shares(self) -> tuple[int, ...]:
        """The weights as whole numbers without a common divisor."""
        return whole_shares([part.weight for part in self.parts])

    def rows_beside(self, row: int) -> tuple[int, int]:
        """The first row, and the number of rows, of the part that a row is in."""
        part = next(part for part in reversed(self.parts) if part.first <= row)
        return part.first, part.count

    def described(self) -> list[list[str]]:
        """Name and weight of each part, as JSON holds them."""
        return [[part.name, str(part.weight)] for part in self.parts]

    def lines(self) -> list[str]:
        """What each part has and gives, for people."""
        total = sum(self.shares)
        return [
            f"{part.name}: {part.count:,} videos, {share / total:.2%} of the samples"
            for part, share in zip(self.parts, self.shares, strict=True)
        ]


def whole_shares(weights: Sequence[Fraction]) -> tuple[int, ...]:
    """Weights as whole numbers in the same proportions, without a common divisor."""
    common = math.lcm(*(weight.denominator for weight in weights))
    numbers = [int(weight * common) for weight in weights]
    divisor = math.gcd(*numbers)
    return tuple(number // divisor for number in numbers)


def parse_weight(text: str) -> Fraction:
    """A weight from text such as ``3``, ``0.75`` or ``3/4``.

    Raises:
        ValueError: it is no number above 0.
    """
    try:
        weight = Fraction(text) if _WEIGHT.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        weight = Fraction(0)
    if weight <= 0:
        raise ValueError(f"the weight is {text[:_SHOWN]!r}: write a number above 0, such as 3 or 0.75")
    return weight


def check_weights(weights: Sequence[Fraction]) -> None:
    """Check that the proportions come out even after not too many samples.

    Raises:
        ValueError: they do not.
    """
    period = sum(whole_shares(weights))
    if period > LONGEST_PERIOD:
        raise ValueError(
            f"the weights come out even only after {period:,} samples, and {LONGEST_PERIOD:,} are the most: write "
            "weights with fewer digits"
        )


def mark_line(name: str, weight: str) -> bytes:
    """The line with which a part begins."""
    return MIXTURE_MARK[:-1] + json.dumps({"weight": weight, "list": name}).encode() + b"\n"


def read_mixture(csv: Path, skip_rows: int = 0) -> Mixture | None:
    """The parts of a list; None if it is no mixture.

    Args:
        csv: the list.
        skip_rows: lines to skip at the top.

    Raises:
        ManifestError: the line of a part is wrong, a part lists no video, or the weights do not go together.
        OSError: the list cannot be read.
    """
    if not is_mixture(csv, skip_rows):
        return None
    marks: list[tuple[int, str, Fraction]] = []
    counts: list[int] = []
    for number, line in _rows(csv, skip_rows):
        if line.startswith(MIXTURE_MARK):
            marks.append((number, *_parsed(csv, number, line)))
            counts.append(0)
        else:
            counts[-1] += 1
    for (number, name, _), count in zip(marks, counts, strict=True):
        if not count:
            raise ManifestError(f"{csv}, line {number}: the part {name!r} lists no video: take this line out")
    firsts = [0, *accumulate(counts)]
    parts = [MixturePart(mark[1], mark[2], first, n) for mark, first, n in zip(marks, firsts, counts, strict=False)]
    try:
        check_weights([part.weight for part in parts])
    except ValueError as error:
        raise ManifestError(f"{csv}: {error}") from error
    return Mixture(tuple(parts))


def is_mixture(csv: Path, skip_rows: int = 0) -> bool:
    """True if the first row of a list is the line of a part."""
    first = next(_rows(csv, skip_rows), None)
    return first is not None and first[1].startswith(MIXTURE_MARK)


def _rows(csv: Path, skip_rows: int) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    with csv.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
            if text and number > skip_rows:
                yield number, text


def _parsed(csv: Path, number: int, line: bytes) -> tuple[str, Fraction]:
    """Name and weight of a part."""
    try:
        values = json.loads(line[len(MIXTURE_MARK) - 1 :])
        return str(values["list"]), parse_weight(str(values["weight"]))
    except (ValueError, LookupError, TypeError) as error:
        raise ManifestError(f"{csv}, line {number}: cannot be read as a part ({error}): write `{_EXAMPLE}`") from error
