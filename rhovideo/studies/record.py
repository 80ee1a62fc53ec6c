"""``tables.json`` in a study's folder: which runs each cell of its tables takes its number from. Without torch.

The record is written when the study starts, so that results are found again though the study's file has changed since.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError
from rhovideo.json_records import RecordError, record_from
from rhovideo.zoo.stated_figures import StatedFigure

TABLES_FILE = "tables.json"
# The folder of all run folders, in the study's.
RUNS = "runs"
# The seed in the name of a run folder.
SEED_IN_NAME = re.compile(r"_seed(\d+)(?=[_/]|$)")


@dataclass(frozen=True)
class CellRecord:
    """One number of a table.

    Attributes:
        row: label of its row.
        column: label of its column; empty in a table with one.
        measure: label of what is measured, such as ``K``; empty for a cell that is only described.
        runs: for each seed the run folders whose mean is the number, one for each split of the data set. Relative to
            the study's folder, of the jobs that end with the number: a linear classifier, a fine-tuning, a detector.
        pretraining: for each seed the run folder of the training that the number's encoder comes from; empty strings
            where the weights are random.
        left_out: why it is not run, such as "needs AVA"; empty where it is.
        stated: the paper's number.
    """

    row: str
    column: str
    measure: str
    runs: list[list[str]] = field(default_factory=list)
    pretraining: list[str] = field(default_factory=list)
    left_out: str = ""
    stated: StatedFigure | None = None


@dataclass(frozen=True)
class TableRecord:
    """A table of a study.

    Attributes:
        name: ``table2``, ``figure4``, or the name of one's own study file.
        title: what it varies.
        row_heading: over the labels of the rows.
        rows, columns, measures: labels in their order. ``columns`` is ``[""]`` in a table with one.
        describe: properties that are shown of each row: see :data:`rhovideo.studies.study_file.DESCRIPTIONS`.
        plot: ``bars`` or ``lines``.
        cells: all of them, by rows.
        lists: for a table of lists (table 1): folder or file of each row's list; else empty.
    """

    name: str
    title: str
    row_heading: str
    rows: list[str]
    columns: list[str]
    measures: list[str]
    describe: list[str] = field(default_factory=list)
    plot: str = "bars"
    cells: list[CellRecord] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRecord:
    """The tables of a study.

    Attributes:
        seeds: of all cells.
        data: folder of each data set.
        overrides: ``[KEY, VALUE, ...]`` of the command line: numbers with other settings than the paper's.
        miniature: whether data and networks are the tiny generated ones, so that no number means anything.
        tables: in the order in which they are shown.
    """

    seeds: list[int]
    data: dict[str, str]
    overrides: list[str] = field(default_factory=list)
    miniature: bool = False
    tables: list[TableRecord] = field(default_factory=list)


def has_tables(folder: str | Path) -> bool:
    """True if a folder is of a study with tables."""
    return (Path(folder) / TABLES_FILE).is_file()


def write_record(folder: str | Path, record: StudyRecord) -> None:
    """Write the record into a study's folder."""
    write_text(Path(folder) / TABLES_FILE, json.dumps(asdict(record), indent=1) + "\n")


def read_record(folder: str | Path) -> StudyRecord:
    """The record in a study's folder.

    Raises:
        JobError: there is none, or it cannot be read, or a value is of another type.
    """
    path = Path(folder) / TABLES_FILE
    again = "remove the file, and the same `rhovideo study` writes it again"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError(f"{folder}: holds no {TABLES_FILE}. Write the folder of `rhovideo study`") from None
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(f"{path}: cannot be read ({error}); {again}") from error
    try:
        record = record_from(StudyRecord, values)
    except RecordError as error:
        raise JobError(f"{path}: {error}; mend it, or {again}") from error
    if not record.seeds:
        raise JobError(f"{path}: seeds is empty, and a list of whole numbers is wanted; mend it, or {again}")
    return record
