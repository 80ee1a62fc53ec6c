"""Multi-view testing: the scores of a video's views, put together over views and ranks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rhovideo import distributed
from rhovideo.atomic_files import written_whole
from rhovideo.engine.evaluation.metrics import highest, topk_accuracy
from rhovideo.engine.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoScores:
    """The scores of a test set, and its accuracies.

    Attributes:
        indices: int64 [N], the videos' places in the manifest, ascending.
        scores: float32 [N, K], mean over the views, or their maximum.
        labels: int64 [N], -1 where there is none.
        missing: videos of the test set that lack views, which are left out above.
        top1, top5: percent of the labelled videos; NaN without labels.
        predicted: int64 [N], the classes that top1 counts.
    """

    indices: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    missing: tuple[int, ...]
    top1: float
    top5: float
    predicted: np.ndarray

    def predictions(self, paths: Sequence[str]) -> Predictions:
        """The class of each labelled video.

        Args:
            paths: of all videos of the manifest, by index.
        """
        rows = np.flatnonzero(self.labels >= 0)
        predicted = self.predicted[rows]
        of_rows = [paths[index] for index in self.indices[rows]]
        return Predictions(of_rows, self.labels[rows], predicted, self.scores[rows, predicted])


class MultiViewScores:
    """Collects softmax scores view by view.

    Args:
        num_videos: videos of the test set.
        num_views: views of each (TEST.NUM_ENSEMBLE_VIEWS * TEST.NUM_SPATIAL_CROPS).
        method: ``sum`` averages the views, ``max`` takes each class's highest score (DATA.ENSEMBLE_METHOD).
    """

    def __init__(self, num_videos: int, num_views: int, method: str = "sum") -> None:
        if method not in ("sum", "max"):
            raise ValueError(f"DATA.ENSEMBLE_METHOD is {method!r}: write sum or max")
        self._num_videos = num_videos
        self._num_views = num_views
        self._method = method
        # Video to (its scores so far, views seen, label).
        self._videos: dict[int, tuple[np.ndarray, int, int]] = {}

    def add(self, indices: Tensor, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> None:
        """Take in some or all views of a batch of videos.

        Args:
            indices: int64 [B], their places in the manifest.
            scores: [B, V, K], V views of each.
            labels: int64 [B].
            valid: bool [B], False for a sample that holds no video; None: all are valid.

        Raises:
            ValueError: a video came with another label before, or with more views than there are.
        """
        views = scores.shape[1]
        combined = scores.double().sum(1) if self._method == "sum" else scores.double().amax(1)
        kept = [True] * len(indices) if valid is None else valid.tolist()
        rows = combined.cpu().numpy()
        for index, row, label, keep in zip(indices.tolist(), rows, labels.tolist(), kept, strict=True):
            if keep:
                self._merge(index, row, views, label)

    def finish(self) -> VideoScores:
        """Put the scores of all ranks together; every rank must call it.

        Videos that lack views are left out, and rank 0 names them in the log.

        Returns:
            The same on every rank.

        Raises:
            ValueError: a video was tested twice.
        """
        parts = distributed.gather_objects(self._videos)
        self._videos = {}
        for part in parts:
            for index, (row, views, label) in part.items():
                self._merge(index, row, views, label)
        indices = sorted(index for index, (_, views, _) in self._videos.items() if views == self._num_views)
        complete = set(indices)
        missing = tuple(index for index in range(self._num_videos) if index not in complete)
        if missing and distributed.is_main():
            named = ", ".join(map(str, missing[:20])) + (" ..." if len(missing) > 20 else "")
            logger.warning(
                "%d of %d test videos lack some of their views, and are left out of the result: rows %s of the list",
                *(len(missing), self._num_videos, named),
            )
        scores = np.stack([self._videos[index][0] for index in indices]) if indices else np.zeros((0, 1))
        if self._method == "sum":
            scores = scores / self._num_views
        labels = np.array([self._videos[index][2] for index in indices], dtype=np.int64)
        exact = torch.from_numpy(scores)
        top1, top5 = topk_accuracy(exact, torch.from_numpy(labels), (1, 5))
        accuracies = (top1, top5, highest(exact, 5)[:, 0].numpy())
        return VideoScores(np.array(indices, np.int64), scores.astype(np.float32), labels, missing, *accuracies)

    def _merge(self, index: int, row: np.ndarray, views: int, label: int) -> None:
        if index in self._videos:
            old, seen, known = self._videos[index]
            if label != known:
                raise ValueError(f"video {index} came with label {label} after {known}: the views are mixed up")
            row = old + row if self._method == "sum" else np.maximum(old, row)
            views += seen
        if views > self._num_views:
            raise ValueError(
                f"video {index} came with {views} views, {self._num_views} were expected: one was tested twice"
            )
        self._videos[index] = (row, views, label)


def write_scores(path: str | Path, result: VideoScores, paths: Sequence[str]) -> None:
    """Write one test's scores as an ``.npz`` that ``numpy.load`` reads without pickle, whole or not at all.

    Arrays: ``scores`` [N, K], ``labels`` [N], ``paths`` [N], ``indices`` [N], ``missing`` [M], ``top1``, ``top5``.

    Args:
        path: the file; call on rank 0 alone.
        result: from :meth:`MultiViewScores.finish`.
        paths: of all videos of the manifest, by index.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        np.savez(
            file,
            scores=result.scores,
            labels=result.labels,
            paths=np.array([paths[index] for index in result.indices], dtype=np.str_),
            indices=result.indices,
            missing=np.array(result.missing, dtype=np.int64),
            top1=result.top1,
            top5=result.top5,
        )
