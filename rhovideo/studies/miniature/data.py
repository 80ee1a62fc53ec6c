"""Tiny generated data sets in the forms that the paper's data sets have on disk.

All videos are those of :mod:`rhovideo.demo`: shapes that move. Sizes and lengths are in proportion to the real ones
(:data:`rhovideo.studies.miniature.settings.VIDEO_SHARE`, ``TIME_SHARE``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import write_text
from rhovideo.config.list_names import CLASS_NAMES_FILE
from rhovideo.demo.labelled_set import read_list, write_labelled_set
from rhovideo.demo.synthetic_videos import shapes
from rhovideo.errors import JobError
from rhovideo.json_records import RecordError, record_from
from rhovideo.runs.lock import held_to_write
from rhovideo.studies.miniature.frame_sets import write_ava, write_charades

# Height and width. A crop is 32 pixels.
_SIZE = (36, 48)
_FPS = 10
# Written last: where it is, the set was complete.
_RECEIPT = "miniature.json"
# Of what is written.
_VERSION = 2
# A clip of 24 frames of 30 a second is in each; most videos of Kinetics last 10 seconds, a fifth of it is 2.
_SECONDS = (1.6, 2.0)


@dataclass(frozen=True)
class _Receipt:
    """What was written: its version, and all files, relative to the set's folder."""

    version: int
    files: list[str]


@dataclass(frozen=True)
class _Part:
    """Videos of a list that are alike.

    Attributes:
        videos: how many.
        seconds: the range of their lengths.
        classes: how many kinds of shapes.
        seed: of the pictures.
    """

    videos: int
    seconds: tuple[float, float]
    classes: int = 6
    seed: int = 0


# Lengths are a fifth of the paper's table 1, and the longest of the uncurated ones cut off at 20 seconds.
_CURATED = (_Part(20, (1.0, 5.0), seed=1), _Part(12, (5.0, 12.0), seed=2))
# Half of the videos are of one kind.
_UNBALANCED = (_Part(16, (1.0, 12.0), classes=1, seed=3), _Part(16, (1.0, 8.0), seed=4))
_UNCURATED = (_Part(18, (0.5, 5.0), seed=5), _Part(12, (5.0, 12.0), seed=6), _Part(4, (12.0, 20.0), seed=7))
_SHORT = (_Part(34, (2.0, 3.2), seed=8),)


def write_data(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """Write tiny data sets; those that are complete stay as they are. Other commands that write are waited for.

    Args:
        folder: each set gets a folder in it, with the name of the set; made if missing.
        names: of :data:`NAMES`.

    Returns:
        The folder of the lists of each set, as ``--data NAME=FOLDER`` takes it.

    Raises:
        JobError: there is no such data set, or nothing can be written into the folder.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise JobError(f"there is no miniature of {', '.join(unknown)}: write names of {', '.join(NAMES)}")
    with held_to_write(folder):
        return {name: _written(folder / name, NAMES[name]) for name in names}


def _written(folder: Path, write: Callable[[Path], None]) -> Path:
    if not _is_complete(folder):
        # What is left of one that was cut off, or of another version, or that a person has taken a file of.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder)
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        write_text(folder / _RECEIPT, json.dumps({"version": _VERSION, "files": files}))
    return folder


def _is_complete(folder: Path) -> bool:
    """True if a set of this version is there with all its files."""
    try:
        receipt = record_from(_Receipt, json.loads((folder / _RECEIPT).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecordError):
        return False
    return receipt.version == _VERSION and all((folder / name).is_file() for name in receipt.files)


def _kinetics(train: int, classes: int) -> Callable[[Path], None]:
    """A set with a training and a validation list; the test list is that for validation, as in the paper."""

    def write(folder: Path) -> None:
        options: dict[str, Any] = {"seconds": _SECONDS, "fps": _FPS, "size": _SIZE, "seed": classes}
        write_labelled_set(folder, shapes(classes), train_videos=train, val_videos=classes, **options)

    return write


def _three_splits(classes: int) -> Callable[[Path], None]:
    """A set with three splits: each video is for testing in one of them."""

    def write(folder: Path) -> None:
        kind = shapes(classes)
        options: dict[str, Any] = {"seconds": _SECONDS, "fps": _FPS, "size": _SIZE, "seed": 100 + classes}
        write_labelled_set(folder / "videos", kind, train_videos=2 * classes, val_videos=classes, **options)
        rows = [*read_list(folder / "videos", "train"), *read_list(folder / "videos", "val")]
        for split in range(3):
            lists = folder / f"split{split + 1}"
            lists.mkdir()
            # Videos come in turns of the classes.
            tested = range(split * classes, (split + 1) * classes)
            _write_rows(lists / "train.csv", [row for number, row in enumerate(rows) if number not in tested])
            for name in ("val.csv", "test.csv"):
                _write_rows(lists / name, [rows[number] for number in tested])
            write_text(lists / CLASS_NAMES_FILE, "".join(f"{name}\n" for name in kind.classes))

    return write


def _write_rows(path: Path, rows: Sequence[tuple[Path, int]]) -> None:
    """Write a list whose paths start from its own folder, so that the set may be moved."""
    lines = [f"../{video.relative_to(path.parent.parent).as_posix()} {label}\n" for video, label in rows]
    write_text(path, "".join(lines))


def _unlabelled(parts: Sequence[_Part]) -> Callable[[Path], None]:
    """A list of videos without labels, of which a training needs no other."""

    def write(folder: Path) -> None:
        lines = []
        for number, part in enumerate(parts):
            place = folder / f"videos_{number}"
            options: dict[str, Any] = {"seconds": part.seconds, "fps": _FPS, "size": _SIZE, "seed": 1000 + part.seed}
            write_labelled_set(place, shapes(part.classes), train_videos=part.videos - 1, val_videos=1, **options)
            rows = [*read_list(place, "train"), *read_list(place, "val")]
            lines += [f"{video.relative_to(folder).as_posix()}\n" for video, _ in rows]
        write_text(folder / "train.csv", "".join(lines))

    return write


# What writes each data set into its folder.
NAMES: dict[str, Callable[[Path], None]] = {
    "K400": _kinetics(8, 4),
    "K600": _kinetics(12, 6),
    "K700": _kinetics(16, 8),
    "UCF101": _three_splits(4),
    "HMDB51": _three_splits(3),
    "SSv2": _kinetics(12, 4),
    "AVA": write_ava,
    "Charades": write_charades,
    "IG-Curated": _unlabelled(_CURATED),
    "IG-Curated-Unbalanced": _unlabelled(_UNBALANCED),
    "IG-Uncurated": _unlabelled(_UNCURATED),
    "IG-Uncurated-Short": _unlabelled(_SHORT),
}
