"""Scores of videos with several labels each: views put together, mean average precision, and its files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from rhovideo import distributed
from rhovideo.atomic_files import written_whole
from rhovideo.data.loading.loader import Batch
from rhovideo.metrics.multilabel import MeanPrecision, multilabel_map


def targets_of(batch: Batch) -> Tensor:
    """The targets of a batch, uint8 [B, C]; the data set of DATA.MULTI_LABEL gives every batch its own."""
    assert batch.targets is not None
    return batch.targets


@dataclass(frozen=True)
class LabelSetScores:
    """The scores of a set of videos.

    Attributes:
        indices: int64 [N], the videos' places in the list, ascending.
        scores: float32 [N, C], the mean over the views, or their maximum.
        targets: uint8 [N, C], 1 for each label.
        missing: videos that came with fewer views than there are, which are left out above.
    """

    indices: np.ndarray
    scores: np.ndarray
    targets: np.ndarray
    missing: tuple[int, ...] = ()

    @cached_property
    def precision(self) -> MeanPrecision:
        """The mean average precision and that of each class, 0 to 1."""
        return multilabel_map(self.scores, self.targets)

    @property
    def mean_precision(self) -> float:
        """The mean average precision in percent; NaN where no video has a label."""
        return 100 * self.precision["map"] if self.targets.any() else math.nan


class MultiLabelScores:
    """Collects the scores of videos view by view.

    Args:
        num_views: views of each video.
        method: ``sum`` averages the views, ``max`` takes each class's highest score (DATA.ENSEMBLE_METHOD).
    """

    def __init__(self, num_views: int, method: str) -> None:
        if method not in ("sum", "max"):
            raise ValueError(f"DATA.ENSEMBLE_METHOD is {method!r}: write sum or max")
        self._num_views = num_views
        self._method = method
        # Video to (its scores so far, views seen, its targets).
        self._videos: dict[int, tuple[np.ndarray, int, np.ndarray]] = {}

    def add(self, batch: Batch, scores: Tensor) -> None:
        """Take in some or all views of a batch of videos.

        Args:
            batch: the videos, all of them valid.
            scores: [B, V, C], V views of each.

        Raises:
            ValueError: a video came with more views than there are.
        """
        views = scores.shape[1]
        combined = scores.double().sum(1) if self._method == "sum" else scores.double().amax(1)
        rows = zip(batch.index.tolist(), combined.cpu().numpy(), targets_of(batch).numpy(), strict=True)
        for index, row, targets in rows:
            self._merge(index, row, views, targets)

    def finish(self) -> LabelSetScores:
        """Put the scores of all ranks together; every rank must call it, and gets the same."""
        parts = distributed.gather_objects(self._videos)
        self._videos = {}
        for part in parts:
            for index, values in part.items():
                self._merge(index, *values)
        found = sorted(self._videos)
        complete = [index for index in found if self._videos[index][1] == self._num_views]
        missing = tuple(index for index in found if self._videos[index][1] != self._num_views)
        if not complete:
            return LabelSetScores(
                np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros((0, 1), np.uint8), missing
            )
        scores = np.stack([self._videos[index][0] for index in complete])
        scores = scores / self._num_views if self._method == "sum" else scores
        targets = np.stack([self._videos[index][2] for index in complete])
        return LabelSetScores(np.array(complete, np.int64), scores.astype(np.float32), targets, missing)

    def _merge(self, index: int, row: np.ndarray, views: int, targets: np.ndarray) -> None:
        if index in self._videos:
            old, seen, _ = self._videos[index]
            row = old + row if self._method == "sum" else np.maximum(old, row)
            views += seen
        if views > self._num_views:
            raise ValueError(
                f"video {index} came with {views} views, {self._num_views} were expected: one was tested twice"
            )
        self._videos[index] = (row, views, targets)


def write_label_set_scores(path: str | Path, result: LabelSetScores, paths: Sequence[str]) -> None:
    """Write one test's scores as an ``.npz`` that ``numpy.load`` reads without pickle, whole or not at all.

    Arrays: ``scores`` [N, C], ``targets`` [N, C], ``paths`` [N], ``indices`` [N], ``missing`` [M], and ``map``, 0 to 1.

    Args:
        path: the file; call on rank 0 alone.
        result: from :meth:`MultiLabelScores.finish`.
        paths: of all videos of the list, by index.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        np.savez(
            file,
            scores=result.scores,
            targets=result.targets,
            paths=np.array([paths[index] for index in result.indices], dtype=np.str_),
            indices=result.indices,
            missing=np.array(result.missing, dtype=np.int64),
            map=result.precision["map"],
        )
