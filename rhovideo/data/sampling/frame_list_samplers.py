"""The clips that PySlowFast takes of Charades' lists of frames. They count frames of the list, and no frames a second.

A clip of T frames, one in every tau, spans L = (T - 1) tau + 1 frames of the list.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from rhovideo.data.sampling.clip_spans import check_clip


class FrameStepSampler:
    """Clips of TRAIN.DATASET charades: frame i is start + i tau, limited to the video.

    A training clip starts anywhere in [0, N - L]; in a video of N < L frames, anywhere in [N - L, 0], so that its first
    and last frames are repeated. Test clip k of n starts at max(N - L, 0) k / (n - 1), rounded to the nearest frame and
    halves to even; a single one lies in the middle.

    Args:
        num_frames: T, frames of a clip.
        sampling_rate: tau, one frame of the list in every tau.
        clips: n, test clips; None: one training clip.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, num_frames: int, sampling_rate: int, clips: int | None = None) -> None:
        _check(num_frames, sampling_rate, clips)
        self.num_frames = num_frames
        self.sampling_rate = sampling_rate
        self.clips = clips

    @property
    def length(self) -> int:
        """L, the frames of the list from a clip's first to its last, both included."""
        return (self.num_frames - 1) * self.sampling_rate + 1

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator | None = None) -> np.ndarray:
        """Frames of the clips of a video.

        Args:
            num_frames: N, frames of the video, at least 1.
            fps: not used.
            rng: generator to draw a training clip from.

        Returns:
            int64 [clips, T]; of training [1, T].

        Raises:
            ValueError: a training clip is to be drawn without a generator.
        """
        frames: np.ndarray = self._starts(num_frames, rng)[:, None] + np.arange(self.num_frames) * self.sampling_rate
        return frames.clip(0, num_frames - 1)

    def _starts(self, num_frames: int, rng: np.random.Generator | None) -> np.ndarray:
        last = num_frames - self.length
        if self.clips is None:
            return np.array([_given(rng).integers(min(last, 0), max(last, 0) + 1)], np.int64)
        if self.clips == 1:
            return np.array([max(last, 0) // 2], np.int64)
        return np.array([round(Fraction(max(last, 0) * k, self.clips - 1)) for k in range(self.clips)], np.int64)


class FrameWindowSampler:
    """Clips of TRAIN.DATASET ptvcharades: T frames spread over a window of L frames, or over all of a shorter video.

    A training window starts at a uniform time, rounded up to a frame. Test window k of n starts at (N - L) k / n,
    rounded up, so the last one ends before the video does; a single one at 0.

    Args:
        num_frames, sampling_rate, clips: as of :class:`FrameStepSampler`.
        middle: a single test window in the middle, for evaluations during training.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, num_frames: int, sampling_rate: int, clips: int | None = None, middle: bool = False) -> None:
        _check(num_frames, sampling_rate, clips)
        self.num_frames = num_frames
        self.sampling_rate = sampling_rate
        self.clips = clips
        self.middle = middle

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator | None = None) -> np.ndarray:
        """Frames of the clips of a video, see :meth:`FrameStepSampler.sample`."""
        length = min((self.num_frames - 1) * self.sampling_rate + 1, num_frames)
        last = num_frames - length
        if self.clips is None:
            starts = [math.ceil(_given(rng).uniform(0, last))]
        elif self.middle:
            starts = [last // 2]
        else:
            starts = [-(-last * k // self.clips) for k in range(self.clips)]
        offsets = np.arange(self.num_frames, dtype=np.int64) * (length - 1) // max(self.num_frames - 1, 1)
        frames: np.ndarray = np.array(starts, np.int64)[:, None] + offsets
        return frames


def _check(num_frames: int, sampling_rate: int, clips: int | None) -> None:
    check_clip(num_frames, sampling_rate, 1)
    if clips is not None and clips < 1:
        raise ValueError(f"TEST.NUM_ENSEMBLE_VIEWS is {clips}: write 1 or more")


def _given(rng: np.random.Generator | None) -> np.random.Generator:
    if rng is None:
        raise ValueError("a training clip is drawn: give a generator as rng")
    return rng
