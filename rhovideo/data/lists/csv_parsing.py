"""PySlowFast's list of videos, with one ``path label`` per line, parsed in blocks of lines.

NumPy works on whole blocks of bytes, so ten million lines take seconds and use the memory of one block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rhovideo.config.list_names import MIXTURE_MARK
from rhovideo.data.lists.list_mistakes import (
    PREFIX_KEY,
    SEPARATOR_KEY,
    VIDEO_ENDINGS,
    find_mistake,
    label_mistake,
    of_quotes,
    of_windows,
    show,
)
from rhovideo.errors import JobError

NO_LABEL = -1

_BLOCK_BYTES = 8 * 2**20
_LONGEST_LINE = 2**16
_NEWLINE, _RETURN, _MINUS, _ZERO = (ord(c) for c in "\n\r-0")
_BLANKS = np.zeros(256, bool)
_BLANKS[[ord(c) for c in " \t\r"]] = True
_LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)
_QUOTES = np.zeros(256, bool)
_QUOTES[[ord(c) for c in "\"'"]] = True
_COLON, _BACKSLASH = ord(":"), ord("\\")


class ManifestError(JobError, ValueError):
    """A list of videos cannot be used; the message names the file, the line and what to write.

    ``keys`` are the keys of the configuration that describe the list, if one of them is wrong.
    """


@dataclass
class Rows:
    """Some consecutive videos of a list.

    Attributes:
        paths: uint8 [total bytes], the paths as they are in the file, one after the other.
        lengths: int64 [n], bytes of each path.
        labels: int32 [n], ``NO_LABEL`` for a video without a label.
        lines: int32 [n], each row's line of the file, from 1.
    """

    paths: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    lines: np.ndarray


def read_rows(csv: Path, separator: str, skip_rows: int, block_bytes: int = _BLOCK_BYTES) -> Iterator[Rows]:
    """Read the videos of a list in order, in blocks.

    A line is a path, or a path, the separator and an integer label. Blank lines are skipped. The label follows the
    *last* separator, so a path may contain separators. A line whose last field is not an integer is a path without a
    label if it ends like a video file. The label -1 means that there is no label. The lines that begin the parts of a
    mixture (:mod:`rhovideo.data.lists.mixtures`) are no videos.

    Args:
        csv: the list.
        separator: the text between path and label.
        skip_rows: lines to skip at the top.
        block_bytes: bytes to read at a time.

    Yields:
        Rows of consecutive videos.

    Raises:
        ManifestError: a label is not an integer, or some lines have a label and others not, or a path is empty, or the
            file is not text, or it is no such list (:mod:`rhovideo.data.lists.list_mistakes`).
    """
    parser = _Parser(csv, separator)
    if (mistake := find_mistake(csv, separator, skip_rows)) is not None:
        raise ManifestError(f"{csv}, line {mistake.line}: {mistake.message}", keys=mistake.keys)
    line = 1
    for block in _blocks(csv, block_bytes):
        ends = np.flatnonzero(block == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        skipped = min(max(skip_rows - (line - 1), 0), len(ends))
        lines = np.arange(line + skipped, line + len(ends), dtype=np.int64)
        line += len(ends)
        rows = parser.parse(block, starts[skipped:], ends[skipped:], lines)
        if len(rows.lengths):
            yield rows


def _blocks(csv: Path, block_bytes: int) -> Iterator[np.ndarray]:
    """The file's bytes without byte-order mark, in arrays of whole lines that end with a newline."""
    rest = b""
    with csv.open("rb") as file:
        first = True
        while data := file.read(block_bytes):
            if first:
                first = False
                if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise ManifestError(f"{csv}: the file is UTF-16 text: save it as UTF-8")
                data = data.removeprefix(b"\xef\xbb\xbf")
            if b"\0" in data:
                raise ManifestError(
                    f"{csv}: the file contains zero bytes, so it is not a list of videos: give a text file"
                )
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
            else:
                yield np.frombuffer(rest + data[:cut], np.uint8)
                rest = data[cut:]
            if len(rest) > max(_LONGEST_LINE, block_bytes):
                raise ManifestError(f"{csv}: a line is longer than {len(rest)} bytes: write one video per line")
    if rest:
        yield np.frombuffer(rest + b"\n", np.uint8)


class _Parser:
    """A parser of one file's blocks, which remembers if the file's first line has a label."""

    def __init__(self, csv: Path, separator: str) -> None:
        self.csv = csv
        self.separator = separator.encode()
        if not self.separator or b"\n" in self.separator or b"\r" in self.separator:
            wrong = f"DATA.PATH_LABEL_SEPARATOR is {separator!r}: write what is between path and label"
            raise ManifestError(wrong, keys=(SEPARATOR_KEY,))
        self.first: tuple[int, bool] | None = None
        self.in_mixture = False

    def parse(self, block: np.ndarray, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray) -> Rows:
        starts, ends = _strip(block, starts, ends)
        filled = (ends > starts) & ~self._are_marks(block, starts, ends, lines)
        starts, ends, lines = starts[filled], ends[filled], lines[filled]
        self._check_writing(block, starts, ends, lines)
        path_ends, label_starts = self._split(block, starts, ends)
        labels, is_label = _labels(block, label_starts, ends)
        no_label = (label_starts <= ends) & ~is_label
        self._check_labels(block, starts, ends, lines, no_label, labels != NO_LABEL)
        path_ends = np.where(is_label, path_ends, ends)
        _, path_ends = _strip(block, starts, path_ends)
        self._check_paths(block, starts, path_ends, lines)
        return Rows(
            _cut_out(block, starts, path_ends), path_ends - starts, labels.astype(np.int32), lines.astype(np.int32)
        )

    def _are_marks(self, block: np.ndarray, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """Bool [n]: the line begins a part of a mixture."""
        marks = np.zeros(len(starts), bool)
        rows = np.flatnonzero(ends - starts >= len(MIXTURE_MARK))
        for place, sign in enumerate(MIXTURE_MARK):
            rows = rows[block[starts[rows] + place] == sign]
        marks[rows] = True
        if not len(rows):
            return marks
        before = np.flatnonzero(ends > starts)[:1]
        if not self.in_mixture and (self.first is not None or not marks[before].all()):
            self._fail(
                int(lines[rows[0]]),
                "begins a part of a mixture, and the rows before it are in none: write such a line before the first "
                "row, and do not skip it with DATA.SKIP_ROWS",
                "DATA.SKIP_ROWS",
            )
        self.in_mixture = True
        return marks

    def _split(self, block: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """End of the path and start of the label in each line; ``end`` and ``end + 1`` without a separator."""
        size = len(self.separator)
        places = np.flatnonzero(block[: len(block) - size + 1] == self.separator[0])
        for k in range(1, size):
            places = places[block[places + k] == self.separator[k]]
        if not len(places):
            return ends, ends + 1
        last = np.searchsorted(places, ends - size, side="right") - 1
        place = places[last]
        found = (last >= 0) & (place >= starts)
        label_starts = np.where(found, place + size, ends)
        label_starts, _ = _strip(block, label_starts, ends)
        return np.where(found, place, ends), np.where(found, label_starts, ends + 1)

    def _check_writing(self, block: np.ndarray, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray) -> None:
        """Check that no path is in quotes, or has a drive of Windows; some lists have few such rows."""
        first, second = block[starts], block[np.minimum(starts + 1, ends - 1)]
        for row in np.flatnonzero(_QUOTES[first] | (first == _BACKSLASH) | (second == _COLON)).tolist():
            text = _text(block, starts[row], ends[row])
            if wrong := of_quotes(text, self.separator.decode()):
                self._fail(lines[row], wrong)
            if wrong := of_windows(text):
                self._fail(lines[row], wrong, PREFIX_KEY)

    def _check_labels(
        self,
        block: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
        lines: np.ndarray,
        no_label: np.ndarray,
        labelled: np.ndarray,
    ) -> None:
        """Check that labels are integers, and that all lines have one or none has.

        Args:
            block: uint8, the bytes of the block.
            starts: int64 [n], where each line starts in the block.
            ends: int64 [n], where each line ends.
            lines: int64 [n], numbers of the lines.
            no_label: bool [n], the last of several fields is not a label.
            labelled: bool [n], the line has a label.

        Raises:
            ManifestError: of the first line that is wrong.
        """

        def text(row: int) -> str:
            return _text(block, starts[row], ends[row])

        rows = np.flatnonzero(no_label)
        strange = rows[~_end_like_videos(block, starts[rows], ends[rows])]
        if len(strange):
            row = int(strange[0])
            wrong, keys = label_mistake(text(row), self.separator.decode())
            self._fail(lines[row], wrong, *keys)
        if self.first is None and len(lines):
            self.first = (int(lines[0]), bool(labelled[0]))
        if self.first is not None and (labelled != self.first[1]).any():
            row = int(np.argmax(labelled != self.first[1]))
            has, other = ("a label", "none") if labelled[row] else ("no label", "one")
            self._fail(
                lines[row],
                f"{show(text(row))} has {has}, but line {self.first[0]} has {other}: give every line a label, or none",
            )

    def _check_paths(self, block: np.ndarray, starts: np.ndarray, path_ends: np.ndarray, lines: np.ndarray) -> None:
        empty = path_ends <= starts
        if empty.any():
            self._fail(lines[int(np.argmax(empty))], "the path is empty: write the path of a video before its label")
        returns = np.flatnonzero(block == _RETURN)
        row = np.searchsorted(starts, returns, side="right") - 1
        inside = (row >= 0) & (returns < path_ends[row]) if len(starts) else np.zeros(len(returns), bool)
        if inside.any():
            self._fail(
                lines[row[int(np.argmax(inside))]],
                "there is a carriage return inside the line: end lines with a newline (or carriage return and newline)",
            )

    def _fail(self, line: int, message: str, *keys: str) -> None:
        raise ManifestError(f"{self.csv}, line {line}: {message}", keys=keys)


def _text(block: np.ndarray, start: int, end: int) -> str:
    """A part of a block, for a message."""
    return block[start:end].tobytes().decode(errors="replace")


def _strip(block: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``starts`` and ``ends`` without the blanks at both sides; a blank piece of text becomes an empty one."""
    starts, ends = starts.copy(), ends.copy()
    rows = np.flatnonzero(ends > starts)
    while len(rows := rows[_BLANKS[block[ends[rows] - 1]]]):
        ends[rows] -= 1
        rows = rows[ends[rows] > starts[rows]]
    rows = np.flatnonzero(ends > starts)
    while len(rows := rows[_BLANKS[block[starts[rows]]]]):
        starts[rows] += 1
        rows = rows[ends[rows] > starts[rows]]
    return starts, ends


def _labels(block: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the pieces of text, int64 [n], and bool [n]: the text is a label, 0 to 2^31 - 1, or -1 for none."""
    length = ends - starts
    none = np.flatnonzero(length == 2)
    none = none[(block[starts[none]] == _MINUS) & (block[ends[none] - 1] == _ZERO + 1)]
    good = (length >= 1) & (length <= 10)
    value = np.zeros(len(starts), np.int64)
    for k in range(int(length[good].max(initial=0))):
        active = np.flatnonzero(good & (k < length))
        digit = block[starts[active] + k] - _ZERO  # wraps around for characters before "0"
        good[active[digit > 9]] = False
        value[active] = value[active] * 10 + digit
    good &= value < 2**31
    value[~good] = NO_LABEL
    good[none] = True
    return value, good


def _end_like_videos(block: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Bool [n]: the piece of text ends with one of ``VIDEO_ENDINGS``, in any case of letters."""
    found = np.zeros(len(starts), bool)
    for ending in VIDEO_ENDINGS:
        rows = np.flatnonzero(~found & (ends - starts >= len(ending)))
        for back, letter in enumerate(reversed(ending.encode()), 1):
            rows = rows[_LOWER[block[ends[rows] - back]] == letter]
        found[rows] = True
    return found


def _cut_out(block: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The bytes of all pieces of text, one after the other."""
    step = np.zeros(len(block) + 1, np.int8)
    step[starts] = 1
    step[ends] = -1
    inside: np.ndarray = np.cumsum(step[:-1], dtype=np.int8).view(bool)
    cut: np.ndarray = block[inside]
    return cut
