"""Taking the classes of a list in turn. Without torch."""

from __future__ import annotations

import numpy as np


def class_turns(labels: np.ndarray) -> np.ndarray:
    """How many videos of the same class come before each video.

    A stable sort by it puts the first video of every class before the second one of any.

    Args:
        labels: int64 [N].

    Returns:
        int64 [N].
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    turns = np.empty(len(labels), np.int64)
    turns[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return turns
