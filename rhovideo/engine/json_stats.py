"""``json_stats: {...}`` lines, as PySlowFast writes them, in OUTPUT_DIR/stdout.log and json_stats.log.

Without torch, so that a run can be looked at quickly.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import simplejson

from rhovideo.atomic_files import append_line
from rhovideo.runs.folder import STATS_FILE
from rhovideo.runs.tail import lines_backwards

logger = logging.getLogger(__name__)

PREFIX = "json_stats: "


class JsonStats:
    """Writes one line for each call, on rank 0; on the other ranks it does nothing.

    Args:
        output_dir: the folder of ``json_stats.log``; a resumed run appends.
        rank: this process.
    """

    def __init__(self, output_dir: str | Path, rank: int = 0) -> None:
        self._path = Path(output_dir) / STATS_FILE if rank == 0 else None
        self._failed = False

    def write(self, stats: Mapping[str, Any]) -> None:
        """Log ``stats`` and append them to the file. Only the last line can be cut off, by a crash.

        Args:
            stats: names to strings, numbers, NumPy or one-element torch scalars, or lists and dicts of them. Floats are
                rounded to 6 significant digits; NaN and infinities become null, which every JSON parser reads.
        """
        if self._path is None:
            return
        line = PREFIX + to_json(stats)
        # The console gets the same in a line for people.
        logger.info(line, extra={"for_programs": True})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_line(self._path, line)
        except OSError as error:
            # As for any line of the log: a disk that is full for a while must not end a training.
            if not self._failed:
                logger.warning("%s: lines are missing, writing failed (%s)", self._path, error.strerror)
            self._failed = True


def to_json(stats: Mapping[str, Any]) -> str:
    """One line of strict JSON with sorted keys.

    Args:
        stats: as of :meth:`JsonStats.write`.
    """
    return simplejson.dumps(_plain(stats), sort_keys=True, allow_nan=False)


def read_json_stats(path: str | Path) -> list[dict[str, Any]]:
    """All records of a ``json_stats.log`` or ``stdout.log``, in order; other lines and cut-off ones are left out."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        return [record for record in map(_record, file) if record is not None]


def last_json_stats(path: str | Path, types: Collection[str], limit: int = 1 << 24) -> dict[str, Any] | None:
    """The last record whose ``_type`` is one of ``types``, read from the file's end.

    Args:
        path: a ``json_stats.log``.
        types: ``train_iter``, ``train_epoch``, ``val_epoch``, ``test_final``.
        limit: bytes to go back at most.

    Returns:
        None where there is no such record, or no file.
    """
    # Lines are compared as bytes and not all parsed: thousands of steps may lie between two evaluations.
    marks = [f'"_type": "{name}"'.encode() for name in types]
    try:
        for line in lines_backwards(path, limit):
            record = _record(line.decode("utf-8", "replace")) if any(mark in line for mark in marks) else None
            if record is not None:
                return record
    except FileNotFoundError:
        pass
    return None


def _record(line: str) -> dict[str, Any] | None:
    _, found, text = line.partition(PREFIX)
    if not found:
        return None
    try:
        record: dict[str, Any] = simplejson.loads(text)
    except simplejson.JSONDecodeError:
        return None
    return record


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
