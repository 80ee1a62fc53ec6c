"""The hours of GPUs and processors that the runs of a study have taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rhovideo.runs.sessions import DeviceTime, device_time
from rhovideo.studies.record import CellRecord, StudyRecord, TableRecord


@dataclass(frozen=True)
class StudyHours:
    """What a study has cost.

    Attributes:
        runs: by run folder, relative to the study; without those whose time is not known.
        tables: by name; a run that two tables share is in both.
        total: each run once.
        shared: runs that more than one table has.
    """

    runs: Mapping[str, DeviceTime]
    tables: Mapping[str, DeviceTime]
    total: DeviceTime
    shared: int

    def row(self, table: TableRecord, row: str) -> DeviceTime:
        """The time of a row's runs, each once."""
        return self._sum(runs_of(cell for cell in table.cells if cell.row == row))

    def _sum(self, runs: Iterable[str]) -> DeviceTime:
        return _added(self.runs[run] for run in runs if run in self.runs)


def study_hours(folder: str | Path, record: StudyRecord) -> StudyHours:
    """Read the times of all runs of a study."""
    of_table = {table.name: runs_of(table.cells) for table in record.tables}
    folders = list(dict.fromkeys(run for runs in of_table.values() for run in runs))
    known = {run: time for run in folders if (time := device_time(Path(folder) / run)) is not None}
    tables = {name: _added(known[run] for run in runs if run in known) for name, runs in of_table.items()}
    shared = sum(sum(run in runs for runs in of_table.values()) > 1 for run in known)
    return StudyHours(known, tables, _added(known.values()), shared)


def runs_of(cells: Iterable[CellRecord]) -> list[str]:
    """The run folders of cells with those of their pre-trainings, each once."""
    found: dict[str, None] = {}
    for cell in cells:
        found |= dict.fromkeys(run for run in cell.pretraining if run)
        found |= dict.fromkeys(run for runs in cell.runs for run in runs)
    return list(found)


def hours_in_words(time: DeviceTime) -> str:
    """Such as ``12.3 GPU hours and 0.50 CPU hours``; empty of no time."""
    parts = [f"{as_hours(seconds)} {kind} hours" for kind, seconds in (("GPU", time.gpu), ("CPU", time.cpu)) if seconds]
    return " and ".join(parts)


def cost_lines(record: StudyRecord, hours: StudyHours) -> list[str]:
    """Lines on the cost of each table and of all; none where no time is known."""
    lines = [f"{name}: {hours_in_words(time)}" for name, time in hours.tables.items() if hours_in_words(time)]
    if not lines:
        return []
    if len(record.tables) == 1:
        return lines
    one = hours.shared == 1
    once = f"; {hours.shared} {'run' if one else 'runs'} that tables share {'is' if one else 'are'} counted once"
    return [*lines, f"all tables: {hours_in_words(hours.total)}{once if hours.shared else ''}"]


def as_hours(seconds: float) -> str:
    """Seconds as hours, with digits as they count."""
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _added(times: Iterable[DeviceTime]) -> DeviceTime:
    total = DeviceTime()
    for time in times:
        total += time
    return total
