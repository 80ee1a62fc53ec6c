"""Clip samplers: they choose the frames of a video that make its clips.

A sampler can be used in two ways. ``sample`` returns frame indices for a video of N frames, drawn from a generator that
the caller passes in; our data sets use this. Calling the sampler returns times in seconds, for PyTorchVideo's
``LabeledVideoDataset``; its draws come from Python's ``random``, as in PyTorchVideo's samplers.

A clip of T frames, one in every tau at the target rate, spans L = max(1, round(T tau fps / target rate)) frames of the
source. Its frames are floor(linspace(start, start + L - 1, T)), limited to the video. So a video that is shorter than a
clip repeats its last frame, as in PySlowFast's ``temporal_sampling``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from pytorchvideo.data.clip_sampling import ClipInfo, ClipInfoList, ClipSampler

from rhovideo.config.pyslowfast.translation import reads_frame_lists
from rhovideo.data.sampling.start_times import draw_starts, even_starts
from rhovideo.randomness import python_generator

__all__ = [
    "RandomClipSampler",
    "RhoClipSampler",
    "SegmentSampler",
    "UniformClipSampler",
    "build_clip_sampler",
    "clip_frames",
    "clip_length",
    "draw_starts",
]


def clip_length(num_frames: int, sampling_rate: float, fps: float, target_fps: float) -> int:
    """L, the frames of the source from a clip's first to its last, both included.

    Args:
        num_frames: T, frames of the clip.
        sampling_rate: tau, one frame in every tau at the target rate.
        fps: frames per second of the source.
        target_fps: frames per second to which tau refers.

    Returns:
        L, at least 1.
    """
    return max(1, round(num_frames * sampling_rate * fps / target_fps))


def clip_frames(starts: np.ndarray, length: int, num_frames: int, video_frames: int) -> np.ndarray:
    """The source frames of clips that start at ``starts``.

    Args:
        starts: int64 [n_clips], first frames.
        length: L, see :func:`clip_length`.
        num_frames: T, frames of a clip.
        video_frames: N, frames of the video; later indices become its last frame.

    Returns:
        int64 [n_clips, T].
    """
    steps = max(1, num_frames - 1)
    # Integers, since floor(linspace) in floating point may be one too small.
    offsets = np.arange(num_frames, dtype=np.int64) * (length - 1) // steps
    frames: np.ndarray = np.asarray(starts, dtype=np.int64)[:, None] + offsets
    return frames.clip(0, video_frames - 1)


class RhoClipSampler(ClipSampler):  # type: ignore[misc]  # PyTorchVideo has no types.
    """rho clips of one video in the order of time, drawn by :func:`rhovideo.data.sampling.start_times.draw_starts`.

    The rate is jittered once for a video, so its clips have equal lengths. With rho = 1 there is one clip, of which two
    views are two augmentations of the same frames.

    Args:
        rho: clips.
        num_frames: T, frames of a clip.
        sampling_rate: tau, one frame in every tau at ``target_fps``.
        target_fps: frames per second to which tau refers.
        gap_min: smallest gap between neighbours, in source frames (CONTRASTIVE.DELTA_CLIPS_MIN).
        gap_max: largest gap between neighbours, in source frames (CONTRASTIVE.DELTA_CLIPS_MAX).
        fps_jitter: x of DATA.TRAIN_JITTER_FPS: U(0, x) is added to ``target_fps``, as in the released code.
        fps_jitter_relative: x of DATA.TRAIN_JITTER_FPS_RELATIVE: ``target_fps`` is multiplied by U(1 - x, 1 + x).
        same_time: all clips have the same frames, so that only space and colour differ (DATA.AUG_TEMPORAL False).

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        rho: int,
        num_frames: int,
        sampling_rate: float,
        target_fps: float = 30,
        gap_min: float = -math.inf,
        gap_max: float = math.inf,
        fps_jitter: float = 0.0,
        fps_jitter_relative: float = 0.0,
        same_time: bool = False,
    ) -> None:
        _check_clip(num_frames, sampling_rate, target_fps)
        if rho < 1:
            raise ValueError(f"DATA.TRAIN_CROP_NUM_TEMPORAL (rho) is {rho}: write 1 or more")
        if not gap_min <= gap_max:
            raise ValueError(
                f"CONTRASTIVE.DELTA_CLIPS_MIN {gap_min} is not at most DELTA_CLIPS_MAX {gap_max}: no gap is allowed"
            )
        if not fps_jitter >= 0:
            raise ValueError(f"DATA.TRAIN_JITTER_FPS is {fps_jitter}: write 0 or more frames a second")
        if not 0 <= fps_jitter_relative < 1:
            raise ValueError(
                f"DATA.TRAIN_JITTER_FPS_RELATIVE is {fps_jitter_relative}: write 0 or more and less than 1, e.g. 0.5"
            )
        super().__init__(_seconds(num_frames, sampling_rate, target_fps))
        self.rho = rho
        self.num_frames = num_frames
        self.sampling_rate = sampling_rate
        self.target_fps = target_fps
        self.gap_min = gap_min
        self.gap_max = gap_max
        self.fps_jitter = fps_jitter
        self.fps_jitter_relative = fps_jitter_relative
        self.same_time = same_time

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
        """Source frames of the clips of a video.

        Args:
            num_frames: N, frames of the video, at least 1.
            fps: its frames per second.
            rng: generator to draw from.

        Returns:
            int64 [rho, T], clips in the order of time.
        """
        starts, length = self._place(num_frames, fps, rng)
        return clip_frames(starts, length, self.num_frames, num_frames)

    def __call__(
        self,
        last_clip_end: float | Fraction | None,
        video_duration: float | Fraction,
        annotation: dict[str, Any] | None,
    ) -> ClipInfoList | ClipInfo:
        """Times of all clips of a video at once, for PyTorchVideo.

        Args:
            last_clip_end: not used.
            video_duration: seconds; the video is assumed to have ``target_fps`` frames per second.
            annotation: not used.

        Returns:
            Start and end of the clips in seconds, and PyTorchVideo's other lists; they are the video's last clips.
        """
        starts, length = self._place(
            _frames_of(video_duration, self.target_fps), float(self.target_fps), python_generator()
        )
        return _clip_times(starts, length, self.target_fps)

    def _place(self, num_frames: int, fps: float, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """First frames of the clips, int64 [rho], and their length."""
        rate = float(self.target_fps)
        if self.fps_jitter > 0:
            rate += rng.uniform(0.0, self.fps_jitter)
        if self.fps_jitter_relative > 0:
            rate *= rng.uniform(1 - self.fps_jitter_relative, 1 + self.fps_jitter_relative)
        length = clip_length(self.num_frames, self.sampling_rate, fps, rate)
        if self.same_time:
            return np.repeat(draw_starts(num_frames, length, 1, -math.inf, math.inf, rng), self.rho), length
        return draw_starts(num_frames, length, self.rho, self.gap_min, self.gap_max, rng), length


class RandomClipSampler(RhoClipSampler):
    """One clip anywhere in the video, for linear evaluation and fine-tuning.

    Args:
        num_frames: T, frames of the clip.
        sampling_rate: tau, as for :class:`RhoClipSampler`.
        target_fps: as for :class:`RhoClipSampler`.
        fps_jitter: as for :class:`RhoClipSampler`.
        fps_jitter_relative: as for :class:`RhoClipSampler`.
    """

    def __init__(
        self,
        num_frames: int,
        sampling_rate: float,
        target_fps: float = 30,
        fps_jitter: float = 0.0,
        fps_jitter_relative: float = 0.0,
    ) -> None:
        super().__init__(
            1,
            num_frames,
            sampling_rate,
            target_fps,
            fps_jitter=fps_jitter,
            fps_jitter_relative=fps_jitter_relative,
        )

    def __call__(
        self,
        last_clip_end: float | Fraction | None,
        video_duration: float | Fraction,
        annotation: dict[str, Any] | None,
    ) -> ClipInfo:
        """The time of the clip, for PyTorchVideo; arguments as for :class:`RhoClipSampler`."""
        clips = super().__call__(last_clip_end, video_duration, annotation)
        return ClipInfo(clips.clip_start_sec[0], clips.clip_end_sec[0], 0, 0, True)


class UniformClipSampler(ClipSampler):  # type: ignore[misc]  # PyTorchVideo has no types.
    """Clips at even distances over the video, without randomness: clip i of n starts at floor(i (N - L) / (n - 1)).

    Args:
        num_clips: n; a single clip lies in the middle.
        num_frames: T, frames of a clip.
        sampling_rate: tau, one frame in every tau at ``target_fps``.
        target_fps: frames per second to which tau refers.
        to_the_end: False starts clip i at floor(i (N - L) / n), and a single one at 0, as PySlowFast does unless
            DATA.USE_OFFSET_SAMPLING is True.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, num_clips: int, num_frames: int, sampling_rate: float, target_fps: float = 30, to_the_end: bool = True
    ) -> None:
        _check_clip(num_frames, sampling_rate, target_fps)
        if num_clips < 1:
            raise ValueError(f"TEST.NUM_ENSEMBLE_VIEWS is {num_clips}: write 1 or more")
        super().__init__(_seconds(num_frames, sampling_rate, target_fps))
        self.num_clips = num_clips
        self.num_frames = num_frames
        self.sampling_rate = sampling_rate
        self.target_fps = target_fps
        self.to_the_end = to_the_end

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator | None = None) -> np.ndarray:
        """Source frames of the clips of a video.

        Args:
            num_frames: N, frames of the video, at least 1.
            fps: its frames per second.
            rng: not used.

        Returns:
            int64 [num_clips, T].
        """
        starts, length = self._place(num_frames, fps)
        return clip_frames(starts, length, self.num_frames, num_frames)

    def __call__(
        self,
        last_clip_end: float | Fraction | None,
        video_duration: float | Fraction,
        annotation: dict[str, Any] | None,
    ) -> ClipInfoList:
        """Times of all clips at once, for PyTorchVideo; arguments as for :class:`RhoClipSampler`."""
        starts, length = self._place(_frames_of(video_duration, self.target_fps), float(self.target_fps))
        return _clip_times(starts, length, self.target_fps)

    def _place(self, num_frames: int, fps: float) -> tuple[np.ndarray, int]:
        length = clip_length(self.num_frames, self.sampling_rate, fps, self.target_fps)
        last = max(0, num_frames - length)
        if not self.to_the_end:
            return np.arange(self.num_clips, dtype=np.int64) * last // self.num_clips, length
        if self.num_clips == 1:
            return even_starts(last, 1), length
        return np.arange(self.num_clips, dtype=np.int64) * last // (self.num_clips - 1), length


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
        _check_clip(num_frames, 1, target_fps)
        super().__init__(_seconds(1, 1, target_fps))
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
        frames = self.sample(_frames_of(video_duration, self.target_fps), float(self.target_fps), python_generator())
        return _clip_times(frames[0], 1, self.target_fps)


def build_clip_sampler(cfg: CfgNode, purpose: str) -> ClipSampler:
    """Build the sampler of a configuration.

    Args:
        cfg: a whole configuration.
        purpose: ``pretrain`` (rho clips), ``train`` (one random clip), ``eval`` (one clip in the middle), ``test``
            (TEST.NUM_ENSEMBLE_VIEWS clips) or ``knn`` (KNN.NUM_CLIPS clips).

    Returns:
        The sampler.

    Raises:
        ValueError: the purpose or DATA.CLIP_SAMPLING is unknown.
    """
    data = cfg.DATA
    uniform_clips = {"eval": 1, "test": cfg.TEST.NUM_ENSEMBLE_VIEWS, "knn": cfg.KNN.NUM_CLIPS}
    if purpose not in ("pretrain", "train", *uniform_clips):
        raise ValueError(f"purpose is {purpose!r}: write pretrain, train, eval, test or knn")
    if data.CLIP_SAMPLING not in ("random", "segment"):
        raise ValueError(f"DATA.CLIP_SAMPLING is {data.CLIP_SAMPLING!r}: write random or segment")
    if data.CLIP_SAMPLING == "segment" and purpose != "pretrain":
        shared = reads_frame_lists(cfg)
        return SegmentSampler(data.NUM_FRAMES, purpose == "train", target_fps=data.TARGET_FPS, shared_ends=shared)
    clip = (data.NUM_FRAMES, data.SAMPLING_RATE, data.TARGET_FPS)
    jitter = {"fps_jitter": data.TRAIN_JITTER_FPS, "fps_jitter_relative": data.TRAIN_JITTER_FPS_RELATIVE}
    if purpose == "pretrain":
        if data.CLIP_SAMPLING == "segment":
            raise ValueError("DATA.CLIP_SAMPLING is 'segment', which has one clip a video: write random to pre-train")
        return RhoClipSampler(
            data.TRAIN_CROP_NUM_TEMPORAL,
            *clip,
            gap_min=cfg.CONTRASTIVE.DELTA_CLIPS_MIN,
            gap_max=cfg.CONTRASTIVE.DELTA_CLIPS_MAX,
            same_time=not data.AUG_TEMPORAL,
            **jitter,
        )
    if purpose == "train":
        return RandomClipSampler(*clip, **jitter)
    to_the_end = purpose != "test" or data.USE_OFFSET_SAMPLING is not False
    return UniformClipSampler(uniform_clips[purpose], *clip, to_the_end=to_the_end)


def _check_clip(num_frames: int, sampling_rate: float, target_fps: float) -> None:
    if num_frames < 1:
        raise ValueError(f"DATA.NUM_FRAMES is {num_frames}: write 1 or more")
    if not (sampling_rate > 0 and target_fps > 0):
        raise ValueError(
            f"DATA.SAMPLING_RATE is {sampling_rate} and DATA.TARGET_FPS {target_fps}: write numbers above 0"
        )


def _seconds(num_frames: int, sampling_rate: float, target_fps: float) -> Fraction:
    return num_frames * Fraction(sampling_rate) / Fraction(target_fps)


def _frames_of(video_duration: float | Fraction, fps: float) -> int:
    return max(1, round(float(video_duration) * fps))


def _clip_times(starts: np.ndarray, length: int, fps: float) -> ClipInfoList:
    """Start and end of clips in exact seconds, marked as the video's last clips."""
    rate, count = Fraction(fps), len(starts)
    begin = [Fraction(start) / rate for start in starts.tolist()]
    end = [Fraction(start + length) / rate for start in starts.tolist()]
    return ClipInfoList(begin, end, list(range(count)), [0] * count, [True] * count)
