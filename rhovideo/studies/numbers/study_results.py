"""``rhovideo results`` of a study with tables: everything that is known of it, read once, and written in a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rhovideo.errors import JobError
from rhovideo.studies.numbers.cell_numbers import StudyNumbers, read_numbers
from rhovideo.studies.numbers.described import describe
from rhovideo.studies.numbers.formats import as_csv, as_latex, as_markdown, as_text
from rhovideo.studies.numbers.layout import Grid, make_grid
from rhovideo.studies.numbers.list_durations import ListDurations, durations_grid, read_durations
from rhovideo.studies.numbers.run_hours import StudyHours, cost_lines, study_hours
from rhovideo.studies.record import StudyRecord, TableRecord, read_record

FORMATS = ("text", "markdown", "csv", "latex")


@dataclass(frozen=True)
class StudyResults:
    """What a study has left.

    Attributes:
        folder: the study's.
        record: its tables.
        numbers: of all cells.
        hours: of all runs.
        durations: for each table of lists, the durations by row.
        grids: the tables as they are shown.
    """

    folder: Path
    record: StudyRecord
    numbers: StudyNumbers
    hours: StudyHours
    durations: dict[str, dict[str, ListDurations | str]]
    grids: Sequence[Grid]

    def render(self, form: str) -> str:
        """All tables in one of FORMATS."""
        if form == "csv":
            return as_csv(self.numbers.tables, self.hours)
        if form == "latex":
            return "\n".join(map(as_latex, self.grids))
        write = as_markdown if form == "markdown" else as_text
        parts = [write(grid) for grid in self.grids]
        if lines := self.closing_lines:
            parts.append(("\n\n" if form == "markdown" else "\n").join(lines) + "\n")
        return "\n".join(parts)

    @property
    def closing_lines(self) -> list[str]:
        """The cost, and why SLURM did not answer."""
        trouble = [f"SLURM was not asked: {self.numbers.trouble}"] if self.numbers.trouble else []
        lines = cost_lines(self.record, self.hours)
        return [*(["Cost:", *lines] if lines else []), *trouble]


def read_study_results(path: str | Path, table: str | None = None) -> StudyResults:
    """Read a study.

    Args:
        path: its folder.
        table: name of the only table that is wanted.

    Raises:
        JobError: it is no study with tables, or has no table of this name.
    """
    folder = Path(path)
    record = _chosen(folder, read_record(folder), table)
    numbers, hours = read_numbers(folder, record), study_hours(folder, record)
    durations = {each.name: read_durations(folder, each) for each in record.tables if _is_of_lists(each)}
    grids = [
        durations_grid(record, each, durations[each.name])
        if each.name in durations
        else make_grid(record, each, numbers.tables[each.name], describe(folder, each), hours)
        for each in record.tables
    ]
    return StudyResults(folder, record, numbers, hours, durations, grids)


def _is_of_lists(table: TableRecord) -> bool:
    return not table.cells


def _chosen(folder: Path, record: StudyRecord, table: str | None) -> StudyRecord:
    if table is None:
        return record
    chosen = [each for each in record.tables if each.name == table]
    if not chosen:
        names = ", ".join(each.name for each in record.tables)
        raise JobError(f"--table {table}: {folder} has no table of this name: write one of {names}")
    return replace(record, tables=chosen)
