"""The file of rows: one line of JSON a cell."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.findings.cells import Cell
from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError

Rows = dict[Cell, dict[str, Any]]


def read_rows(path: Path) -> Rows:
    """The rows of a file, by cell, in their order; none where there is no file.

    Raises:
        JobError: a line is no row.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    rows: Rows = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[Cell.of(row)] = row
        except (ValueError, KeyError, TypeError):
            raise JobError(
                f"{path}, line {number}: is no row of the study: remove the line, and the study runs its cell again"
            ) from None
    return rows


def store_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row at the end, or put it in the place of the old row of its cell.

    The file is written as a whole or not at all, and several studies may share it.

    Raises:
        JobError: the file holds a line that is no row, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        rows = read_rows(path)
        rows[Cell.of(row)] = row
        write_text(path, "".join(json.dumps(each) + "\n" for each in rows.values()))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other study writes to the folder meanwhile."""
    # The folder and not the file, which each writing replaces.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
