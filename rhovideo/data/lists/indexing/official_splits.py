"""The official splits of UCF101 and HMDB51 as lists of videos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhovideo.data.lists.indexing.folder_index import (
    SHOWN,
    Entry,
    IndexingError,
    IndexSummary,
    refuse_to_overwrite,
    write_index,
)


def index_ucf101(
    videos: str | os.PathLike[str],
    split_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> list[IndexSummary]:
    """Write UCF101's three official splits to ``out_dir``/split{1,2,3}/{train,val,test}.csv; val and test are equal.

    Args:
        videos: folder of the .avi files, in class folders or not.
        split_dir: the unpacked ucfTrainTestlist: classInd.txt, trainlist0{1,2,3}.txt, testlist0{1,2,3}.txt.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The counts and classes of each split.

    Raises:
        IndexingError: a file is missing, or a line is wrong.
    """
    videos, split_dir, out_dir = Path(videos), Path(split_dir), Path(out_dir)
    class_file = split_dir / "classInd.txt"
    number: dict[str, int] = {}
    for line, fields in _split_lines(class_file, "UCF101's ucfTrainTestlist"):
        if len(fields) != 2 or not fields[0].isdigit():
            raise IndexingError(f"{class_file}, line {line}: write a number and a class name")
        number[fields[1]] = int(fields[0]) - 1
    classes = sorted(number, key=number.__getitem__)
    if sorted(number.values()) != list(range(len(number))):
        raise IndexingError(f"{class_file}: the classes are not numbered 1 to {len(number)}")

    def entries(name: str) -> list[Entry]:
        rows = []
        for line, fields in _split_lines(split_dir / name, "UCF101's ucfTrainTestlist"):
            class_name, _, file_name = fields[0].partition("/")
            if class_name not in number or not file_name:
                raise IndexingError(
                    f"{split_dir / name}, line {line}: write Class/video.avi with a class of classInd.txt"
                )
            rows.append((class_name, file_name, number[class_name]))
        return _locate(videos, rows, "UCF101")

    found = [(entries(f"trainlist0{k}.txt"), entries(f"testlist0{k}.txt")) for k in (1, 2, 3)]
    return _write_splits(out_dir, found, classes, force)


def index_hmdb51(
    videos: str | os.PathLike[str],
    split_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> list[IndexSummary]:
    """Write HMDB51's three official splits to ``out_dir``/split{1,2,3}/{train,val,test}.csv; val and test are equal.

    Args:
        videos: folder of the .avi files, in class folders or not.
        split_dir: the unpacked testTrainMulti_7030_splits: {class}_test_split{1,2,3}.txt, lines ``video.avi 0|1|2``
            (unused, train, test). Labels follow the order of the classes' names.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The counts and classes of each split.

    Raises:
        IndexingError: a file is missing, or a line is wrong.
    """
    videos, split_dir, out_dir = Path(videos), Path(split_dir), Path(out_dir)
    suffix = "_test_split{}.txt"
    names = {
        path.name.removesuffix(suffix.format(k)) for k in (1, 2, 3) for path in split_dir.glob("*" + suffix.format(k))
    }
    if not names:
        raise IndexingError(
            f"{split_dir} has no file like brush_hair_test_split1.txt: unpack HMDB51's testTrainMulti_7030_splits there"
        )
    classes = sorted(names)
    found = []
    for k in (1, 2, 3):
        chosen: dict[str, list[tuple[str, str, int]]] = {"0": [], "1": [], "2": []}
        for label, class_name in enumerate(classes):
            file = split_dir / (class_name + suffix.format(k))
            for line, fields in _split_lines(file, "HMDB51's testTrainMulti_7030_splits"):
                if len(fields) != 2 or fields[1] not in chosen:
                    raise IndexingError(f"{file}, line {line}: write a file name and 0, 1 or 2")
                chosen[fields[1]].append((class_name, fields[0], label))
        found.append((_locate(videos, chosen["1"], "HMDB51"), _locate(videos, chosen["2"], "HMDB51")))
    return _write_splits(out_dir, found, classes, force)


def _split_lines(file: Path, source: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not empty, split at the *last* blank."""
    if not file.is_file():
        raise IndexingError(f"{file} is missing: unpack {source} into {file.parent}")
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
        if fields := line.strip().rsplit(maxsplit=1):
            yield number, fields


def _locate(videos: Path, rows: Sequence[tuple[str, str, int]], dataset: str) -> list[Entry]:
    """Find the files of (class, file name, label), first in class folders, then without them."""
    entries: list[Entry] = []
    missing: list[str] = []
    for class_name, file_name, label in rows:
        places = (videos / class_name / file_name, videos / file_name)
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            missing.append(str(places[0]))
        else:
            entries.append(Entry(place, label))
    if missing:
        first = ", ".join(missing[:SHOWN])
        raise IndexingError(f"{len(missing)} of {len(rows)} videos of {dataset} are missing, the first ones: {first}")
    return entries


def _write_splits(
    out_dir: Path, found: list[tuple[list[Entry], list[Entry]]], classes: list[str], force: bool
) -> list[IndexSummary]:
    folders = [out_dir / f"split{k}" for k in range(1, len(found) + 1)]
    for folder in folders:
        refuse_to_overwrite(folder, force)
    return [
        write_index(folder, {"train": train, "val": test, "test": test}, classes, [], _class_notes(train, classes))
        for folder, (train, test) in zip(folders, found, strict=True)
    ]


def _class_notes(train: list[Entry], classes: list[str]) -> list[str]:
    counts = Counter(entry.label for entry in train)
    return [f"no training video of {name}" for label, name in enumerate(classes) if not counts[label]]
