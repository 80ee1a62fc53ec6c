"""``json_stats: {...}`` lines, as PySlowFast writes them, in OUTPUT_DIR/stdout.log and json_stats.log.

Without torch, so that a run can be looked at quickly.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Collection
from pathlib import Path

import simplejson

from rhovideo.atomic_files import append_line
from rhovideo.runs.folder import STATS_FILE
from rhovideo.runs.tail import lines_backwards

logger = logging.getLogger(__name__)

PREFIX = "json_stats: "


class JsonStats:
    """Writes one line a call, on rank 0; on the other ranks it does nothing.

    Args:
        output_dir: the folder of ``json_stats.log``; a resumed run appends.
        rank: this process.
    """

    def __init__(self, output_dir: str | os.PathLike, rank: int = 0) -> None:
        self._path = Path(output_dir) / STATS_FILE if rank == 0 else None
        self._failed = False

    def write(self, stats: dict) -> None:
        """Log ``stats`` and append them to the file; a line is whole or, after a crash, the last one.

        Args:
            stats: names to strings, numbers, NumPy or one-element torch scalars, or lists and dicts of them. Floats are
                rounded to 6 significant digits; NaN and infinities become null, which every JSON parser reads.
        """
        if self._path is None:
            return
        line = PREFIX + to_json(stats)
        # The console has a readable line of the same.
        logger.info(line, extra={"for_programs": True})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_line(self._path, line)
        except OSError as error:
            # Like any log line: a disk that is full for a while must not end a training.
            if not self._failed:
                logger.warning("%s: lines are missing, writing failed (%s)", self._path, error.strerror)
            self._failed = True


def to_json(stats: dict) -> str:
    """One line of strict JSON with sorted keys."""
    return simplejson.dumps(_plain(stats), sort_keys=True, allow_nan=False)


def read_json_stats(path: str | os.PathLike) -> list[dict]:
    """Every record of a ``json_stats.log`` or ``stdout.log``, in order; other and cut-off lines are skipped."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        return [record for record in map(_record, file) if record is not None]


def last_json_stats(path: str | os.PathLike, types: Collection[str], limit: int = 1 << 24) -> dict | None:
    """The last record whose ``_type`` is one of ``types``, read from the file's end.

    Args:
        path: a ``json_stats.log``.
        types: ``train_iter``, ``train_epoch``, ``val_epoch``, ``test_final``.
        limit: bytes to go back at most.

    Returns:
        None where there is none, or no file.
    """
    # Lines are told apart by their bytes: thousands of steps may lie between two evaluations.
    marks = [f'"_type": "{name}"'.encode() for name in types]
    try:
        for line in lines_backwards(path, limit):
            record = _record(line.decode("utf-8", "replace")) if any(mark in line for mark in marks) else None
            if record is not None:
                return record
    except FileNotFoundError:
        pass
    return None


def _record(line: str) -> dict | None:
    _, found, text = line.partition(PREFIX)
    if not found:
        return None
    try:
        return simplejson.loads(text)
    except simplejson.JSONDecodeError:
        return None


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
