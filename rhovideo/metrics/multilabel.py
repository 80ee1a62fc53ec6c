"""Mean average precision of multi-label scores, as for Charades. Without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class MeanPrecision(TypedDict):
    """A mean average precision and its parts.

    Attributes:
        map: the mean over the classes of ``ap``, 0 to 1; 0 where there is none.
        ap: the average precision of each class that has positives, by its number.
    """

    map: float
    ap: dict[int, float]


def multilabel_map(scores: ArrayLike, labels: ArrayLike) -> MeanPrecision:
    """The mean over classes of the average precision of each class's ranking of the videos.

    The rule of PySlowFast's Charades, which is scikit-learn's ``average_precision_score``: the sum over the distinct
    scores of a class, from the highest on, of recall step times precision. Videos with an equal score enter together,
    so their order has no effect. There is no interpolation. Classes without a positive are left out. Videos without
    any label stay: they are negatives of every class.

    Args:
        scores: [N, C], of any real type; higher means more likely. Only their order within a class counts.
        labels: [N, C], 1 or True where the video has the class, else 0.

    Returns:
        ``{"map": mean, "ap": {class: average precision}}``, both from 0 to 1.

    Raises:
        ValueError: the shapes differ, a label is neither 0 nor 1, or a score is not a number.

    Example:
        >>> multilabel_map([[0.9, 0.1], [0.8, 0.7], [0.2, 0.3]], [[1, 0], [0, 0], [1, 0]])["ap"]
        {0: 0.8333333333333333}
    """
    import numpy as np

    values, truth = _array(scores), _array(labels)
    if np.iscomplexobj(values):
        raise ValueError("scores are complex numbers, which have no order: give real ones")
    values = values.astype(np.float64)
    if values.ndim != 2 or values.shape != truth.shape:
        raise ValueError(
            f"scores are {list(values.shape)} and labels {list(truth.shape)}: give both as [videos, classes]"
        )
    positive = truth == 1
    if not (positive | (truth == 0)).all():
        raise ValueError("labels hold other numbers than 0 and 1: give 1 where a video has the class, else 0")
    if len(lost := np.argwhere(np.isnan(values))):
        row, column = lost[0].tolist()
        raise ValueError(f"the score of video {row} for class {column} is not a number (NaN): such a video has no rank")
    classes = np.flatnonzero(positive.any(axis=0)).tolist()
    ap = {each: average_precision(values[:, each], positive[:, each]) for each in classes}
    return {"map": sum(ap.values()) / len(ap) if ap else 0.0, "ap": ap}


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """The average precision of one class, see :func:`multilabel_map`.

    Args:
        scores: float64 [N], without NaN.
        positive: bool [N], with at least one True.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(positive[order])
    # The last video of each distinct score: there all videos with this score have entered.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    found = hits[last]
    steps = np.diff(found, prepend=0) / hits[-1]
    return float((steps * (found / (last + 1))).sum())


def _array(values: Any) -> np.ndarray:
    """An array of NumPy's, of lists, arrays, or tensors of any device."""
    import numpy as np

    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() and values.itemsize < 4 else values).numpy()
    return np.asarray(values)
