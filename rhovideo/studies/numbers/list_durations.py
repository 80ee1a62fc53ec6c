"""The durations of the videos of lists (table 1), kept in the study's folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError, WriteError
from rhovideo.json_records import RecordError, record_from
from rhovideo.runs.file_hash import file_sha256
from rhovideo.studies.numbers.layout import Grid, Head, warnings
from rhovideo.studies.record import StudyRecord, TableRecord

FILE = "list_durations.json"
_BINS = 40


@dataclass(frozen=True)
class ListDurations:
    """The durations of a list's videos, in seconds.

    Attributes:
        videos: rows of the list.
        known: videos that can be opened and say their duration; the numbers are of these.
        mean, std, min, max: in seconds; ``std`` is divided by N.
        edges: of the histogram's bins.
        counts: videos in each bin.
    """

    videos: int
    known: int
    mean: float
    std: float
    min: float
    max: float
    edges: list[float]
    counts: list[int]


def read_durations(folder: str | Path, table: TableRecord) -> dict[str, ListDurations | str]:
    """The durations of a table's lists, by row; a sentence in the place of those that cannot be read.

    Videos are opened the first time; after that the numbers stand in the study's folder, as long as the list has the
    same content.

    Args:
        folder: the study's.
        table: one of lists.
    """
    known = _read(Path(folder) / FILE)
    found: dict[str, ListDurations | str] = {}
    for row, written in table.lists.items():
        csv = Path(written)
        csv = csv / "train.csv" if csv.is_dir() else csv
        try:
            digest = file_sha256(csv)
            if (durations := _kept(known.get(digest))) is None:
                durations = _measured(csv)
                known[digest] = asdict(durations)
                # Whoever may only read the study sees its numbers too.
                with contextlib.suppress(WriteError):
                    write_text(Path(folder) / FILE, json.dumps(known) + "\n")
            found[row] = durations
        except OSError as error:
            found[row] = f"{csv}: {error.strerror or error}"
        except JobError as error:
            found[row] = str(error)
    return found


def durations_grid(record: StudyRecord, table: TableRecord, durations: Mapping[str, ListDurations | str]) -> Grid:
    """The table of a study's lists."""
    names = ("videos", "mean (s)", "standard deviation (s)", "min (s)", "max (s)")
    heads = [Head("", table.row_heading or "list"), *(Head("", name) for name in names)]
    rows = [[row, *_texts(durations.get(row))] for row in table.rows]
    notes = warnings(record) if record.miniature else []
    for row in table.rows:
        one = durations.get(row)
        if isinstance(one, str):
            notes.append(f"{row}: {one}")
        elif one is None:
            notes.append(f"{row}: --data has no folder of this name")
        elif one.known < one.videos:
            notes.append(f"{row}: {one.videos - one.known:,} of {one.videos:,} videos do not say their duration.")
    return Grid(table.name, table.title, heads, rows, notes)


def _texts(durations: ListDurations | str | None) -> Sequence[str]:
    if not isinstance(durations, ListDurations):
        return [""] * 5
    seconds = (durations.mean, durations.std, durations.min, durations.max)
    return [f"{durations.videos:,}", *(f"{value:.1f}" if durations.known else "" for value in seconds)]


def _measured(csv: Path) -> ListDurations:
    """Open the videos of a list, as far as they were not before."""
    import numpy as np

    from rhovideo.data.curation.statistics import list_statistics

    found = list_statistics(csv)
    d = found.durations
    if d is None:
        return ListDurations(found.videos, 0, 0.0, 0.0, 0.0, 0.0, [], [])
    counts, edges = np.histogram(found.seconds, _BINS, (0.0, d.max))
    return ListDurations(found.videos, d.count, d.mean, d.std, d.min, d.max, edges.tolist(), counts.tolist())


def _kept(values: object) -> ListDurations | None:
    """What was kept of a list; None where nothing was, or what was kept is damaged."""
    try:
        return record_from(ListDurations, values)
    except RecordError:
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
