"""The record of a study that several commands fill, at once or one after the other: none loses another's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rhovideo.config.comparison import MACHINE, is_among
from rhovideo.errors import JobError
from rhovideo.studies.record import (
    RUNS,
    SEED_IN_NAME,
    CellRecord,
    StudyRecord,
    TableRecord,
    has_tables,
    read_record,
    write_record,
)


def check_same_study(folder: str | Path, record: StudyRecord) -> None:
    """Refuse a folder in which a study has begun with other data sets or settings.

    Raises:
        JobError: it has, or its record cannot be read.
    """
    _earlier(Path(folder), record)


def keep_record(folder: str | Path, record: StudyRecord) -> None:
    """Write the record, with the tables of earlier calls that it does not have, and their seeds of the same cells.

    Args:
        folder: the study's, which the caller holds (:func:`rhovideo.runs.lock.held_to_submit`).
        record: of this call.

    Raises:
        JobError: as of :func:`check_same_study`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(folder, record)
    write_record(folder, _merged(earlier, record) if earlier else record)
    if any(cell.runs for table in record.tables for cell in table.cells):
        # From now on the folder is this study's.
        (folder / RUNS).mkdir(exist_ok=True)


def _earlier(folder: Path, record: StudyRecord) -> StudyRecord | None:
    """The record of earlier calls; None where there is none, or one of another study that has not begun."""
    if not has_tables(folder):
        return None
    begun = (folder / RUNS).is_dir()
    try:
        earlier = read_record(folder)
    except JobError:
        if begun:
            raise
        return None
    wrong = _difference(folder, earlier, record)
    if wrong and begun:
        raise JobError(wrong)
    return None if wrong else earlier


def _difference(folder: Path, earlier: StudyRecord, now: StudyRecord) -> str:
    """Why two records are not of the same study, and what to write; empty where they are."""
    remedy = "write another --out"
    if earlier.miniature != now.miniature:
        return f"{folder} is of {'a miniature' if earlier.miniature else 'no miniature'}: {remedy}"
    if _with_effect(earlier.overrides) != _with_effect(now.overrides):
        return (
            f"{folder} was begun with the overrides {' '.join(earlier.overrides) or '(none)'}, and now they are "
            f"{' '.join(now.overrides) or '(none)'}: write the same, or {remedy}"
        )
    for name in earlier.data.keys() & now.data.keys():
        if earlier.data[name] != now.data[name]:
            return f"{folder} was begun with {name}={earlier.data[name]}: write the same --data, or {remedy}"
    return ""


def _with_effect(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides that numbers depend on, and not only where jobs run."""
    pairs = dict(zip(overrides[::2], overrides[1::2], strict=False))
    return {key: value for key, value in pairs.items() if not is_among(key, MACHINE)}


def _merged(earlier: StudyRecord, now: StudyRecord) -> StudyRecord:
    known = {table.name: table for table in earlier.tables}
    names = {table.name for table in now.tables}
    seeds = list(dict.fromkeys([*earlier.seeds, *now.seeds]))
    tables = [table for table in earlier.tables if table.name not in names]
    tables += [_merged_table(known[each.name], each) if each.name in known else each for each in now.tables]
    return replace(now, tables=tables, data=earlier.data | now.data, seeds=seeds)


def _merged_table(earlier: TableRecord, now: TableRecord) -> TableRecord:
    known = {(cell.row, cell.column, cell.measure): cell for cell in earlier.cells}
    cells = [_with_earlier_seeds(known.get((cell.row, cell.column, cell.measure)), cell) for cell in now.cells]
    lists = {row: place for row, place in {**earlier.lists, **now.lists}.items() if row in now.rows}
    return replace(now, cells=cells, lists=lists)


def _with_earlier_seeds(earlier: CellRecord | None, now: CellRecord) -> CellRecord:
    """A cell with the runs of other seeds that are of the same settings: but for the seed, their names are the same."""
    if earlier is None or not now.runs:
        return now
    of_now = list(zip(now.runs, now.pretraining, strict=False))
    same = {_without_seed([*runs, start]) for runs, start in of_now}
    before = [
        (runs, start)
        for runs, start in zip(earlier.runs, earlier.pretraining, strict=False)
        if runs not in now.runs and _without_seed([*runs, start]) in same
    ]
    both = [*before, *of_now]
    return replace(now, runs=[runs for runs, _ in both], pretraining=[start for _, start in both])


def _without_seed(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(SEED_IN_NAME.sub("", folder) for folder in folders)
