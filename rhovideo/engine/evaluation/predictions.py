"""Predictions of test videos as CSV files, and the numbers of each class. Without torch.

A run folder gets ``predictions.csv`` (a row for each test video that can be read and has a label), ``per_class.csv``
and ``confusion.csv``. Names of files may be bytes that are no text: the files are UTF-8 with surrogateescape.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rhovideo.atomic_files import written_whole
from rhovideo.engine.evaluation.intervals import wilson

if TYPE_CHECKING:
    import numpy as np

PREDICTIONS_FILE, NEIGHBOURS_FILE = "predictions.csv", "neighbours.csv"
CLASSES_FILE, CONFUSION_FILE = "per_class.csv", "confusion.csv"
_PREDICTIONS = ("path", "label", "prediction", "confidence")
_NEIGHBOURS = ("path", "label", "rank", "neighbour", "neighbour_label", "similarity")
_CLASSES = ("class", "name", "videos", "correct", "accuracy", "low", "high")
_CONFUSION = ("label", "prediction", "count")

Row = TypeVar("Row")


class DamagedRowError(ValueError):
    """A line of a file cannot be read.

    Args:
        path: of the file.
        line: its number, from 1.
    """

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}, line {line}: is damaged")
        self.line = line


@dataclass(frozen=True)
class Predictions:
    """One prediction for each of some labelled videos.

    Attributes:
        paths: of the videos.
        labels: int64 [N].
        predicted: int64 [N]; -1 where there is no prediction.
        confidence: float [N], the predicted class's score or share of the votes.
    """

    paths: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """bool [N]."""
        return self.labels == self.predicted


@dataclass(frozen=True)
class ClassAccuracy:
    """The accuracy of one class.

    Attributes:
        label: of the class.
        name: of the class; empty where it is not known.
        videos: test videos of it.
        correct: how many of them are right.
        interval: [low, high] of the accuracy in percent.
    """

    label: int
    name: str
    videos: int
    correct: int
    interval: Sequence[float]

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * self.correct / self.videos


def class_accuracies(predictions: Predictions, names: Sequence[str] = ()) -> list[ClassAccuracy]:
    """The accuracy of each class that has test videos, by label.

    Args:
        predictions: of the test videos.
        names: of the classes by label.
    """
    import numpy as np

    found = []
    for label, videos in zip(*np.unique(predictions.labels, return_counts=True), strict=True):
        correct = int(predictions.correct[predictions.labels == label].sum())
        name = names[label] if label < len(names) else ""
        found.append(ClassAccuracy(int(label), name, int(videos), correct, wilson(correct, int(videos)) or ()))
    return found


def confusion(predictions: Predictions) -> list[tuple[int, int, int]]:
    """How often a label got a prediction: (label, prediction, count), where the count is not 0."""
    import numpy as np

    pairs = np.stack([predictions.labels, predictions.predicted], axis=1)
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    return [(int(label), int(one), int(count)) for (label, one), count in zip(kinds, counts, strict=True)]


def write_predictions(folder: str | Path, predictions: Predictions, names: Sequence[str] = ()) -> None:
    """Write predictions.csv, per_class.csv and confusion.csv, each as a whole.

    Args:
        folder: of the run; call on rank 0 alone.
        predictions: of the test videos.
        names: of the classes by label; without names that column is empty.
    """
    folder = Path(folder)
    columns = (predictions.labels.tolist(), predictions.predicted.tolist(), predictions.confidence.tolist())
    rows = zip(predictions.paths, *columns, strict=True)
    write_rows(folder / PREDICTIONS_FILE, _PREDICTIONS, ((*row[:3], f"{row[3]:.6g}") for row in rows))
    percents = [(each, (each.accuracy, *each.interval)) for each in class_accuracies(predictions, names)]
    lines = [
        (each.label, each.name, each.videos, each.correct, *(f"{value:.4f}" for value in numbers))
        for each, numbers in percents
    ]
    write_rows(folder / CLASSES_FILE, _CLASSES, lines)
    write_rows(folder / CONFUSION_FILE, _CONFUSION, confusion(predictions))


def write_neighbours(folder: str | Path, rows: Iterable[tuple[str, int, int, str, int, float]]) -> None:
    """Write neighbours.csv as a whole.

    Args:
        folder: of the run; call on rank 0 alone.
        rows: path and label of a query, rank of the neighbour from 1, its path, its label and its cosine.
    """
    write_rows(Path(folder) / NEIGHBOURS_FILE, _NEIGHBOURS, ((*row[:5], f"{row[5]:.6g}") for row in rows))


def read_predictions(folder: str | Path) -> Predictions | None:
    """Read predictions.csv of a run folder; None where there is none.

    Raises:
        DamagedRowError: it is damaged.
    """
    import numpy as np

    rows = read_rows(Path(folder) / PREDICTIONS_FILE, prediction_row)
    if rows is None:
        return None
    return Predictions(
        [row[0] for row in rows],
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows], np.float64),
    )


def prediction_row(row: Mapping[str, str]) -> tuple[str, int, int, float]:
    """A line of predictions.csv: path, label, predicted class and confidence."""
    return row["path"], int(row["label"]), int(row["prediction"]), float(row["confidence"])


def neighbour_row(row: Mapping[str, str]) -> tuple[str, int, str, int, float]:
    """A line of neighbours.csv: a query and its label, a neighbour, its label and its cosine; -1 without a label."""
    labels = [int(row[key] or -1) for key in ("label", "neighbour_label")]
    return row["path"], labels[0], row["neighbour"], labels[1], float(row["similarity"])


def read_rows(path: Path, parse: Callable[[Mapping[str, str]], Row]) -> list[Row] | None:
    """Read the lines of one of these files.

    Args:
        path: of the file.
        parse: turns a line into what is wanted, such as :func:`prediction_row`.

    Returns:
        The parsed lines; None where there is no file.

    Raises:
        DamagedRowError: a line cannot be parsed.
        OSError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = csv.DictReader(file)
            try:
                return [parse(line) for line in lines]
            except (csv.Error, KeyError, TypeError, ValueError) as error:
                raise DamagedRowError(path, lines.line_num) from error
    except FileNotFoundError:
        return None


def read_class_numbers(folder: str | Path) -> dict[str, Any]:
    """Read the numbers of the classes of a run folder for a JSON file.

    Args:
        folder: of the run.

    Returns:
        ``per_class``, an object for each line of per_class.csv, and ``confusion``, a list [label, prediction, count]
        for each line of confusion.csv; empty where the run has written neither.
    """
    classes, pairs = read_rows(Path(folder) / CLASSES_FILE, dict), read_rows(Path(folder) / CONFUSION_FILE, dict)
    if classes is None or pairs is None:
        return {}
    whole, parts = ("class", "videos", "correct"), ("accuracy", "low", "high")
    per_class = [
        {
            **{key: int(row[key]) for key in whole},
            # JSON is text.
            "name": row["name"].encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            **{key: float(row[key]) for key in parts},
        }
        for row in classes
    ]
    return {"per_class": per_class, "confusion": [[int(row[key]) for key in _CONFUSION] for row in pairs]}


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one of these files as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.detach()
