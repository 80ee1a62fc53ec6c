"""A list whose rows go into another one: its lines as they stand, with paths that are right from the other folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rhovideo.atomic_files import written_whole
from rhovideo.config.list_names import CLASS_NAMES_FILE, MIXTURE_MARK
from rhovideo.data.lists.any_list import open_any_list
from rhovideo.data.lists.classes.class_names import as_table, other_names, read_class_names, write_class_names
from rhovideo.data.lists.indexing.folder_index import path_from
from rhovideo.data.lists.list_mistakes import VIDEO_ENDINGS
from rhovideo.errors import JobError
from rhovideo.runs.official_counts import add_official_counts, read_official_count


@dataclass(frozen=True)
class ListFormat:
    """How lists are written, and where their relative paths start.

    Attributes:
        separator: between path and label (DATA.PATH_LABEL_SEPARATOR).
        prefix: where relative paths start (DATA.PATH_PREFIX); empty: the list's folder.
        skip_rows: lines to leave out at the top (DATA.SKIP_ROWS).
        cache_dir: as of :meth:`rhovideo.data.lists.manifest.Manifest.open`.
    """

    separator: str = " "
    prefix: str = ""
    skip_rows: int = 0
    cache_dir: str = ""


class SourceList:
    """A list that is read, and never written.

    Args:
        csv: the list.
        how: it is written.

    Attributes:
        csv: its absolute path.
        manifest: its videos.
        how: as given.

    Raises:
        ManifestError: it cannot be used.
        FileNotFoundError: there is no such list.
    """

    def __init__(self, csv: str | os.PathLike[str], how: ListFormat) -> None:
        self.csv, self.how = Path(os.path.abspath(csv)), how
        self.manifest = open_any_list(
            self.csv, separator=how.separator, prefix=how.prefix, skip_rows=how.skip_rows, cache_dir=how.cache_dir
        )

    def __len__(self) -> int:
        return len(self.manifest)

    def lines_for(
        self, out_dir: Path, rows: Sequence[bool], *, head: bool = True, marks: bool = True, labels: bool = True
    ) -> Iterator[bytes]:
        """Lines for a list in another folder.

        Args:
            out_dir: the folder of that list.
            rows: bool [N], the rows that it takes, in the order of this list.
            head: with the lines that are skipped at the top, since the new list is read with the same settings.
            marks: with the lines of a mixture's parts, those of parts without a row excepted.
            labels: with the labels.

        Yields:
            Lines with their ends.
        """
        row, mark = 0, b""
        with self.csv.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
                if number <= self.how.skip_rows:
                    yield from [text + b"\n"] if head else []
                    continue
                if not text:
                    continue
                if text.startswith(MIXTURE_MARK):
                    mark = text + b"\n"
                    continue
                if rows[row]:
                    if mark and marks:
                        yield mark
                    mark = b""
                    yield self._line(text, row, out_dir, labels)
                row += 1

    def _line(self, text: bytes, row: int, out_dir: Path, labels: bool) -> bytes:
        """A line with its path as it is right in ``out_dir``, and what follows the path as it stands."""
        listed = os.fsencode(self.manifest.written_path(row))
        path, rest = listed, text[len(listed) :] if labels else b""
        relative = not os.path.isabs(listed) and b"://" not in listed
        if relative and not self.how.prefix and out_dir != self.csv.parent:
            path = os.fsencode(path_from(self.manifest.path(row), out_dir))
        separator = self.how.separator.encode()
        alone = separator not in path or os.fsdecode(path).lower().endswith(VIDEO_ENDINGS)
        return path + (rest or (b"" if alone else separator + b"-1")) + b"\n"


def check_output(out: str | os.PathLike[str], sources: Iterable[Path], *, force: bool) -> Path:
    """The absolute path of a list that will be written.

    Args:
        out: the path.
        sources: the lists that are read.
        force: the file may be replaced.

    Raises:
        JobError: it is one of the lists that are read, or a folder, or a file that may not be replaced.
    """
    path = Path(os.path.abspath(out))
    if path.is_dir():
        raise JobError(f"{out} is a folder: write the name of the new list, {Path(out) / 'train.csv'}")
    for source in sources:
        if os.path.realpath(path) == os.path.realpath(source) or (path.exists() and os.path.samefile(path, source)):
            raise JobError(f"{out} is the list that is read: write another --out, and rename it afterwards if you like")
    if path.exists() and not force:
        raise JobError(f"{out} exists already: write another --out, or --force to replace it")
    return path


def write_list(out: Path, lines: Iterable[bytes], names: Sequence[str]) -> None:
    """Write a list as a whole, and classes.txt next to it if its folder has none.

    Args:
        out: the list.
        lines: with their ends.
        names: of the classes by label; empty where they are not known.

    Raises:
        JobError: the classes.txt of that folder names other classes.
    """
    different = other_names(read_class_names(out.parent), names)
    if different:
        raise JobError(
            f"{out.parent / CLASS_NAMES_FILE} names other classes than the list that is read:\n"
            f"{as_table(different, 'there', 'here')}\n"
            "    so labels would not mean the same: write --out in another folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as file:
        file.writelines(lines)
    if names and len(names) > len(read_class_names(out.parent)):
        write_class_names(out.parent, names)


def write_part(out: Path, source: SourceList, rows: Sequence[bool]) -> None:
    """Write the list of some of another list's videos, with its classes.txt and its count of official videos.

    Args:
        out: the list.
        source: the other one.
        rows: bool [N], those of its rows that are taken.

    Raises:
        JobError: as of :func:`write_list`.
    """
    write_list(out, source.lines_for(out.parent, rows), read_class_names(source.csv.parent))
    if (official := read_official_count(source.csv)) is not None:
        add_official_counts({out: replace(official, listed=sum(rows))})


def copy_list(csv: str | os.PathLike[str], out: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a list into another folder, with paths that are right from there.

    Args:
        csv: the list.
        out: the new list.
        force: replace ``out`` if it exists.

    Raises:
        JobError: ``out`` may not be written.
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
    """
    source = SourceList(csv, ListFormat())
    write_part(check_output(out, [source.csv], force=force), source, [True] * len(source))
