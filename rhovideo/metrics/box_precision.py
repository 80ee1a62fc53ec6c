"""Average precision of boxes: the area under the precision-recall curve of each class, as ActivityNet counts it."""

from __future__ import annotations

import math
import operator
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TypedDict

import numpy as np

from rhovideo.data.lists.boxes.box_files import BoxRows, read_box_rows, read_excluded
from rhovideo.data.lists.boxes.label_maps import read_label_map
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.metrics.box_matching import ImageBoxes, Matching, candidates, find_hits

File = str | os.PathLike[str]
# A box that stands farther out of a frame than its own size is not written in shares of it.
_SHARES = 2.0


class AveragePrecision(TypedDict):
    """The mean average precision, ``map``, in 0..1, and ``ap`` of each class that has true boxes, by its number."""

    map: float
    ap: dict[int, float]


def ava_map(
    ground_truth_csv: File,
    predictions_csv: File,
    label_map: File | Mapping[int, str] | Iterable[int],
    excluded: File | None = None,
    matching: Matching = "score",
) -> AveragePrecision:
    """The mean average precision of AVA's detection task, at an intersection over union of 0.5.

    The rule is that of ActivityNet's script for AVA. Rows of classes that are not in the label map do not count, nor
    those of excluded seconds. Of each image the best 50 rows count. Precision and recall are taken at every detection,
    by falling score; of equal scores the first row comes first.

    Args:
        ground_truth_csv: true boxes: rows ``video,second,x1,y1,x2,y2,class`` with or without a number of the person.
            A row without a class does not count.
        predictions_csv: detections: the same with a score as the last column.
        label_map: the file of the classes that are evaluated (AVA's 60 of 80), or their numbers.
        excluded: file of excluded seconds, ``video,second`` a row; None: none is.
        matching: how detections of an image are taken: "score" is the official rule; "file_order" is PySlowFast's, in
            which all rows count, in the order of the file.

    Returns:
        ``map`` in 0..1, and ``ap`` by class. Classes without a true box are in neither.

    Raises:
        ManifestError: a row of a file is wrong, or no true box is left.
        FileNotFoundError: a file is missing.
        ValueError: there is no such matching, or ``label_map`` holds no whole numbers.

    Example::

        result = rhovideo.metrics.ava_map("ava_val_v2.2.csv", "detections.csv", "labelmap.pbtxt", "excluded.csv")
        print(f"{100 * result['map']:.2f}")
    """
    ids = _classes(label_map)
    left_out = read_excluded(excluded) if excluded is not None else set()
    numbers: dict[tuple[str, int], int] = {}
    truth = _boxes(read_box_rows(ground_truth_csv, scored=False), ids, left_out, numbers)
    if not len(truth):
        raise ManifestError(
            f"{ground_truth_csv}: holds no box of the label map's classes: write the file of true boxes"
        )
    # Images without a true box are numbered after these.
    images_with_truth = len(numbers)
    found = _boxes(read_box_rows(predictions_csv, scored=True), ids, left_out, numbers)
    if len(found) and found.images.min() >= images_with_truth:
        message = f"{predictions_csv} and {ground_truth_csv} have no video and second in common, so the mAP is 0"
        warnings.warn(message, stacklevel=2)
    if len(found) and (np.abs(truth.boxes).max() > _SHARES) != (np.abs(found.boxes).max() > _SHARES):
        message = f"{predictions_csv} or {ground_truth_csv} is in pixels and the other in shares of the frame, 0 to 1"
        warnings.warn(message, stacklevel=2)
    return average_precision(truth, found, matching)


def _classes(label_map: File | Mapping[int, str] | Iterable[int]) -> set[int]:
    """The numbers of the classes that are evaluated."""
    if isinstance(label_map, str | os.PathLike):
        return set(read_label_map(label_map))
    numbers = set()
    for number in label_map:
        try:
            numbers.add(operator.index(int(number) if isinstance(number, str) else number))
        except (TypeError, ValueError):
            raise ValueError(f"label_map holds {number!r}: give a file, or whole numbers of classes") from None
    if not numbers:
        raise ValueError("label_map is empty: give a file, or the numbers of the classes that are evaluated")
    return numbers


def _boxes(
    rows: BoxRows, ids: set[int], left_out: set[tuple[str, int]], numbers: dict[tuple[str, int], int]
) -> ImageBoxes:
    """The rows that count, with a number for each image; new ones are added to ``numbers``."""
    counted = np.isin(rows.actions, list(ids))
    if left_out:
        kept = [place not in left_out for place in zip(rows.videos, rows.seconds.tolist(), strict=True)]
        counted &= np.array(kept, bool)
    places = [(rows.videos[row], int(rows.seconds[row])) for row in np.flatnonzero(counted).tolist()]
    images = np.array([numbers.setdefault(place, len(numbers)) for place in places], np.int64)
    return ImageBoxes(images, rows.boxes[counted], rows.actions[counted], rows.last[counted])


def average_precision(truth: ImageBoxes, found: ImageBoxes, matching: Matching = "score") -> AveragePrecision:
    """The average precision of each class that has true boxes, and their mean.

    Args:
        truth: true boxes of the classes that are evaluated.
        found: detections of these classes.
        matching: as for :func:`ava_map`.

    Returns:
        As :func:`ava_map`; ``map`` is NaN without any true box.
    """
    found = candidates(found, matching)
    hits = find_hits(truth, found)
    order = np.argsort(-found.scores, kind="stable")
    classes, hits = found.classes[order], hits[order]
    numbers, counts = np.unique(truth.classes, return_counts=True)
    each = {
        int(number): area_under_curve(hits[classes == number], int(count))
        for number, count in zip(numbers, counts, strict=True)
    }
    return {"map": float(np.mean(list(each.values()))) if each else math.nan, "ap": each}


def area_under_curve(hits: np.ndarray, positives: int) -> float:
    """The area under the envelope of precision over recall.

    Args:
        hits: bool [N], whether each detection hits, by falling score.
        positives: the number of true boxes, at least 1.
    """
    right = np.cumsum(hits)
    recall = np.concatenate([[0.0], right / positives, [1.0]])
    precision = np.concatenate([[0.0], right / np.arange(1, len(hits) + 1), [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(np.diff(recall)) + 1
    return float(((recall[steps] - recall[steps - 1]) * envelope[steps]).sum())
