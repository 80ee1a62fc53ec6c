"""Clips to look at: those that a configuration trains on, as its data set gives them, before or after training.

They come from the same data set, decoder and augmentation as the training's, at the addresses (seed, epoch, video) of
its samples. So the clips of a video in epoch 3 are those that the training sees in epoch 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.data.augment.device_colour import apply_operations
from rhovideo.data.lists.bad_videos import Failure
from rhovideo.data.lists.classes.class_turns import class_turns
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.loading.datasets import ClipDataset, SampleKey, build_dataset
from rhovideo.randomness import Stream, generator

# The list that a task reads first (its split), and the purpose for which it does.
READS = {
    "pretrain": ("train", "pretrain"),
    "linear": ("train", "train"),
    "finetune": ("train", "train"),
    "detection": ("train", "train"),
    "detection_test": ("test", "test"),
    "test": ("test", "test"),
    "knn": ("train", "knn"),
    "logistic": ("train", "knn"),
    "extract": ("test", "knn"),
}


@dataclass(frozen=True)
class ShownVideo:
    """The clips of one video, as an encoder gets them, before they are normalised.

    Attributes:
        path: of the video that is shown.
        line: of the list, from 1.
        label: of the video; -1 where it has none.
        clips: uint8 [V,T,S,S,3], RGB, after all augmentation; clips in the order of time, and the views of a clip next
            to each other.
        frames: int64 [V,T], the frames of the video that each view shows.
        fps: frames per second of the video.
    """

    path: str
    line: int
    label: int
    clips: np.ndarray
    frames: np.ndarray
    fps: float

    @property
    def seconds(self) -> np.ndarray:
        """The time of each view's first and last frame, float64 [V,2], in seconds."""
        return np.stack([self.frames.min(1), self.frames.max(1)], axis=1) / self.fps

    @property
    def rate(self) -> float:
        """The frames of a clip per second at which it plays as fast as the video."""
        span = float(np.abs(self.frames[:, -1] - self.frames[:, 0]).mean())
        return float(self.fps) * (self.frames.shape[1] - 1) / span if span else float(self.fps)


@dataclass
class ShownClips:
    """The clips of several videos of a list.

    Attributes:
        csv: the list.
        split: of the list: train, val or test.
        purpose: of the data set, see :func:`rhovideo.data.loading.datasets.build_dataset`.
        videos: those that could be read.
        failures: those that could not.
    """

    csv: str
    split: str
    purpose: str
    videos: list[ShownVideo] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def shown_clips(
    cfg: CfgNode, videos: int | Sequence[int] = 4, *, epoch: int = 0, split: str = "", purpose: str = ""
) -> ShownClips:
    """Read the augmented clips of some videos, as the task of a configuration reads them.

    A training replaces a video that cannot be read by another one, and so does this.

    Args:
        cfg: a loaded configuration; neither a GPU nor labels nor a run folder are needed.
        videos: how many, drawn with RNG_SEED, from different classes where the list has labels; or their places in the
            list, from 0.
        epoch: whose clips, from 0.
        split: "train", "val" or "test"; empty: the list that the task reads first.
        purpose: as for :func:`rhovideo.data.loading.datasets.build_dataset`; empty: the task's.

    Returns:
        The clips.

    Raises:
        JobError: the list cannot be used.
        OSError: there is no such list.
    """
    read = READS[cfg.TASK]
    split, purpose = split or read[0], purpose or read[1]
    dataset = build_dataset(cfg, split, purpose)
    places = drawn_places(dataset.manifest.labels, videos, cfg.RNG_SEED) if isinstance(videos, int) else videos
    shown = ShownClips(str(dataset.manifest.csv), split, purpose)
    for place in places:
        _show(dataset, SampleKey(epoch, int(place)), shown)
    return shown


def drawn_places(labels: np.ndarray, wanted: int, seed: int) -> list[int]:
    """Draw some videos of a list, each class as often as any other, as far as it has so many.

    Rows that are evenly spread would not do: a list often goes through its classes in turn.

    Args:
        labels: int64 [N], -1 for a video without a label; these come last where others have one.
        wanted: how many.
        seed: of the draw.

    Returns:
        Their places in the list, from 0, rising; all where there are no more than ``wanted``.
    """
    order = generator(Stream.SHOWN_VIDEOS, seed).permutation(len(labels))
    drawn = labels[order]
    turns = class_turns(drawn)
    turns[drawn == NO_LABEL] += len(order)
    return sorted(order[np.argsort(turns, kind="stable")[:wanted]].tolist())


def _show(dataset: ClipDataset, key: SampleKey, shown: ShownClips) -> None:
    sample = dataset.read(key)
    shown.failures += sample.failures
    if not sample.valid:
        return
    clips = sample.clips if sample.operations is None else apply_operations(sample.clips, sample.operations)
    times, fps = dataset.times_of(key, sample)
    manifest, index = dataset.manifest, sample.index
    frames = times.repeat(len(clips) // len(times), axis=0)
    shown.videos.append(
        ShownVideo(manifest.path(index), manifest.line(index), sample.label, clips.numpy(), frames, fps)
    )
