"""Accuracies as people read them: a count of videos, and the chance of guessing right. Without torch."""

from __future__ import annotations

import math


def ks_for(classes: int) -> tuple[int, ...]:
    """The k of the top-k accuracies that say something about so many classes: of five or fewer, top-5 is always 100."""
    return (1, 5) if classes > 5 else (1,)


def as_count(percent: float, videos: int, classes: int) -> str:
    """An accuracy as a count, with what guessing gives: ``3 of 20 (chance 33 %)``.

    Args:
        percent: the accuracy; NaN where there is no labelled video.
        videos: the number of videos that it is of.
        classes: that a video may be of.
    """
    if math.isnan(percent) or not videos:
        return "of no videos"
    chance = 100 / max(classes, 1)
    return f"{round(percent * videos / 100)} of {videos} (chance {chance:.{2 if chance < 100 else 3}g} %)"
