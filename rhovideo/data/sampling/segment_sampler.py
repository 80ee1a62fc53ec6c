"""The clip sampler of Something-Something: a frame from each of T equal segments of the video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from pytorchvideo.data.clip_sampling import ClipInfoList, ClipSampler

from rhovideo.data.sampling.clip_spans import check_clip, clip_seconds, clip_times, frames_of
from rhovideo.randomness import python_generator


class SegmentSampler(ClipSampler):  # type: ignore[misc]  # PyTorchVideo has no types.
    """One clip over the whole video: a frame from each of T equal segments, as is usual for Something-Something.

    Segment i holds the frames floor(i N / T) to floor((i + 1) N / T) - 1. Training draws one of them uniformly, and
    testing takes the middle one. A video of fewer than T frames repeats some of them.

    Args:
        num_frames: T, segments.
        training: draw the frames; False takes the middle ones.
        target_fps: frames per second that videos are assumed to have when PyTorchVideo calls the sampler.
        shared_ends: segment i holds the frames round(i (N - 1) / T) to round((i + 1) (N - 1) / T) instead, so that
            neighbours share a frame, as in PySlowFast's ``ssv2``.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, num_frames: int, training: bool, target_fps: float = 30, shared_ends: bool = False) -> None:
        check_clip(num_frames, 1, target_fps)
        super().__init__(clip_seconds(1, 1, target_fps))
        self.num_frames = num_frames
        self.training = training
        self.target_fps = target_fps
        self.shared_ends = shared_ends

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator | None = None) -> np.ndarray:
        """Source frames of the clip of a video.

        Args:
            num_frames: N, frames of the video, at least 1.
            fps: not used.
            rng: generator to draw from, needed for training.

        Returns:
            int64 [1, T].

        Raises:
            ValueError: training without a generator.
        """
        first, last = self._segments(num_frames)
        if not self.training:
            chosen: np.ndarray = (first + last) // 2
        elif rng is not None:
            chosen = rng.integers(first, last + 1)
        else:
            raise ValueError("in training a frame of each segment is drawn: give a generator as rng")
        return chosen.reshape(1, -1)

    def _segments(self, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last frame of each segment, int64 [T]."""
        if self.shared_ends:
            places = np.arange(self.num_frames + 1) * ((num_frames - 1) / self.num_frames)
            bounds = np.round(places).astype(np.int64)
            return bounds[:-1], bounds[1:]
        bounds = np.arange(self.num_frames + 1, dtype=np.int64) * num_frames // self.num_frames
        return bounds[:-1], np.maximum(bounds[1:] - 1, bounds[:-1])

    def __call__(
        self,
        last_clip_end: float | Fraction | None,
        video_duration: float | Fraction,
        annotation: dict[str, Any] | None,
    ) -> ClipInfoList:
        """Times of the T frames for PyTorchVideo, each as a clip of one frame; arguments as for RhoClipSampler."""
        frames = self.sample(frames_of(video_duration, self.target_fps), float(self.target_fps), python_generator())
        return clip_times(frames[0], 1, self.target_fps)
