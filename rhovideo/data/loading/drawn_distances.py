"""The distances of the clips that a pre-training draws, in seconds, and their exact law (table 4 of the paper)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.data.loading.datasets import VideoDataset, build_dataset
from rhovideo.data.loading.shown_clips import drawn_places
from rhovideo.data.sampling.clip_samplers import RhoClipSampler
from rhovideo.data.video.reader import VideoReadError
from rhovideo.errors import JobError
from rhovideo.randomness import Stream, generator

# Seconds of a bin: the smallest that makes no more bins than _MOST_BINS.
_WIDTHS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0)
_MOST_BINS = 20
# Less than a frame, more than what is lost by rounding.
_EDGE = 1e-6
# Draws of all videos together, where nothing else is said.
_DRAWS = 40_000


@dataclass(frozen=True)
class RateDistances:
    """The distances of the videos of one frame rate.

    Attributes:
        fps: frames per second, rounded to two places.
        videos: of this rate.
        drawn: share of the drawn distances in each bin.
        law: the exact probability of each bin, over the same videos.
        chance: standard deviation of ``drawn`` around ``law``, at most, where a video has one pair (rho 2).
    """

    fps: float
    videos: int
    drawn: np.ndarray
    law: np.ndarray
    chance: np.ndarray


@dataclass(frozen=True)
class DrawnDistances:
    """The distances of a list's videos.

    Attributes:
        csv: the list.
        epochs: whose draws were counted, the first ones.
        edges: of the bins, in seconds.
        rates: the most frequent first.
        unreadable: videos that could not be opened.
    """

    csv: str
    epochs: int
    edges: np.ndarray
    rates: Sequence[RateDistances]
    unreadable: int

    @property
    def farthest(self) -> tuple[float, float]:
        """The largest difference of a bin from the law in standard deviations, and that difference as a share."""
        found = [
            (float(difference / chance), float(difference))
            for rate in self.rates
            for difference, chance in zip(np.abs(rate.drawn - rate.law), rate.chance, strict=True)
            if chance > 0
        ]
        return max(found, default=(0.0, 0.0))


@dataclass(frozen=True)
class _Video:
    place: int
    frames: int
    fps: float


def drawn_distances(cfg: CfgNode, videos: int = 500, epochs: int | None = None) -> DrawnDistances:
    """Draw the clips of a pre-training as it would draw them, without decoding them.

    Args:
        cfg: a configuration of TASK pretrain.
        videos: how many of the list, drawn with RNG_SEED; all where there are no more.
        epochs: the first ones, whose clips are drawn; None: as many as give about 40,000 draws.

    Raises:
        JobError: the configuration draws no clips of one video, or the list cannot be used.
        OSError: there is no such list.
    """
    if cfg.TASK != "pretrain":
        raise JobError(f"TASK is {cfg.TASK}, which has one clip at a time: write a configuration of TASK pretrain")
    dataset = build_dataset(cfg, "train", "pretrain")
    if not isinstance(dataset, VideoDataset) or not isinstance(dataset.sampler, RhoClipSampler):
        raise JobError("this configuration's clips are not drawn from whole videos: write TRAIN.DATASET kinetics")
    sampler = dataset.sampler
    found, unreadable = _opened(dataset, drawn_places(dataset.manifest.labels, videos, cfg.RNG_SEED))
    try:
        laws = _laws(sampler, found)
    except ValueError as error:
        raise JobError(str(error)) from error
    epochs = epochs or max(1, round(_DRAWS / max(1, len(found))))
    longest = [np.flatnonzero(law)[-1] / video.fps for video, law in zip(found, laws, strict=True)]
    edges = _edges(max(longest, default=0.0))
    rates = []
    for fps, _ in Counter(round(video.fps, 2) for video in found).most_common():
        own = [(video, law) for video, law in zip(found, laws, strict=True) if round(video.fps, 2) == fps]
        rates.append(_of_rate(sampler, fps, own, edges, epochs, cfg.RNG_SEED))
    return DrawnDistances(str(dataset.manifest.csv), epochs, edges, rates, unreadable)


def _opened(dataset: VideoDataset, places: Sequence[int]) -> tuple[list[_Video], int]:
    """The videos that can be opened, with the numbers that the training sees, and how many cannot."""
    found = []
    for place in places:
        try:
            with dataset.manifest.open_video(place, dataset.image_fps, dataset.backend) as video:
                found.append(_Video(place, video.num_frames, float(video.fps)))
        except (VideoReadError, OSError):
            continue
    return found, len(places) - len(found)


def _laws(sampler: RhoClipSampler, videos: Sequence[_Video]) -> list[np.ndarray]:
    """The law of each video's distances, in frames; many videos have the same length and rate."""
    law = lru_cache(maxsize=None)(sampler.distances)
    return [law(video.frames, video.fps) for video in videos]


def _edges(longest: float) -> np.ndarray:
    width = next((width for width in _WIDTHS if longest <= width * _MOST_BINS + _EDGE), _WIDTHS[-1])
    return np.arange(max(1, math.ceil(longest / width - _EDGE)) + 1) * width


def _binned(of_steps: np.ndarray, edges: np.ndarray, fps: float) -> np.ndarray:
    """What lies in each bin, of numbers by the distance in frames.

    A distance of d frames is spread over its frame, (d - 1, d], so that bins whose edges lie within frames are as even
    as others; no distance at all is in the first bin.
    """
    below = np.interp(edges * fps, np.arange(len(of_steps)), np.cumsum(of_steps))
    binned = np.diff(below)
    binned[0] += of_steps[0]
    return binned


def _of_rate(
    sampler: RhoClipSampler,
    fps: float,
    videos: Sequence[tuple[_Video, np.ndarray]],
    edges: np.ndarray,
    epochs: int,
    seed: int,
) -> RateDistances:
    bins = len(edges) - 1
    counts, law, variance = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for video, own in videos:
        probability = _binned(own, edges, video.fps)
        law += probability / len(videos)
        variance += probability * (1 - probability)
        steps = np.zeros(len(own))
        for epoch in range(epochs):
            # The address of the sample's first attempt, as in the data set.
            rng = generator(Stream.CLIP_TIMES, seed, epoch, video.place, 0)
            starts = np.sort(sampler.sample(video.frames, video.fps, rng)[:, 0])
            np.add.at(steps, np.diff(starts), 1)
        counts += _binned(steps, edges, video.fps)
    drawn = counts / counts.sum()
    return RateDistances(fps, len(videos), drawn, law, np.sqrt(variance / counts.sum() / len(videos)))
