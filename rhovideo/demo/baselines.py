"""What colours and their places tell about the class: two baselines of a labelled set, without any network.

An encoder has learned something where its linear classifier is better than these. Both are classified as TASK logistic
does: by a logistic regression whose strength is chosen on training videos that are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from rhovideo.data import Video
from rhovideo.demo.labelled_set import read_list
from rhovideo.engine.probes.feature_set import FeatureSet, ProbeData
from rhovideo.engine.probes.kinds import probe_logistic
from rhovideo.terminal import stage

# Pictures of a video, evenly spaced.
_FRAMES = 8


class Baselines(NamedTuple):
    """Top-1 of the validation videos, in percent.

    Attributes:
        colour_histogram_top1: by :func:`colour_histogram`.
        frame_average_top1: by :func:`frame_average`.
    """

    colour_histogram_top1: float
    frame_average_top1: float


def measure_baselines(folder: str | Path) -> Baselines:
    """Learn from the videos of train.csv, and test on those of val.csv.

    Args:
        folder: of a set, from :func:`rhovideo.demo.labelled_set.write_labelled_set`.

    Raises:
        OSError: a list is missing.
        VideoReadError: a video cannot be read.
    """
    lists = [read_list(folder, split) for split in ("train", "val")]
    stage("baselines: reading the videos")
    frames = [[_spaced_frames(path) for path, _ in rows] for rows in lists]
    stage("baselines: fitting their classifiers")
    labels = [np.array([label for _, label in rows], np.int64) for rows in lists]

    def top1(describe: Callable[[np.ndarray], np.ndarray]) -> float:
        train, val = (np.stack([describe(video) for video in videos]) for videos in frames)
        return 100 * float((classified(train, labels[0], val) == labels[1]).mean())

    return Baselines(top1(colour_histogram), top1(frame_average))


def colour_histogram(frames: np.ndarray, bins: int = 8) -> np.ndarray:
    """How often each colour is in a video.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        bins: of a channel.

    Returns:
        float32 [bins ** 3], the shares of the pixels; red changes most slowly.
    """
    levels = frames.reshape(-1, 3).astype(np.int64) * bins // 256
    codes = (levels[:, 0] * bins + levels[:, 1]) * bins + levels[:, 2]
    shares: np.ndarray = np.bincount(codes, minlength=bins**3) / len(codes)
    return shares.astype(np.float32)


def frame_average(frames: np.ndarray, side: int = 16) -> np.ndarray:
    """The mean picture of a video, made small.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        side: of the small picture, pixels.

    Returns:
        float32 [side * side * 3], 0 to 1.
    """
    mean = frames.mean(0, dtype=np.float32) / 255
    small: np.ndarray = cv2.resize(mean, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32).reshape(-1)


def classified(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Classes by the logistic regression of TASK logistic.

    Args:
        train: float32 [N, C], of the training videos.
        labels: int64 [N], their classes; every class has one.
        test: float32 [M, C], of the videos to classify. Their labels are not asked for.

    Returns:
        int64 [M].
    """
    # The probe wants labels of the test videos, to count the classes. Of these none is larger than the others.
    unknown = np.zeros(len(test), np.int64)
    data = ProbeData(_feature_set(train, labels), _feature_set(test, unknown))
    with _one_thread():
        return probe_logistic(data, torch.device("cpu")).predicted


@contextmanager
def _one_thread() -> Iterator[None]:
    """Products of this size gain nothing from more threads, which wait for each other where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _feature_set(values: np.ndarray, labels: np.ndarray) -> FeatureSet:
    return FeatureSet(Path(), values, np.arange(len(values)), labels, [""] * len(values))


def _spaced_frames(path: Path) -> np.ndarray:
    """Evenly spaced frames of a video: uint8 [T, H, W, 3]."""
    with Video(path) as video:
        # The middle of each of as many equal parts.
        places = (np.arange(_FRAMES) + 0.5) * video.num_frames / _FRAMES
        return video.frames(places.astype(np.int64))
