"""Predictions of videos with several labels each as CSV files. Without torch.

A run folder gets ``multi_label_predictions.csv`` (a row for each test video that can be read) and ``per_class_ap.csv``
(a row for each class that some test video has). Names of files may be bytes that are no text: the files are UTF-8 with
surrogateescape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rhovideo.data.lists.multi_label.label_sets import label_text
from rhovideo.engine.evaluation.predictions import read_rows, write_rows

if TYPE_CHECKING:
    import numpy as np

LABEL_SETS_FILE, PRECISIONS_FILE = "multi_label_predictions.csv", "per_class_ap.csv"
_PREDICTIONS = ("path", "labels", "highest", "scores")
_CLASSES = ("class", "name", "videos", "ap")
# Classes of a video that are named in its row.
_HIGHEST = 5


@dataclass(frozen=True)
class ClassPrecision:
    """The average precision of one class.

    Attributes:
        label: of the class.
        name: of the class; empty where it is not known.
        videos: test videos that have it.
        ap: in percent.
    """

    label: int
    name: str
    videos: int
    ap: float


def class_precisions(ap: Mapping[int, float], targets: np.ndarray, names: Sequence[str] = ()) -> list[ClassPrecision]:
    """The average precision of each class that has test videos, by label.

    Args:
        ap: by class, 0 to 1.
        targets: uint8 [N, C].
        names: of the classes by label.
    """
    return [
        ClassPrecision(label, names[label] if label < len(names) else "", int(targets[:, label].sum()), 100 * value)
        for label, value in sorted(ap.items())
    ]


def write_label_sets(
    folder: str | Path,
    paths: Sequence[str],
    targets: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[ClassPrecision],
) -> None:
    """Write both files, each as a whole; call on rank 0 alone.

    Args:
        folder: of the run.
        paths: of the test videos.
        targets: uint8 [N, C].
        scores: float [N, C].
        classes: from :func:`class_precisions`.
    """
    order = (-scores).argsort(1, kind="stable")[:, :_HIGHEST]
    rows = (
        (path, label_text(target.nonzero()[0].tolist()), label_text(best.tolist()), _shares(row[best].tolist()))
        for path, target, row, best in zip(paths, targets, scores, order, strict=True)
    )
    write_rows(Path(folder) / LABEL_SETS_FILE, _PREDICTIONS, rows)
    lines = [(each.label, each.name, each.videos, f"{each.ap:.4f}") for each in classes]
    write_rows(Path(folder) / PRECISIONS_FILE, _CLASSES, lines)


def _shares(scores: Sequence[float]) -> str:
    return ",".join(f"{score:.4g}" for score in scores)


def read_precisions(folder: str | Path) -> list[ClassPrecision] | None:
    """Read per_class_ap.csv of a run folder; None where there is none.

    Raises:
        DamagedRowError: it is damaged.
    """
    return read_rows(Path(folder) / PRECISIONS_FILE, _class_row)


def _class_row(row: Mapping[str, str]) -> ClassPrecision:
    # JSON, which holds these too, is text.
    name = row["name"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return ClassPrecision(int(row["class"]), name, int(row["videos"]), float(row["ap"]))
