"""Training videos that choose a probe's settings, so that test videos never do. Without torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rhovideo.randomness import Stream, generator

# Up to so many training videos all of them are held out in turn; of more one part is enough.
_FEW = 5_000
_PARTS = 5


class Fold(NamedTuple):
    """One division of the training videos.

    Attributes:
        learn: int64, the rows to learn from.
        choose: int64, the rows that are held out to choose settings by.
    """

    learn: np.ndarray
    choose: np.ndarray


def folds(labels: np.ndarray, seed: int = 0) -> Iterator[Fold]:
    """Divide the training videos, class by class, so that a fifth is held out.

    Up to 5,000 videos there are five divisions, in which each video is held out once: a fifth of a small set alone
    would choose by chance. Of a class with a single video, that one is held out too.

    Args:
        labels: int64 [N].
        seed: of the division.
    """
    draw = generator(Stream.SHUFFLE, seed, 1)
    part = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        # Another first part for each class, so that parts are of one size where classes are small.
        part[draw.permutation(rows)] = (np.arange(len(rows)) + draw.integers(_PARTS)) % _PARTS
    for number in range(_PARTS if len(labels) <= _FEW else 1):
        fold = Fold(np.flatnonzero(part != number), np.flatnonzero(part == number))
        if len(fold.learn) and len(fold.choose):
            yield fold
