"""Which detected boxes hit a true one, by the rule of ActivityNet's AVA task. Without torch.

Within an image and a class, detections are taken one after the other. Each looks at the true box that it overlaps most,
and hits it if the overlap (intersection over union) is at least 0.5 and nothing has hit that box before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# In what order detections of an image are taken: by score, the best of each image alone, as ActivityNet's script does;
# or in the order of the file, as PySlowFast does.
Matching = Literal["score", "file_order"]
MATCHINGS: Sequence[Matching] = ("score", "file_order")
BEST_OF_IMAGE = 50
OVERLAP = 0.5


@dataclass(frozen=True)
class ImageBoxes:
    """Boxes of many images.

    Attributes:
        images: int64 [N], a number for each image.
        boxes: float64 [N,4], x1, y1, x2, y2 in any unit.
        classes: int64 [N].
        scores: float64 [N]; of true boxes not used.
    """

    images: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, rows: np.ndarray) -> ImageBoxes:
        """Some of the boxes: ``rows`` is bool [N], or int64 in the wanted order."""
        return ImageBoxes(self.images[rows], self.boxes[rows], self.classes[rows], self.scores[rows])


def candidates(found: ImageBoxes, matching: Matching) -> ImageBoxes:
    """The detections that count, in the order in which they are taken.

    Args:
        found: all detections of the classes that are evaluated.
        matching: "score": the best 50 rows of each image, by falling score, of equal ones the first; "file_order": all
            as they are.

    Returns:
        Those with an area: a box with x1 >= x2 or y1 >= y2 never counts, but takes one of the 50 places.

    Raises:
        ValueError: there is no such matching.
    """
    if matching not in MATCHINGS:
        raise ValueError(f'matching is {matching!r}: write "score" or "file_order"')
    if matching == "score":
        order = np.lexsort((-found.scores, found.images))
        ordered = found.images[order]
        place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        found = found.rows(order[place < BEST_OF_IMAGE])
    return found.rows((found.boxes[:, 0] < found.boxes[:, 2]) & (found.boxes[:, 1] < found.boxes[:, 3]))


def find_hits(truth: ImageBoxes, found: ImageBoxes) -> np.ndarray:
    """Decide of each detection whether it is a hit.

    Args:
        truth: the true boxes; a repeated one counts each time, and one of them alone can be hit.
        found: the detections, those of an image and class in the order in which they are taken.

    Returns:
        bool [len(found)].
    """
    hits = np.zeros(len(found), bool)
    classes = 1 + max(truth.classes.max(initial=0), found.classes.max(initial=0))
    pairs = np.concatenate([each.images * classes + each.classes for each in (truth, found)])
    known, numbers = np.unique(pairs, return_inverse=True)
    of_truth, true_starts = _grouped(numbers[: len(truth)], len(known))
    of_found, found_starts = _grouped(numbers[len(truth) :], len(known))
    both = (np.diff(true_starts) > 0) & (np.diff(found_starts) > 0)
    for group in np.flatnonzero(both).tolist():
        true = of_truth[true_starts[group] : true_starts[group + 1]]
        rows = of_found[found_starts[group] : found_starts[group + 1]]
        overlaps = overlap(found.boxes[rows], truth.boxes[true])
        nearest = overlaps.argmax(axis=1)
        near = np.flatnonzero(overlaps.max(axis=1) >= OVERLAP)
        # A true box is hit by the first detection that takes it.
        _, first = np.unique(nearest[near], return_index=True)
        hits[rows[near[first]]] = True
    return hits


def _grouped(numbers: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows by group, in their order; and where each group begins among them, int64 [groups + 1]."""
    order = np.argsort(numbers, kind="stable")
    return order, np.searchsorted(numbers[order], np.arange(groups + 1))


def overlap(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersection over union of each pair of boxes, float64 [N,M]; a box holds no pixel beyond its corners.

    Args:
        found: float64 [N,4].
        true: float64 [M,4].
    """
    sides = np.minimum(found[:, None, 2:], true[None, :, 2:]) - np.maximum(found[:, None, :2], true[None, :, :2])
    shared = np.maximum(sides, 0.0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found, true)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union != 0)
