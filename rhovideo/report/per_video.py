"""What each test video was taken for: files that a test leaves in its run folder. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from rhovideo.engine.evaluation.predictions import (
    NEIGHBOURS_FILE,
    PREDICTIONS_FILE,
    DamagedRowError,
    Row,
    neighbour_row,
    prediction_row,
    read_rows,
)
from rhovideo.report.run_record import RunRecord
from rhovideo.terminal import print_line


@dataclass(frozen=True)
class Prediction:
    """The class that a video was taken for.

    Attributes:
        path: of the video.
        label: its class.
        prediction: the class that won.
        confidence: its share, from 0 to 1.
    """

    path: str
    label: int
    prediction: int
    confidence: float

    @property
    def right(self) -> bool:
        return self.label == self.prediction


@dataclass(frozen=True)
class Predictions:
    """Those of all test videos that could be read.

    Attributes:
        videos: the predictions.
        source: the words for where they come from, after "from ...".
        recorded: the run's test made them; False if they were computed for the page.
    """

    videos: Sequence[Prediction]
    source: str
    recorded: bool = True


@dataclass(frozen=True)
class Neighbour:
    """A video of the gallery that is similar to a query.

    Attributes:
        path: of the video.
        label: its class, -1 without.
        similarity: cosine.
    """

    path: str
    label: int
    similarity: float


@dataclass(frozen=True)
class Query:
    """A video and its most similar ones, the nearest first; ``label`` is -1 where it has none."""

    path: str
    label: int
    neighbours: Sequence[Neighbour]


@dataclass(frozen=True)
class ClassScore:
    """The accuracy on one class.

    Attributes:
        label: the class.
        videos: of it in the test.
        correct: of those.
    """

    label: int
    videos: int
    correct: int

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100.0 * self.correct / self.videos


def read_predictions(run: RunRecord) -> Predictions | None:
    """Read predictions.csv or the scores of a test; None where the run has neither."""
    found = _rows(run.folder / PREDICTIONS_FILE, prediction_row)
    if found:
        return Predictions([Prediction(*row) for row in found], f"{run.name}/{PREDICTIONS_FILE}")
    path = run.folder / "test_scores.npz"
    try:
        with np.load(path) as arrays:
            scores, labels, paths = arrays["scores"], arrays["labels"], arrays["paths"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    if scores.ndim != 2 or not len(scores):
        return None
    shares = scores / np.maximum(scores.sum(1, keepdims=True), 1e-12)
    best = scores.argmax(1)
    values = zip(paths.tolist(), labels.tolist(), best.tolist(), shares.max(1).tolist(), strict=True)
    return Predictions([Prediction(*value) for value in values if value[1] >= 0], f"{run.name}/test_scores.npz")


def read_neighbours(run: RunRecord) -> list[Query]:
    """Read neighbours.csv; empty where the run has none."""
    queries: dict[str, tuple[int, list[Neighbour]]] = {}
    for path, label, near, near_label, similarity in _rows(run.folder / NEIGHBOURS_FILE, neighbour_row):
        queries.setdefault(path, (label, []))[1].append(Neighbour(near, near_label, similarity))
    return [Query(path, label, neighbours) for path, (label, neighbours) in queries.items()]


def _rows(path: Path, parse: Callable[[Mapping[str, str]], Row]) -> list[Row]:
    """The parsed lines of a CSV file; empty where there is none, or where it is damaged, which is said."""
    try:
        return read_rows(path, parse) or []
    except DamagedRowError as error:
        print_line(f"{path}, line {error.line}: is damaged, so the page is made without this file")
    except OSError:
        pass
    return []


def class_scores(videos: Sequence[Prediction]) -> list[ClassScore]:
    """The accuracy on each class, in the order of the labels."""
    counts: dict[int, list[int]] = {}
    for video in videos:
        count = counts.setdefault(video.label, [0, 0])
        count[0] += 1
        count[1] += video.right
    return [ClassScore(label, *count) for label, count in sorted(counts.items())]


def confusions(videos: Sequence[Prediction]) -> dict[tuple[int, int], int]:
    """The number of videos for each pair of class and prediction."""
    counts: dict[tuple[int, int], int] = {}
    for video in videos:
        pair = (video.label, video.prediction)
        counts[pair] = counts.get(pair, 0) + 1
    return counts
