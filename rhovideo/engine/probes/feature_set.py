"""Features of training and test videos, read from the folders of two extractions. Without torch.

Rows of videos that could not be read, or that have no label, are left out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rhovideo.config.list_names import label_files
from rhovideo.data.lists.classes.class_names import as_table, other_names, read_class_names
from rhovideo.data.lists.same_videos import MOST_PATHS, video_ids
from rhovideo.engine.evaluation.feature_file import FEATURES, IDENTITY, MANIFEST
from rhovideo.errors import JobError

# Parts of an extraction's identity that its two lists may differ in.
_OF_THE_LIST = (
    *("videos", "videos_sha256", "checkpoint", "rhovideo"),
    *("DATA.PATH_PREFIX", "DATA.PATH_LABEL_SEPARATOR", "DATA.SKIP_ROWS", "TRAIN.DATASET"),
)


@dataclass(frozen=True)
class FeatureSet:
    """The features of one list.

    Attributes:
        folder: of the extraction.
        stored: float16 [R, C] or [R, tokens, C], as a rule mapped from the disk.
        rows: int64 [N], those of ``stored`` that are used.
        labels: int64 [N].
        paths: of the videos.
        unreadable: videos that were left out because they could not be read.
    """

    folder: Path
    stored: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    paths: Sequence[str]
    unreadable: int = 0

    @property
    def dim(self) -> int:
        """Size of a feature, C."""
        return int(self.stored.shape[-1])

    @property
    def has_tokens(self) -> bool:
        """True if a video has many features."""
        return self.stored.ndim == 3

    def pooled(self) -> np.ndarray:
        """float32 [N, C]; tokens are averaged.

        Raises:
            JobError: a feature is NaN or infinite.
        """
        if self.has_tokens:
            values = np.stack([self.stored[row].astype(np.float32).mean(0) for row in self.rows])
        else:
            values = self.stored[self.rows].astype(np.float32)
        return self._finite(values, self.rows)

    def take(self, places: np.ndarray) -> np.ndarray:
        """float32 [n, tokens, C] of some of the N videos; reads no others.

        Raises:
            JobError: a feature is NaN or infinite.
        """
        rows = self.rows[places]
        return self._finite(self.stored[rows].astype(np.float32), rows)

    def _finite(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        broken = rows[~np.isfinite(values).reshape(len(values), -1).all(1)]
        if len(broken):
            raise JobError(
                f"{self.folder / FEATURES}: {len(broken)} of {len(rows)} rows hold NaN or infinite numbers, the first "
                f"is row {broken[0]}: extract the features anew, with a checkpoint whose weights are finite"
            )
        return values


@dataclass(frozen=True)
class ProbeData:
    """What a probe learns from, and what it is tested on.

    Attributes:
        train: the training videos.
        test: the test videos.
        names: of the classes by label; empty where they are not known.
        train_ids, test_ids: numbers of the videos, equal where a video is the same; None where no test video is a
            training video.
    """

    train: FeatureSet
    test: FeatureSet
    names: Sequence[str] = ()
    train_ids: np.ndarray | None = None
    test_ids: np.ndarray | None = None

    @property
    def classes(self) -> int:
        """Classes of a classifier: the largest label plus one."""
        return int(max(self.train.labels.max(), self.test.labels.max())) + 1

    @property
    def shared(self) -> int:
        """Test videos that are training videos too."""
        if self.train_ids is None or self.test_ids is None:
            return 0
        return int(np.isin(self.test_ids, self.train_ids).sum())

    @property
    def untrained(self) -> int:
        """Test videos of classes that have no training video."""
        return int((~np.isin(self.test.labels, self.train.labels)).sum())


def read_probe_data(train: Path, test: Path) -> ProbeData:
    """Read the features of training and test videos.

    Args:
        train: folder of an extraction.
        test: folder of another one by the same encoder.

    Raises:
        JobError: a folder holds no finished extraction, the two are of different encoders or settings, number their
            classes differently, or have no labels.
    """
    _check_alike(_identity(train), _identity(test), train, test)
    names = _class_names(train, test)
    sets = _read(train), _read(test)
    ids = None
    if sum(len(each.paths) for each in sets) <= MOST_PATHS:
        ids = video_ids({"train": sets[0].paths, "test": sets[1].paths})
    if ids is None or not np.isin(ids["test"], ids["train"]).any():
        return ProbeData(*sets, names)
    return ProbeData(*sets, names, ids["train"], ids["test"])


def _identity(folder: Path) -> Mapping[str, Any]:
    if not (folder / FEATURES).is_file() or not (folder / MANIFEST).is_file():
        begun = (folder / IDENTITY).exists()
        remedy = (
            "start the same `rhovideo extract` again to finish it"
            if begun
            else "write the --out folder of `rhovideo extract CHECKPOINT --data LIST.csv --out FOLDER`"
        )
        raise JobError(f"{folder}: holds no finished features ({FEATURES} and {MANIFEST}): {remedy}")
    try:
        found = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_alike(train: Mapping[str, Any], test: Mapping[str, Any], first: Path, second: Path) -> None:
    if not train or not test:
        raise JobError(f"{first if not train else second}: {IDENTITY} is missing or damaged: extract the features anew")
    # Two lists have two files of labels.
    labels = {f"{name} sha256" for split in ("train", "val", "test") for name in label_files(split)}
    keys = [key for key in dict.fromkeys([*train, *test]) if key not in _OF_THE_LIST and key not in labels]
    if different := [key for key in keys if train.get(key) != test.get(key)]:
        shown = "; ".join(f"{key}: {train.get(key)} and {test.get(key)}" for key in different[:3])
        raise JobError(
            f"{first} and {second} hold features of different encoders or settings ({shown}): extract both lists with "
            "the same checkpoint and flags"
        )


def _class_names(train: Path, test: Path) -> list[str]:
    known, tested = (read_class_names(folder / "list") for folder in (train, test))
    if different := other_names(known, tested):
        raise JobError(
            f"{train} and {test} number their classes differently:\n"
            f"{as_table(different, 'in training', 'in test')}\n    so labels do not mean the same: extract from lists "
            "that one `rhovideo index` has written, or give it --classes"
        )
    return max(known, tested, key=len)


def _read(folder: Path) -> FeatureSet:
    try:
        values = np.load(folder / FEATURES, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise JobError(f"{folder / FEATURES}: cannot be read ({error}): extract the features anew") from None
    rows = _manifest_rows(folder / MANIFEST)
    if len(rows) != len(values):
        raise JobError(f"{folder}: {FEATURES} has {len(values)} rows and {MANIFEST} {len(rows)}: extract them anew")
    read = [place for place, row in enumerate(rows) if row.ok]
    kept = [place for place in read if rows[place].label >= 0]
    if not kept:
        raise JobError(f"{folder / MANIFEST}: has no labels: extract from a list of `path label` lines")
    labels = np.array([rows[place].label for place in kept], np.int64)
    paths = [rows[place].path for place in kept]
    return FeatureSet(folder, values, np.array(kept, np.int64), labels, paths, len(rows) - len(read))


class _Row(NamedTuple):
    """A line of a manifest: a video, if it could be read, and its label, -1 where there is none."""

    path: str
    ok: bool
    label: int


def _manifest_rows(path: Path) -> list[_Row]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = csv.DictReader(file)
        try:
            return [_Row(line["path"], line["ok"] == "1", int(line["label"] or -1)) for line in lines]
        except (csv.Error, KeyError, TypeError, ValueError):
            wrong = f"{path}, line {lines.line_num}: is no line of a manifest, with path, label and ok"
            raise JobError(f"{wrong}: extract the features anew") from None
