"""A given order of classes: ``rhovideo index --classes FILE``. Without torch."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rhovideo.data.lists.classes.class_names import as_table, names_in, other_names, plain, read_class_names
from rhovideo.data.lists.classes.template_labels import read_templates
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError

if TYPE_CHECKING:
    from rhovideo.data.lists.indexing.folder_index import Entry

_NUMBERED = re.compile(r"(\d+)[\s,]+(\S.*)")
_SHOWN = 5


def read_class_file(file: str | os.PathLike[str]) -> list[str]:
    """Read the names of classes in their order.

    The file is a classes.txt, with a name a line; UCF101's classInd.txt, ``number name`` a line; a Kinetics annotation
    list (CSV with the column ``label``), whose classes get numbers in the order of the alphabet; or the JSON file of
    Something-Something's templates and numbers.

    Args:
        file: its path.

    Returns:
        The names by label; empty text where a number has no name.

    Raises:
        ManifestError: it holds no names, or one of them twice.
        OSError: it cannot be read.
    """
    path = Path(file)
    if path.suffix.lower() == ".json":
        names = read_templates(path)
    else:
        names = names_in(path.read_bytes())
        header = [word.strip().strip('"') for word in names[0].split(",")] if names else []
        if "label" in header and len(header) > 1:
            names = _annotated(path)
        elif numbered := _numbered(names):
            names = numbered
    if not any(names):
        raise ManifestError(f"{path}: holds no names of classes: write one a line")
    known: dict[str, int] = {}
    for number, name in enumerate(names):
        if name and name in known:
            raise ManifestError(f"{path}: {name!r} is there twice, as class {known[name]} and {number}: keep one")
        known[name] = number
    return names


def _annotated(path: Path) -> list[str]:
    """The classes of an annotation list, in the order of the alphabet."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        return sorted({row["label"].strip() for row in rows if (row.get("label") or "").strip()})


def _numbered(lines: Sequence[str]) -> list[str]:
    """The names of ``number name`` lines; empty if the lines are not of this kind, or not numbered from 0 or 1."""
    parts = [_NUMBERED.fullmatch(line.strip()) for line in lines if line.strip()]
    found = {int(part[1]): part[2] for part in parts if part}
    first = min(found, default=-1)
    if None in parts or first not in (0, 1) or sorted(found) != list(range(first, first + len(parts))):
        return []
    return [found[number] for number in sorted(found)]


def in_given_order(
    splits: Mapping[str, Sequence[Entry]], found: Sequence[str], file: str | os.PathLike[str]
) -> tuple[dict[str, list[Entry]], list[str]]:
    """Give videos the labels of a file of classes.

    Args:
        splits: videos by split, with the numbers of ``found`` as labels.
        found: names of the class folders.
        file: as of :func:`read_class_file`.

    Returns:
        The videos with the file's numbers, and the names in the file by label.

    Raises:
        ManifestError: a folder is no class of the file, or the file cannot be used.
        OSError: the file cannot be read.
    """
    names = read_class_file(file)
    exact = {name: number for number, name in enumerate(names) if name}
    alike: dict[str, list[int]] = {}
    for name, number in exact.items():
        alike.setdefault(plain(name), []).append(number)
    numbers = {NO_LABEL: NO_LABEL}
    unknown = []
    for label, name in enumerate(found):
        candidates = [exact[name]] if name in exact else alike.get(plain(name), [])
        if len(candidates) == 1:
            numbers[label] = candidates[0]
        else:
            unknown.append(name)
    if unknown:
        shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", ..." if len(unknown) > _SHOWN else "")
        which = f"the folder {shown} is" if len(unknown) == 1 else f"{len(unknown)} folders are"
        others = "" if len(unknown) == 1 else f" ({shown})"
        raise ManifestError(
            f"{which} not among the {len(exact)} classes of {file}{others}: write the name as a new last line of that "
            "file, or give the folder the name that its class has there, or move it away"
        )
    renumbered = {
        split: [entry._replace(label=numbers[entry.label]) for entry in entries] for split, entries in splits.items()
    }
    return renumbered, names


def notes_on_order(out_dir: Path, names: Sequence[str], given: bool) -> list[str]:
    """Notes for the user on the numbers of classes, before classes.txt is written.

    Args:
        out_dir: folder of the lists, with the classes.txt of earlier lists, if any.
        names: of the classes by label; empty without labels.
        given: whether a file has given the order.
    """
    if not names:
        return []
    notes = []
    different = other_names(read_class_names(out_dir), names)
    if different:
        table = as_table(different, "before", "now")
        notes.append(f"numbers of classes have changed, so classifiers trained before need other lists:\n{table}")
    if not given:
        notes.append(f"other folders of these classes get the same numbers with --classes {out_dir / 'classes.txt'}")
    return notes
