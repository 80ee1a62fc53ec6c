"""``json_stats: {...}`` lines, as PySlowFast writes them, in the log and in OUTPUT_DIR/json_stats.log."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

import simplejson

logger = logging.getLogger(__name__)

PREFIX = "json_stats: "


class JsonStats:
    """Writes one line a call, on rank 0; on the other ranks it does nothing.

    Args:
        output_dir: the folder of ``json_stats.log``; a resumed run appends.
        rank: this process.
    """

    def __init__(self, output_dir: str | os.PathLike, rank: int = 0) -> None:
        self._path = Path(output_dir) / "json_stats.log" if rank == 0 else None
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
        # A terminal shows a bar and one readable line an epoch instead.
        logger.info(line, extra={"for_files": True})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
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
    records = []
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            _, found, text = line.partition(PREFIX)
            if not found:
                continue
            try:
                records.append(simplejson.loads(text))
            except simplejson.JSONDecodeError:
                continue
    return records


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
