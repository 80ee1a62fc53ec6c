"""Reading owners' annotation files, with errors that name the file, the line and what is expected there."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rhovideo.data.lists.indexing.folder_index import IndexingError

# No second, frame or class of a video has a larger number.
_LARGEST = 10**9


def read_table(file: Path, needed: Sequence[str], example: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with a header.

    Args:
        file: the annotations.
        needed: columns that it must have; others may be there too.
        example: the whole header as the owners write it.
        source: the annotations in words, such as "an annotation list of Kinetics".

    Yields:
        The line, from 1, at which a row ends, and its values by column, without blanks at both sides.

    Raises:
        IndexingError: the file is missing or no such table, or a row has too few fields.
    """
    rows = csv.reader(_text(file, source).splitlines(keepends=True), skipinitialspace=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        lacking = [name for name in needed if name not in header]
        if lacking:
            raise IndexingError(
                f"{file}, line 1: {', '.join(header)[:120]!r} has no column {', '.join(lacking)}: {source} begins with "
                f"`{example}`"
            )
        for row in rows:
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(header):
                raise IndexingError(
                    f"{file}, line {rows.line_num}: {len(row)} fields, and the header has {len(header)}: write "
                    f"`{','.join(header)}`, with quotes around a field that holds a comma"
                )
            yield rows.line_num, {name: field.strip() for name, field in zip(header, row, strict=True)}
    except csv.Error as error:
        raise IndexingError(
            f"{file}, line {rows.line_num}: cannot be read as CSV ({error}): download it again"
        ) from error


def read_json(file: Path, source: str) -> Any:
    """The content of a JSON file.

    Raises:
        IndexingError: the file is missing, or is not JSON.
    """
    try:
        return json.loads(_text(file, source))
    except (ValueError, RecursionError) as error:
        raise IndexingError(f"{file}: cannot be read as JSON ({error}): download it again") from error


def read_lines(file: Path, source: str) -> Iterator[tuple[int, str]]:
    """The lines of a text that are not empty, with their numbers from 1, without blanks at both sides.

    Raises:
        IndexingError: the file is missing, or is no text.
    """
    for number, line in enumerate(_text(file, source).splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def first_there(folder: Path, names: Sequence[str], source: str) -> Path:
    """The first of some files that is in a folder.

    Raises:
        IndexingError: the folder has none of them.
    """
    if not folder.is_dir():
        raise IndexingError(f"{folder} is not a folder: write the folder of {source}, with {names[0]}")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        others = f" (or {', '.join(names[1:])})" if names[1:] else ""
        raise IndexingError(f"{folder} has no {names[0]}{others}: unpack {source} there")
    return found


def whole_number(text: object, file: Path, place: str, what: str) -> int:
    """A number of 0 or more, from text, or from a number such as 10.0.

    Raises:
        IndexingError: it is none; the message names the file and the place in it.
    """
    try:
        number = float(str(text))
        if 0 <= number <= _LARGEST and number == int(number):
            return int(number)
    except ValueError:
        pass
    raise IndexingError(f"{file}, {place}: the {what} is {str(text)[:40]!r}: write a whole number")


def check_order(start: float, end: float, file: Path, place: str, what: str) -> None:
    """Raise an error where something ends before it starts.

    Args:
        start: seconds.
        end: seconds.
        file: the annotations.
        place: where in it.
        what: what starts and ends, in words.

    Raises:
        IndexingError: it does; the message names the file and the place in it.
    """
    if end < start:
        raise IndexingError(
            f"{file}, {place}: {what} ends at second {end:g}, before it starts at second {start:g}: write the start "
            "first and then the end, or download the file again"
        )


def _text(file: Path, source: str) -> str:
    if not file.is_file():
        raise IndexingError(f"{file}: there is no such file: write {source}")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise IndexingError(
            f"{file}: is not UTF-8 text ({error.reason}): download it again; {source} is text"
        ) from error
