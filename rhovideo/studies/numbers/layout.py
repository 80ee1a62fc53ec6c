"""A study's table in the paper's layout: rows down, columns and measures across, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rhovideo.runs.sessions import DeviceTime
from rhovideo.studies.numbers.cell_numbers import CellNumber
from rhovideo.studies.numbers.described import Described
from rhovideo.studies.numbers.run_hours import StudyHours, as_hours
from rhovideo.studies.record import StudyRecord, TableRecord
from rhovideo.zoo.stated_figures import StatedFigure

DERIVED = "†"


@dataclass(frozen=True)
class Head:
    """The heading of a column.

    Attributes:
        group: over several columns; empty without.
        name: of this one.
    """

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class Grid:
    """A table as it is shown, in any format.

    Attributes:
        name: of the table; empty without.
        title: what it varies.
        heads: of the columns; the first one is over the rows' labels.
        rows: a text for each column, or an empty one.
        notes: below it.
    """

    name: str
    title: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    @property
    def caption(self) -> str:
        """Its name and title."""
        return ": ".join(part for part in (self.name, self.title) if part)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The headings over several columns, from left to right, and how many columns each is over."""
        found: list[tuple[str, int]] = []
        for head in self.heads:
            if found and found[-1][0] == head.group:
                found[-1] = (head.group, found[-1][1] + 1)
            else:
                found.append((head.group, 1))
        return found

    @property
    def has_groups(self) -> bool:
        """True if there is a heading over several columns."""
        return any(head.group for head in self.heads)


@dataclass(frozen=True)
class _Column:
    """A column below its heading: texts by row."""

    head: Head
    texts: Mapping[str, str]


def make_grid(
    record: StudyRecord,
    table: TableRecord,
    cells: Sequence[CellNumber],
    described: Sequence[Described],
    hours: StudyHours,
) -> Grid:
    """Lay a table out.

    Args:
        record: of the study.
        table: of the study.
        cells: its numbers.
        described: its properties.
        hours: what the study's runs have cost.
    """
    columns = [_described_column(each, "") for each in described if not each.by_column]
    for name in table.columns:
        columns += [_described_column(each, name) for each in described if each.by_column]
        columns += [_measured_column(cells, name, measure) for measure in table.measures]
    columns += _hours_columns(table, hours)
    heads = [Head("", table.row_heading), *(column.head for column in columns)]
    rows = [[row, *(column.texts.get(row, "") for column in columns)] for row in table.rows]
    notes = [*warnings(record), *_notes(record, cells)]
    notes += dict.fromkeys(each.note for each in described if each.note)
    return Grid(table.name, table.title, heads, rows, notes)


def warnings(record: StudyRecord) -> list[str]:
    """Why the numbers of a study must not be compared with the paper's; empty if they may be."""
    if record.miniature:
        return ["A miniature, of generated videos and tiny networks: no number means anything."]
    if record.overrides:
        pairs = zip(record.overrides[::2], record.overrides[1::2], strict=False)
        changed = ", ".join(f"{key} {value}" for key, value in pairs)
        return [f"Not comparable with the paper's numbers: the study was run with {changed}."]
    return []


def cell_text(cell: CellNumber) -> str:
    """A cell's mean and deviation, or its state, and the stated number beside it."""
    return " ".join(part for part in (number_text(cell) or cell.state, stated_text(cell.record.stated)) if part)


def number_text(cell: CellNumber) -> str:
    """Such as ``65.8 ± 0.3``; empty as long as there is no number."""
    if cell.mean is None:
        return ""
    return f"{cell.mean:.1f}" + ("" if cell.deviation is None else f" ± {cell.deviation:.1f}")


def stated_text(stated: StatedFigure | None) -> str:
    """Such as ``(65.8)``, or ``(68.3†)`` where it is derived; empty without one."""
    return "" if stated is None else f"({stated.value:.1f}{DERIVED if stated.derived else ''})"


def _measured_column(cells: Sequence[CellNumber], column: str, measure: str) -> _Column:
    own = {cell.record.row: cell for cell in cells if (cell.record.column, cell.record.measure) == (column, measure)}
    return _Column(Head(column, measure), {row: cell_text(cell) for row, cell in own.items()})


def _described_column(described: Described, column: str) -> _Column:
    texts = {row: text for (row, at), text in described.texts.items() if at == column}
    return _Column(Head(column, described.heading), texts)


def _hours_columns(table: TableRecord, hours: StudyHours) -> list[_Column]:
    """A column for the hours of GPUs and one for those of processors alone, each where there are any."""
    rows = {row: hours.row(table, row) for row in table.rows}
    found = []
    for heading, seconds in (("GPU hours", _gpu), ("CPU hours", _cpu)):
        texts = {row: as_hours(value) for row, time in rows.items() if (value := seconds(time))}
        if texts:
            found.append(_Column(Head("", heading), texts))
    return found


def _gpu(time: DeviceTime) -> float:
    return time.gpu


def _cpu(time: DeviceTime) -> float:
    return time.cpu


def _notes(record: StudyRecord, cells: Sequence[CellNumber]) -> list[str]:
    notes = []
    stated = [cell.record.stated for cell in cells if cell.record.stated]
    if stated:
        derived = f"; {DERIVED} derived: arithmetic on two numbers that it states"
        notes.append("In brackets: the paper's number" + (derived if any(each.derived for each in stated) else "."))
    return [*notes, *_deviation_notes(record, cells), *_partial_notes(cells), *_official_notes(cells)]


def _deviation_notes(record: StudyRecord, cells: Sequence[CellNumber]) -> list[str]:
    """What the deviations are over, and how many seeds the study has."""
    over: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.deviation_of:
            over.setdefault(cell.deviation_of, {})[cell.record.measure] = None
    seeds = f"{len(record.seeds)} seeds" if len(record.seeds) > 1 else f"one seed, {record.seeds[0]}"
    several_splits = any(len(seed.runs) > 1 for cell in cells for seed in cell.seeds)
    each = "; each seed's number is the mean over its splits" if several_splits and len(record.seeds) > 1 else ""
    lines = []
    if "seeds" in over:
        lines.append(f"±: sample standard deviation over the seeds. The study has {seeds}{each}.")
    if "splits" in over:
        measures = ", ".join(over["splits"])
        lines.append(f"± of {measures}: sample standard deviation over the splits. The study has {seeds}.")
    return lines or ([f"The study has {seeds}{each}."] if any(cell.values for cell in cells) else [])


def _partial_notes(cells: Sequence[CellNumber]) -> list[str]:
    """The cells whose mean is over some of the seeds, by how many."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if cell.is_partial:
            done = f"{len(cell.values)} of {len(cell.seeds)} seeds"
            found.setdefault(done, []).append(f"{cell.name} (the others: {cell.state})")
    return [f"Only {done}: {', '.join(names)}." for done, names in sorted(found.items())]


def _official_notes(cells: Sequence[CellNumber]) -> list[str]:
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        for run in (run for seed in cell.seeds for run in seed.runs if run.official):
            split = f"split {run.split}: " if run.split else ""
            found.setdefault(cell.record.measure, {})[f"{split}{run.official}"] = None
    return [f"{measure}: measured on {', '.join(texts)} official videos." for measure, texts in found.items()]
