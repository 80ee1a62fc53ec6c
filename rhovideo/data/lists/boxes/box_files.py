"""CSV files of boxes in AVA's format, and of excluded seconds. Without torch.

A row is ``video, second, x1, y1, x2, y2, action, last``, without a header. Coordinates are shares of the frame's
width and height. ``last`` is the score of a predicted box, or the number of the person of a true one. An empty action
is a box without a label.
"""

from __future__ import annotations

import csv
import math
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rhovideo.data.lists.csv_parsing import ManifestError

NO_ACTION = -1
FORMAT = "video,second,x1,y1,x2,y2,action,score"
_COLUMNS = (7, 8)
# Of a video of some years.
_LAST_SECOND = 10**8
# Of any frame, in pixels too, which the mAP may be of.
_FARTHEST = 10**6


@dataclass(frozen=True)
class BoxRows:
    """The rows of a file of boxes, as columns.

    Attributes:
        path: of the file.
        lines: int64 [N], each row's line, from 1.
        videos: the id of each row's video.
        seconds: int64 [N], of the key frame.
        boxes: float64 [N,4], x1, y1, x2, y2 in shares of width and height.
        texts: the coordinates of each row as they are written; empty where they were not asked for.
        actions: int64 [N], ``NO_ACTION`` for a box without a label.
        last: float64 [N], the last column; NaN where it is no number.
    """

    path: str
    lines: np.ndarray
    videos: list[str]
    seconds: np.ndarray
    boxes: np.ndarray
    texts: list[str]
    actions: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.videos)


def read_box_rows(path: str | os.PathLike[str], *, scored: bool, texts: bool = False) -> BoxRows:
    """Read a file of boxes.

    Args:
        path: of the CSV.
        scored: the last column is a score, and must be there.
        texts: keep the coordinates as they are written, too.

    Raises:
        ManifestError: a row is wrong; the message names the line.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    names: dict[str, str] = {}
    videos: list[str] = []
    written: list[str] = []
    lines, seconds, actions = array("q"), array("q"), array("q")
    numbers, last = array("d"), array("d")
    for line, row in _rows(path):
        if len(row) not in _COLUMNS[scored:]:
            raise _wrong(path, line, f"has {len(row)} columns", f"{FORMAT}, separated by commas")
        videos.append(names.setdefault(row[0], row[0]))
        lines.append(line)
        seconds.append(_second(path, line, row[1]))
        numbers.extend(_coordinate(path, line, row[column], FORMAT.split(",")[column]) for column in range(2, 6))
        actions.append(_action(path, line, row[6]))
        last.append(_last(path, line, row[7] if len(row) > 7 else "", scored))
        if texts:
            written.append(",".join(row[2:6]))
    boxes = np.array(numbers, np.float64).reshape(-1, 4)
    columns = (np.array(seconds, np.int64), boxes, written, np.array(actions, np.int64), np.array(last, np.float64))
    return BoxRows(str(path), np.array(lines, np.int64), videos, *columns)


def read_excluded(path: str | os.PathLike[str]) -> set[tuple[str, int]]:
    """Read a file of excluded key frames, a row ``video,second`` each.

    Raises:
        ManifestError: a row is wrong; the message names the line.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    found = set()
    for line, row in _rows(path):
        if len(row) != 2:
            raise _wrong(path, line, f"has {len(row)} columns", "video,second")
        found.add((row[0], _second(path, line, row[1])))
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with its line."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or device"
        raise ManifestError(f"{path} is {what}: write the rows into a file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                fields = [field.strip() for field in row]
                if any(fields):
                    yield reader.line_num, fields
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is not UTF-8 text ({error.reason}): write a CSV file") from error
    except csv.Error as error:
        raise ManifestError(f"{path}: is no CSV file ({error}): write {FORMAT} on each line") from error


def _second(path: Path, line: int, text: str) -> int:
    try:
        second = int(text)
    except ValueError:
        second = -1
    if not 0 <= second <= _LAST_SECOND:
        header = ". These files have no header" if line == 1 else ""
        raise _wrong(path, line, f"the second is {text[:40]!r}{header}", "a whole number, such as 902")
    return second


def _coordinate(path: Path, line: int, text: str, name: str) -> float:
    number = _number(text)
    if not abs(number) <= _FARTHEST:
        raise _wrong(path, line, f"{name} is {text[:40]!r}", "a share of the frame from 0 to 1, such as 0.25")
    return number


def _action(path: Path, line: int, text: str) -> int:
    if not text:
        return NO_ACTION
    try:
        number = int(text)
    except ValueError:
        number = NO_ACTION
    if not 0 <= number < 2**31:
        raise _wrong(path, line, f"the action is {text[:40]!r}", "its number, or nothing for a box without a label")
    return number


def _last(path: Path, line: int, text: str, scored: bool) -> float:
    number = _number(text)
    if scored and not math.isfinite(number):
        raise _wrong(path, line, f"the score is {text[:40]!r}", "a number, such as 0.97")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _wrong(path: Path, line: int, wrong: str, write: str) -> ManifestError:
    return ManifestError(f"{path}, line {line}: {wrong}: write {write}")
