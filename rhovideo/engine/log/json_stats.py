"""``json_stats: {...}`` lines, as PySlowFast writes them, in OUTPUT_DIR/json_stats.log.

The log, stdout.log, has the same numbers in lines for people; that of an earlier version has these lines too.

Without torch, so that a run can be looked at quickly.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import simplejson

from rhovideo.atomic_files import append_line, write_text
from rhovideo.runs.folder import STATS_FILE
from rhovideo.runs.tail import lines_backwards

logger = logging.getLogger(__name__)

PREFIX = "json_stats: "
# The lines that resumes have taken out of json_stats.log.
CUT_STATS_FILE = "json_stats.cut.log"


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
        """Append ``stats`` to the file. Only the last line can be cut off, by a crash.

        Args:
            stats: names to strings, numbers, NumPy or one-element torch scalars, or lists and dicts of them. Floats are
                rounded to 6 significant digits; NaN and infinities become null, which every JSON parser reads.
        """
        if self._path is None:
            return
        line = PREFIX + to_json(stats)
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


def cut_json_stats(output_dir: str | Path, epoch: int, step: int) -> bool:
    """Take the lines of a training after a checkpoint out of ``json_stats.log``: a resume writes them again.

    They are added to ``json_stats.cut.log``, so nothing is lost. Lines of other tasks stay. An evaluation after the
    last complete epoch goes too, since a resume repeats it.

    Args:
        output_dir: the run folder.
        epoch: complete epochs of the checkpoint; 0 with ``step`` 0: the training begins.
        step: complete steps of the next one.

    Returns:
        Whether an evaluation after the checkpoint's last epoch was among them, for the same weights.
    """
    path = Path(output_dir) / STATS_FILE
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return False
    records = [_record(line) or {} for line in lines]
    later = [_is_later(record, epoch, step) for record in records]
    if any(later):
        try:
            append_line(path.with_name(CUT_STATS_FILE), "".join(itertools.compress(lines, later)))
            write_text(path, "".join(line for line, cut in zip(lines, later, strict=True) if not cut))
        except OSError as error:
            logger.warning("%s: steps will be there twice, writing failed (%s)", path, error.strerror)
    same = (record for record, cut in zip(records, later, strict=True) if cut and record["_type"] == "val_epoch")
    return step == 0 and any(_first_number(record["epoch"]) == epoch for record in same)


def _is_later(record: Mapping[str, Any], epoch: int, step: int) -> bool:
    """True for a line that a training writes again when it goes on after ``epoch`` epochs and ``step`` steps."""
    kind = record.get("_type")
    if kind not in ("train_iter", "train_epoch", "val_epoch") or "epoch" not in record:
        return False
    at = _first_number(record["epoch"])
    if kind == "train_iter":
        return (at - 1, _first_number(record.get("iter", 0))) > (epoch, step)
    return at > epoch or (kind == "val_epoch" and at == epoch and step == 0)


def _first_number(text: object) -> int:
    """3 of ``3/200``."""
    number = str(text).partition("/")[0]
    return int(number) if number.isdigit() else 0


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
