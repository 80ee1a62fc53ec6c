"""A detector's scores of key frames: put together over processes, measured, and written in AVA's format."""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.atomic_files import written_whole
from rhovideo.config.box_file_names import truth_files
from rhovideo.data.lists.boxes.box_files import read_box_rows, read_excluded
from rhovideo.data.lists.boxes.key_frames import EVALUATED_EVERY, KeyFrameList
from rhovideo.data.lists.boxes.label_maps import read_label_map
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.engine.device_inputs import autocast, job_device, to_network_input
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.metrics.box_matching import MATCHINGS, ImageBoxes
from rhovideo.metrics.box_precision import AveragePrecision, average_precision
from rhovideo.models.detector import Detector

logger = logging.getLogger(__name__)

DETECTIONS_FILE = "detections.csv"
CLASSES_FILE = "per_class_ap.csv"
_CLASSES = ("class", "name", "true_boxes", "ap", "ap_file_order")


@torch.no_grad()
def score_key_frames(detector: Detector, loader: Loader, cfg: CfgNode, description: str) -> dict[int, np.ndarray]:
    """Score the boxes of all key frames that can be read; every process must call it.

    Args:
        detector: in eval mode, on the job's device.
        loader: of an evaluation purpose.
        cfg: the job's.
        description: of the evaluation, for the progress bar.

    Returns:
        float32 [n,K] by key frame, the same on every process.
    """
    scores: dict[int, np.ndarray] = {}
    for batch in readable_batches(loader, cfg, description):
        scores |= _scores(detector, batch, cfg)
    found: dict[int, np.ndarray] = {}
    for part in distributed.gather_objects(scores):
        found |= part
    missing = len(loader.dataset) - len(found)
    if missing and distributed.is_main():
        logger.warning(
            "%d of %d key frames could not be read: their true boxes count as missed", missing, len(loader.dataset)
        )
    return dict(sorted(found.items()))


def _scores(detector: Detector, batch: Batch, cfg: CfgNode) -> dict[int, np.ndarray]:
    """The scores of a batch's boxes, those of clips of one size together."""
    boxes = batch.boxes
    assert boxes is not None  # the data set is one of key frames
    device = job_device(cfg)
    scores = np.zeros(boxes.targets.shape, np.float32)
    for clips, rows, (height, width) in boxes.by_size():
        corners = boxes.pixels[rows].clone()
        corners[:, 0] = (clips.long().cumsum(0) - 1)[corners[:, 0].long()].to(corners.dtype)
        pixels = to_network_input(batch.clips[clips][:, 0, :, :height, :width], cfg, device)
        with autocast(cfg, device):
            found = detector(pixels, corners.to(device))
        scores[rows.numpy()] = found.float().cpu().numpy()
    of_clip = boxes.pixels[:, 0].long().numpy()
    return {int(index): scores[of_clip == clip] for clip, index in enumerate(batch.index.tolist())}


@dataclass(frozen=True)
class Truth:
    """What detections are measured against.

    Attributes:
        names: the names of the classes that are evaluated, by number.
        excluded: key frames that are not.
        videos, seconds: of each true box of these classes and of key frames that are evaluated.
        boxes: float64 [N,4].
        actions: int64 [N].
    """

    names: dict[int, str]
    excluded: set[tuple[str, int]]
    videos: list[str]
    seconds: np.ndarray
    boxes: np.ndarray
    actions: np.ndarray

    @classmethod
    def read(cls, cfg: CfgNode, every: int = 1) -> Truth:
        """The true boxes of a configuration; those of each ``every``-th second alone.

        Raises:
            ManifestError: a file cannot be used.
            FileNotFoundError: a file is missing.
        """
        files = truth_files(cfg)
        names = read_label_map(files["LABEL_MAP_FILE"])
        excluded = read_excluded(files["EXCLUSION_FILE"]) if "EXCLUSION_FILE" in files else set()
        rows = read_box_rows(files["GROUNDTRUTH_FILE"], scored=False)
        kept = np.isin(rows.actions, list(names)) & (rows.seconds % every == 0)
        for row in np.flatnonzero(kept).tolist() if excluded else ():
            kept[row] = (rows.videos[row], int(rows.seconds[row])) not in excluded
        videos = [rows.videos[row] for row in np.flatnonzero(kept).tolist()]
        return cls(names, excluded, videos, rows.seconds[kept], rows.boxes[kept], rows.actions[kept])


@dataclass(frozen=True)
class Measured:
    """The average precisions of an evaluation, in 0..1.

    Attributes:
        official: by ActivityNet's rule.
        file_order: by PySlowFast's.
        true_boxes: of each class.
    """

    official: AveragePrecision
    file_order: AveragePrecision
    true_boxes: dict[int, int]

    def numbers(self, prefix: str = "") -> dict[str, float]:
        """``map`` and ``map_file_order``, in percent."""
        return {
            f"{prefix}map": 100 * self.official["map"],
            f"{prefix}map_file_order": 100 * self.file_order["map"],
        }


def measure(frames: KeyFrameList, scores: Mapping[int, np.ndarray], truth: Truth) -> Measured:
    """Measure the scores of key frames.

    Args:
        frames: the key frames.
        scores: float32 [n,K] by key frame.
        truth: the true boxes.
    """
    numbers: dict[tuple[str, int], int] = {}
    places = zip(truth.videos, truth.seconds.tolist(), strict=True)
    images = np.array([numbers.setdefault(place, len(numbers)) for place in places], np.int64)
    true = ImageBoxes(images, truth.boxes, truth.actions, np.zeros(len(images)))
    found = _as_rows(frames, scores, truth, numbers)
    kinds, counts = np.unique(truth.actions, return_counts=True)
    both = [average_precision(true, found, matching) for matching in MATCHINGS]
    return Measured(both[0], both[1], {int(kind): int(count) for kind, count in zip(kinds, counts, strict=True)})


def _as_rows(
    frames: KeyFrameList, scores: Mapping[int, np.ndarray], truth: Truth, numbers: dict[tuple[str, int], int]
) -> ImageBoxes:
    """A row for each box and class, in the order of the detections' file."""
    classes = np.array(list(truth.names), np.int64)
    images, boxes, values = [], [], []
    for index, of_frame in scores.items():
        frame = frames.key_frame(index)
        place = (frame.video, frame.second)
        if place in truth.excluded:
            continue
        rows = of_frame[:, classes - 1]
        images.append(np.full(rows.size, numbers.setdefault(place, len(numbers)), np.int64))
        boxes.append(np.repeat(frames.boxes(index), len(classes), axis=0))
        values.append(rows.reshape(-1).astype(np.float64))
    if not images:
        return ImageBoxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    count = sum(map(len, images)) // len(classes)
    return ImageBoxes(np.concatenate(images), np.concatenate(boxes), np.tile(classes, count), np.concatenate(values))


def evaluated_every(cfg: CfgNode) -> int:
    """The evaluation during training looks at each so many seconds."""
    return 1 if cfg.AVA.FULL_TEST_ON_VAL else EVALUATED_EVERY


def write_detections(folder: str | Path, frames: KeyFrameList, scores: Mapping[int, np.ndarray], truth: Truth) -> Path:
    """Write detections.csv in AVA's format: a row for each box and class, whole or not at all.

    Coordinates and scores are written so that :func:`rhovideo.metrics.ava_map` finds the same number.

    Args:
        folder: of the run; call on rank 0 alone.
        frames: the key frames.
        scores: float32 [n,K] by key frame.
        truth: names the classes.

    Returns:
        The path of the file.
    """
    path = Path(folder) / DETECTIONS_FILE
    with written_whole(path) as file:
        for line in _lines(frames, scores, list(truth.names)):
            file.write(line.encode("utf-8", "surrogateescape"))
    return path


def _lines(frames: KeyFrameList, scores: Mapping[int, np.ndarray], classes: list[int]) -> Iterator[str]:
    for index, of_frame in scores.items():
        frame = frames.key_frame(index)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for box, row in zip(frame.boxes, of_frame.tolist(), strict=True):
            corners = [repr(number) for number in box]
            # Nine digits tell one float32 from the next.
            rows = ((frame.video, f"{frame.second:04d}", *corners, kind, f"{row[kind - 1]:.9g}") for kind in classes)
            writer.writerows(rows)
        yield text.getvalue()


def write_classes(folder: str | Path, measured: Measured, names: Mapping[int, str]) -> None:
    """Write per_class_ap.csv: the average precision of each class that is evaluated, in percent.

    Args:
        folder: of the run; call on rank 0 alone.
        measured: of the test.
        names: of the classes.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CLASSES)
    for kind, name in names.items():
        each = [one["ap"].get(kind, math.nan) for one in (measured.official, measured.file_order)]
        shown = ["" if math.isnan(value) else f"{100 * value:.4f}" for value in each]
        writer.writerow((kind, name, measured.true_boxes.get(kind, 0), *shown))
    with written_whole(Path(folder) / CLASSES_FILE) as file:
        file.write(text.getvalue().encode())
