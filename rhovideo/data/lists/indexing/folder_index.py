"""Indexing: lists of the videos in a folder (train.csv, val.csv, test.csv)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rhovideo.atomic_files import written_whole
from rhovideo.config.list_names import CLASS_NAMES_FILE
from rhovideo.data.lists.classes.class_files import in_given_order, notes_on_order
from rhovideo.data.lists.classes.class_names import write_class_names
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.lists.indexing.video_folders import (
    SPLITS,
    Skipped,
    TwoFoldersError,
    class_notes,
    find_splits,
    find_videos,
    take_out_strays,
)
from rhovideo.data.lists.indexing.video_groups import GroupNames, recognise_groups
from rhovideo.data.lists.list_mistakes import VIDEO_ENDINGS
from rhovideo.randomness import Stream, generator

SHOWN = 5


class IndexingError(ValueError):
    """No list can be made from a folder or split file; the message says what is missing."""


class ListsExistError(IndexingError):
    """There are lists already, and overwriting was not asked for."""


class Entry(NamedTuple):
    """A video.

    Attributes:
        path: of its file.
        label: of its class, -1: none.
        labels: of its classes, in a data set whose videos have any number of them.
    """

    path: Path
    label: int
    labels: tuple[int, ...] | None = None


@dataclass
class IndexSummary:
    """The result of indexing.

    Attributes:
        out_dir: folder of the lists.
        counts: videos of each list.
        classes: names of the classes, by label.
        left_out: files that were left out, and why.
        notes: for the user.
    """

    out_dir: Path
    counts: dict[str, int]
    classes: list[str]
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{split}.csv {count}" for split, count in self.counts.items())
        classes = f"{len(self.classes)} classes" if self.classes else "no labels"
        lines = [f"{self.out_dir}: {counts} videos; {classes}", *self.notes]
        if self.left_out:
            lines.append(f"left out {len(self.left_out)}:")
            lines += [f"  {item}" for item in self.left_out[:SHOWN]]
            lines += ["  ..."] if len(self.left_out) > SHOWN else []
        # Names that are not UTF-8 can be printed so.
        return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def index_folder(
    folder: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    val_share: float = 0.1,
    seed: int = 0,
    labels: bool | None = None,
    endings: Sequence[str] = VIDEO_ENDINGS,
    force: bool = False,
    class_file: str | os.PathLike[str] | None = None,
) -> IndexSummary:
    """List the videos below ``folder`` in ``out_dir``/{train,val,test}.csv, and their classes, if any, in classes.txt.

    Sub-folders named train, val and test, in one of their ways
    (:func:`rhovideo.data.lists.indexing.video_folders.split_of`), are the splits; without them, a share of each class
    becomes val.csv, and clips that are cut from one video (:mod:`rhovideo.data.lists.indexing.video_groups`) stay
    together. Without a test folder, test.csv equals val.csv. If the videos are in two or more sub-folders, these are
    the classes, with labels in the order of their names; a few videos outside of them are left out. Links are followed,
    and hidden files are not listed. Paths are relative where ``folder`` is in ``out_dir``.

    Args:
        folder: of the videos.
        out_dir: folder of the lists, made if missing.
        val_share: share of each class for val.csv, in [0, 1).
        seed: of the choice of these videos.
        labels: True: sub-folders are classes. False: no labels. None: decide by the places of the videos.
        endings: of video files, in any case of letters.
        force: overwrite lists that exist.
        class_file: fixes the order of the classes, as of
            :func:`rhovideo.data.lists.classes.class_files.read_class_file`; None: the order of their names.

    Returns:
        The counts, classes and left-out files, which are also printed.

    Raises:
        IndexingError: there is no folder or no video, or the lists exist already.
        ManifestError: a class is not in ``class_file``, or that cannot be used.
    """
    folder, out_dir = Path(folder), Path(out_dir)
    if not folder.is_dir():
        raise IndexingError(f"{folder} is not a folder: write the folder of the videos")
    if not 0 <= val_share < 1:
        raise IndexingError(f"the share of validation videos is {val_share}: write a number from 0 to less than 1")
    refuse_to_overwrite(out_dir, force)
    skipped = Skipped()
    roots, found, notes = _found(folder, endings, skipped)
    left_out = skipped.left_out
    if labels is None:
        found = take_out_strays(found, roots, skipped)
    classes = _class_names(found, roots, labels if class_file is None else True)
    splits = {split: _labelled(videos, roots[split], classes) for split, videos in found.items()}
    if class_file is not None:
        splits, classes = in_given_order(splits, classes, class_file)
    notes += notes_on_order(out_dir, classes, class_file is not None)
    if "val" not in splits and "train" in splits:
        groups = recognise_groups([entry.path.name for entry in splits["train"]])
        splits["train"], splits["val"] = _hold_out(splits["train"], val_share, seed, groups)
        whole = "each class" if classes else "the videos"
        notes.append(f"val.csv: {val_share:.0%} of {whole}, drawn with seed {seed}")
        notes += groups.notes() if groups else []
    if "test" not in splits:
        splits["test"] = splits.get("val", [])
        notes.append("test.csv equals val.csv")
    splits = {split: splits.get(split, []) for split in SPLITS}
    notes += [*class_notes(found, roots, classes, labels), *skipped.note()]
    return write_index(out_dir, splits, classes, left_out, notes)


def list_folder(folder: str | os.PathLike[str], out_dir: str | os.PathLike[str]) -> tuple[bytes, list[str], list[str]]:
    """Make one list of all videos below ``folder``, without writing it.

    Splits and classes are found as by :func:`index_folder`; the splits follow one after the other.

    Args:
        folder: of the videos.
        out_dir: folder that the list is for, to which paths may be relative.

    Returns:
        The bytes of the CSV, the names of the classes by label (empty where folders are not classes), and the files
        that were left out, with the reasons.

    Raises:
        IndexingError: there is no folder, or no video in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise IndexingError(f"{folder} is not a folder: write the folder of the videos, or a list of them")
    skipped = Skipped()
    roots, found, _ = _found(folder, VIDEO_ENDINGS, skipped)
    # A video outside of the class folders has no label, and stays.
    classes = _class_names(take_out_strays(found, roots, Skipped()), roots, None)
    splits = [split for split in SPLITS if split in roots]
    entries = [entry for split in splits for entry in _labelled(found[split], roots[split], classes)]
    return b"".join(_csv_line(entry, Path(out_dir)) for entry in entries), classes, skipped.left_out


def refuse_to_overwrite(out_dir: Path, force: bool) -> None:
    """Check that a folder has no lists yet.

    Args:
        out_dir: the folder.
        force: lists may be overwritten.

    Raises:
        ListsExistError: there are lists.
    """
    existing = [name for name in (*(f"{split}.csv" for split in SPLITS), CLASS_NAMES_FILE) if (out_dir / name).exists()]
    if existing and not force:
        raise ListsExistError(
            f"{out_dir} already holds {', '.join(existing)}: choose another folder, or force overwriting"
        )


def _found(
    folder: Path, endings: Sequence[str], skipped: Skipped
) -> tuple[dict[str, Path], dict[str, list[Path]], list[str]]:
    """The folder of each split, its videos, and lines for the user.

    Raises:
        IndexingError: there is no video, or two folders for one split.
    """
    lower = tuple(ending.lower() for ending in endings)
    try:
        roots, notes = find_splits(folder, lower, skipped)
    except TwoFoldersError as error:
        raise IndexingError(str(error)) from error
    found = {split: find_videos(root, lower, skipped) for split, root in roots.items()}
    if not any(found.values()):
        others = "".join(f"; {note}" for note in skipped.note())
        raise IndexingError(f"there is no video below {folder}: its name must end in {' '.join(endings)}{others}")
    return roots, found, notes


def _class_names(found: Mapping[str, list[Path]], roots: Mapping[str, Path], labels: bool | None) -> list[str]:
    if labels is False:
        return []
    parts = [path.relative_to(roots[split]).parts for split, videos in found.items() for path in videos]
    loose = [part[0] for part in parts if len(part) == 1]
    names = sorted({part[0] for part in parts if len(part) > 1}, key=os.fsencode)
    if labels and loose:
        raise IndexingError(f"{loose[0]} is not in a class folder: move it into one, or index without labels")
    return names if labels or (not loose and len(names) > 1) else []


def _labelled(videos: list[Path], root: Path, classes: Sequence[str]) -> list[Entry]:
    number = {name: label for label, name in enumerate(classes)}
    return [Entry(path, number.get(path.relative_to(root).parts[0], NO_LABEL)) for path in videos]


def _hold_out(
    entries: list[Entry], share: float, seed: int, names: GroupNames | None
) -> tuple[list[Entry], list[Entry]]:
    """Split off ``share`` of each class, at least one of two or more if ``share`` is positive; whole groups."""
    kept: list[Entry] = []
    held: list[Entry] = []
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.label, []).append(entry)
    decided: dict[str, bool] = {}
    for label, own in sorted(groups.items()):
        number = min(max(round(share * len(own)), 1), len(own) - 1) if share > 0 else 0
        order = generator(Stream.SHUFFLE, seed, label + 1).permutation(len(own)).tolist()
        if names is None:
            chosen = set(order[:number])
        else:
            chosen = names.choose([entry.path.name for entry in own], order, number, decided)
        kept += [entry for place, entry in enumerate(own) if place not in chosen]
        held += [entry for place, entry in enumerate(own) if place in chosen]
    return kept, held


def write_index(
    out_dir: Path,
    splits: Mapping[str, Iterable[Entry]],
    classes: list[str],
    left_out: list[str],
    notes: list[str],
) -> IndexSummary:
    """Write the lists and classes.txt, and print the summary.

    Args:
        out_dir: folder of the lists, made if missing.
        splits: the videos of each list.
        classes: names by label; empty: no classes.txt.
        left_out: files that were left out, and why.
        notes: for the user.

    Returns:
        The summary.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    counts = {}
    for split, entries in splits.items():
        lines = [_csv_line(entry, out_dir) for entry in entries]
        counts[split] = len(lines)
        _write_whole(out_dir / f"{split}.csv", b"".join(lines))
    write_class_names(out_dir, classes)
    summary = IndexSummary(out_dir, counts, classes, left_out, notes)
    print(summary)
    return summary


def _csv_line(entry: Entry, out_dir: Path) -> bytes:
    """A line of a list with a space as separator; the label follows the last space.

    A path without a label may have spaces if it ends like a video file. Several labels are in quotes: ``"3,9,21"``.
    """
    path = path_from(entry.path, out_dir)
    if entry.labels is not None:
        return os.fsencode(f'{path} "{",".join(map(str, entry.labels))}"\n')
    readable_alone = " " not in path or path.lower().endswith(VIDEO_ENDINGS)
    label = "" if entry.label == NO_LABEL and readable_alone else f" {entry.label}"
    return os.fsencode(f"{path}{label}\n")


def path_from(path: str | os.PathLike[str], home: str | os.PathLike[str]) -> str:
    """A path as a list in the folder ``home`` has it: relative below that folder, else absolute."""
    absolute, folder = os.path.abspath(path), os.path.abspath(home)
    if not absolute.startswith(os.path.join(folder, "")):
        return absolute
    relative = os.path.relpath(absolute, folder)
    # Readers drop a blank at the start of a line.
    return relative if relative.strip() == relative else os.path.join(".", relative)


def _write_whole(path: Path, content: bytes) -> None:
    with written_whole(path) as file:
        file.write(content)
