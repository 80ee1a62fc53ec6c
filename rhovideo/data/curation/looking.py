"""What all videos of a list say of themselves, read by several processes, and kept so that it is read once.

``NAME.footage.jsonl`` next to ``NAME.csv`` has one object a line, of the latest look at a video: ``video`` (as it is
listed), ``bytes``, ``defect`` and what :class:`rhovideo.data.video.footage.Footage` has. A line counts as long as the
file has that size.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rhovideo.atomic_files import append_line
from rhovideo.data.curation.source_list import SourceList
from rhovideo.data.loading.scanning import Look, look_at_all
from rhovideo.data.loading.workers import cores
from rhovideo.data.video.footage import Footage, read_footage
from rhovideo.data.video.reader import VideoReadError
from rhovideo.errors import JobError
from rhovideo.terminal import print_line

_AT_A_TIME, _SECONDS = 1000, 2.0


@dataclass(frozen=True)
class SeenVideo:
    """A video that was looked at.

    Attributes:
        bytes: the size of its file; -1 if it is not there.
        footage: its description; None if it cannot be opened.
        defect: why not; empty if it can be opened.
    """

    bytes: int
    footage: Footage | None
    defect: str = ""


def look_at(source: SourceList, *, workers: int | None = None, progress: bool | None = None) -> list[SeenVideo]:
    """Look at all videos of a list that were not looked at before.

    If it is interrupted, the next call goes on.

    Args:
        source: the list.
        workers: processes; None: one for each CPU that this process may use.
        progress: show a progress bar; None: only on a terminal.

    Returns:
        What was found, by row.

    Raises:
        JobError: the processes end before they open a video.
    """
    kept = _Kept(source)
    seen: list[SeenVideo | None] = []
    for row in range(len(source)):
        size = _size(source.manifest.path(row))
        known = kept.find(source.manifest.written_path(row), size)
        seen.append(SeenVideo(size, None, "there is no such file") if size < 0 else known)
    todo = [row for row, one in enumerate(seen) if one is None]
    show = sys.stderr.isatty() if progress is None else progress
    count = min(workers or cores(), max(len(todo), 1))
    with kept, tqdm(total=len(source), initial=len(source) - len(todo), unit="video", disable=not show) as bar:
        bar.set_description(f"look at {source.csv.name}")
        for row, look in look_at_all(source.manifest, todo, count, _describe):
            one = SeenVideo(_size(source.manifest.path(row)), look.footage, look.reason or "")
            seen[row] = one
            kept.add(source.manifest.written_path(row), one)
            bar.update()
    return [one for one in seen if one is not None]


def _describe(path: str) -> Look:
    try:
        return Look(None, read_footage(path))
    except VideoReadError as error:
        return Look(error.reason, None)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return -1


class _Kept:
    """The file of what was seen; written a few seconds later at most, and at the end of the block."""

    def __init__(self, source: SourceList) -> None:
        self._file = source.csv.with_name(f"{source.csv.stem}.footage.jsonl")
        self._known = dict(_read(self._file))
        self._new: list[str] = []
        self._writable = True
        self._written = time.monotonic()

    def find(self, listed: str, size: int) -> SeenVideo | None:
        """What was seen of a video whose file still has this size."""
        known = self._known.get(listed)
        return known if known is not None and known.bytes == size else None

    def add(self, listed: str, seen: SeenVideo) -> None:
        """Keep what was seen of a video."""
        values = {"video": listed, "bytes": seen.bytes, "defect": seen.defect}
        self._new.append(json.dumps(values | (asdict(seen.footage) if seen.footage else {})))
        if len(self._new) >= _AT_A_TIME or time.monotonic() - self._written > _SECONDS:
            self._write()

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def _write(self) -> None:
        lines, self._new, self._written = self._new, [], time.monotonic()
        if not lines or not self._writable:
            return
        try:
            append_line(self._file, "\n".join(lines))
        except JobError as error:
            # The numbers are right without it; only an interruption would cost the work.
            print_line(f"what was seen of the videos is not kept: {error}")
            self._writable = False


def _read(file: Path) -> Iterator[tuple[str, SeenVideo]]:
    """What is kept, the latest last; lines that were cut off, or written by another program, are passed over."""
    names = [one.name for one in fields(Footage)]
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            values: dict[str, Any] = json.loads(line)
            footage = Footage(**{name: values[name] for name in names}) if "seconds" in values else None
            yield values["video"], SeenVideo(values["bytes"], footage, values["defect"])
        except (ValueError, TypeError, LookupError):
            continue
