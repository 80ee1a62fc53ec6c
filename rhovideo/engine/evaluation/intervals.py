"""Confidence intervals of accuracies, at 95 %: how far a number measured on few videos may be off. Without torch.

A share of videos has Wilson's interval. A mean of something else, such as the difference of two classifiers, has that
of a bootstrap over videos. An accuracy averaged over classes has the wider end of both. All describe other test videos
of the same kind. They do not describe other seeds of the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
_RESAMPLES = 2000
# Numbers of a resampling that are held at once.
_AT_ONCE = 2**22

Interval: TypeAlias = list[float]
# Results of a task: numbers, and intervals under NAME_interval.
Numbers: TypeAlias = dict[str, Any]


def wilson(correct: float, videos: float, level: float = LEVEL) -> Interval | None:
    """The interval of an accuracy: the true shares that the score test does not refuse.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Args:
        correct: videos that are right.
        videos: all of them.
        level: of confidence.

    Returns:
        [low, high] in percent; None without videos.
    """
    if videos < 1:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = correct / videos, z * z / videos
    centre = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / videos + square / (4 * videos)) / (1 + square)
    # Rounding must not put the ends of 0 and of 100 % inside.
    low = 0.0 if correct == 0 else 100 * (centre - half)
    return [low, 100.0 if correct == videos else 100 * (centre + half)]


def wilson_of(percent: float | None, videos: int) -> Interval | None:
    """The interval of an accuracy in percent, which is a share of whole videos.

    Args:
        percent: the accuracy; None or NaN where there is none.
        videos: the number of videos that it is of.
    """
    if percent is None or math.isnan(percent):
        return None
    return wilson(round(percent * videos / 100), videos)


def with_intervals(numbers: Mapping[str, float], videos: int) -> Numbers:
    """Accuracies, each followed by its interval as ``NAME_interval``, where it has one.

    Args:
        numbers: shares of videos in percent, by name.
        videos: the number of videos that they are of.
    """
    found: Numbers = {}
    for name, value in numbers.items():
        found[name] = value
        if interval := wilson_of(value, videos):
            found[f"{name}_interval"] = interval
    return found


def class_mean(labels: np.ndarray, correct: np.ndarray, seed: int = 0) -> tuple[float, Interval | None]:
    """The mean of the classes' accuracies in percent, and its interval by a bootstrap within each class.

    A class of which all videos are right, or all wrong, does not vary in a bootstrap. So the interval holds Wilson's
    too, at the number of videos that would make a share as sure as this mean: K² / Σ 1/n, with n videos in each of K
    classes. Of classes of one size that is the number of all videos.

    Args:
        labels: int [N].
        correct: bool [N].
        seed: of the resampling.

    Returns:
        The mean and [low, high]; NaN and None without videos.
    """
    import numpy as np

    if not len(labels):
        return math.nan, None
    counts = np.unique(labels, return_counts=True)[1]
    order = np.argsort(labels, kind="stable")
    right = [int(part.sum()) for part in np.split(correct[order], np.cumsum(counts)[:-1])]
    shares = np.array(right) / counts
    # Resampling a class's videos with replacement draws a binomial number of right ones.
    draws = np.random.default_rng(seed).binomial(counts, shares, (_RESAMPLES, len(counts))) / counts
    mean, worth = float(shares.mean()), len(counts) ** 2 / float((1 / counts).sum())
    resampled, assumed = _middle(100 * draws.mean(1)), wilson(mean * worth, worth) or [math.nan, math.nan]
    return 100 * mean, [min(resampled[0], assumed[0]), max(resampled[1], assumed[1])]


def paired_difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> tuple[float, Interval | None]:
    """How much better ``first`` is than ``second`` on the same videos, by a bootstrap over videos.

    Args:
        first: bool or float [N], a score of each video, such as whether it was classified right. [S, N]: of S seeds,
            which are averaged.
        second: the same of the other classifier.
        seed: of the resampling.

    Returns:
        The difference of the means in percent, and its [low, high]; NaN and None without videos.
    """
    import numpy as np

    differences = np.atleast_2d(first).mean(0, dtype=np.float64) - np.atleast_2d(second).mean(0, dtype=np.float64)
    return 100 * float(differences.mean()) if len(differences) else math.nan, _of_mean(100 * differences, seed)


def mean_score(scores: np.ndarray, seed: int = 0) -> tuple[float, Interval | None]:
    """The mean of the videos' scores in percent, and its interval by a bootstrap over videos.

    Args:
        scores: float [N], such as the share of some classifiers that are right on a video.
        seed: of the resampling.
    """
    return 100 * float(scores.mean()) if len(scores) else math.nan, _of_mean(100 * scores, seed)


def _of_mean(values: np.ndarray, seed: int) -> Interval | None:
    """The bootstrap's interval of a mean."""
    import numpy as np

    if not len(values):
        return None
    generator = np.random.default_rng(seed)
    rows = max(1, min(_RESAMPLES, _AT_ONCE // len(values)))
    means = [
        values[generator.integers(0, len(values), (min(rows, _RESAMPLES - first), len(values)))].mean(1)
        for first in range(0, _RESAMPLES, rows)
    ]
    return _middle(np.concatenate(means))


def _middle(means: np.ndarray) -> Interval:
    import numpy as np

    outside = 100 * (1 - LEVEL) / 2
    return [float(end) for end in np.percentile(means, (outside, 100 - outside))]


def in_words(interval: object) -> str:
    """An interval as it is printed: ``53.1 to 88.8``; empty where there is none.

    Args:
        interval: [low, high], or what a results.json holds in its place.
    """
    if not is_interval(interval):
        return ""
    low, high = interval
    return f"{low:.1f} to {high:.1f}"


def in_brackets(interval: object) -> str:
    """An interval as it follows its number: `` (95 %: 53.1 to 88.8)``; empty where there is none.

    Args:
        interval: as of :func:`in_words`.
    """
    words = in_words(interval)
    return f" ({100 * LEVEL:g} %: {words})" if words else ""


def is_interval(value: object) -> TypeGuard[Sequence[float]]:
    """True for two numbers."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
