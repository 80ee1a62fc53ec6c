"""Clip samplers: they choose the frames of a video that make its clips.

A sampler can be used in two ways. ``sample`` returns frame indices for a video of N frames, drawn from a generator that
the caller passes in; our data sets use this. Calling the sampler returns times in seconds, for PyTorchVideo's
``LabeledVideoDataset``; its draws come from Python's ``random``, as in PyTorchVideo's samplers. Which frames a clip has
from its start on is in :mod:`rhovideo.data.sampling.clip_spans`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from pytorchvideo.data.clip_sampling import ClipInfo, ClipInfoList, ClipSampler

from rhovideo.config.pyslowfast.translation import reads_charades, reads_templates
from rhovideo.data.sampling.clip_spans import check_clip, clip_frames, clip_length, clip_seconds, clip_times, frames_of
from rhovideo.data.sampling.frame_list_samplers import FrameStepSampler, FrameWindowSampler
from rhovideo.data.sampling.segment_sampler import SegmentSampler
from rhovideo.data.sampling.start_times import distance_law, draw_starts, even_starts, gaps_of_seconds
from rhovideo.randomness import python_generator


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
        seconds_min: smallest distance of neighbours, from start to start, in place of a gap
            (CONTRASTIVE.DELTA_SECONDS_MIN).
        seconds_max: largest such distance; 0: all clips at the same time (CONTRASTIVE.DELTA_SECONDS_MAX).
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
        seconds_min: float = 0.0,
        seconds_max: float = math.inf,
    ) -> None:
        check_clip(num_frames, sampling_rate, target_fps)
        if rho < 1:
            raise ValueError(f"DATA.TRAIN_CROP_NUM_TEMPORAL (rho) is {rho}: write 1 or more")
        if not gap_min <= gap_max:
            raise ValueError(
                f"CONTRASTIVE.DELTA_CLIPS_MIN {gap_min} is not at most DELTA_CLIPS_MAX {gap_max}: no gap is allowed"
            )
        if not 0 <= seconds_min <= seconds_max:
            raise ValueError(
                f"CONTRASTIVE.DELTA_SECONDS_MIN {seconds_min}, DELTA_SECONDS_MAX {seconds_max}: no distance is allowed"
            )
        in_seconds = (seconds_min, seconds_max) != (0, math.inf)
        if in_seconds and (gap_min, gap_max) != (-math.inf, math.inf):
            raise ValueError(
                "CONTRASTIVE.DELTA_SECONDS_MIN or MAX and DELTA_CLIPS_MIN or MAX are both set: write one kind alone"
            )
        if not fps_jitter >= 0:
            raise ValueError(f"DATA.TRAIN_JITTER_FPS is {fps_jitter}: write 0 or more frames a second")
        if not 0 <= fps_jitter_relative < 1:
            raise ValueError(
                f"DATA.TRAIN_JITTER_FPS_RELATIVE is {fps_jitter_relative}: write 0 or more and less than 1, e.g. 0.5"
            )
        super().__init__(clip_seconds(num_frames, sampling_rate, target_fps))
        self.rho = rho
        self.num_frames = num_frames
        self.sampling_rate = sampling_rate
        self.target_fps = target_fps
        self.gap_min = gap_min
        self.gap_max = gap_max
        self.fps_jitter = fps_jitter
        self.fps_jitter_relative = fps_jitter_relative
        self.same_time = same_time
        self.seconds = (seconds_min, seconds_max) if in_seconds else None

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
            frames_of(video_duration, self.target_fps), float(self.target_fps), python_generator()
        )
        return clip_times(starts, length, self.target_fps)

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
        return draw_starts(num_frames, length, self.rho, *self._gaps(fps, length), rng), length

    def _gaps(self, fps: float, length: int) -> tuple[float, float]:
        """The limits on the gap of neighbours, in frames of the source."""
        return (self.gap_min, self.gap_max) if self.seconds is None else gaps_of_seconds(fps, length, *self.seconds)

    def distances(self, num_frames: int, fps: float) -> np.ndarray:
        """The probability of each distance of neighbours, see :func:`.start_times.distance_law`.

        Args:
            num_frames: N, frames of the video.
            fps: its frames per second.

        Returns:
            float64, whose place d has the probability of d source frames from start to start.

        Raises:
            ValueError: there is one clip, or the rate is jittered, so that clips differ in length.
        """
        if self.rho < 2:
            raise ValueError("DATA.TRAIN_CROP_NUM_TEMPORAL (rho) is 1, so there is no distance: write 2 or more")
        if self.fps_jitter or self.fps_jitter_relative:
            raise ValueError("DATA.TRAIN_JITTER_FPS or TRAIN_JITTER_FPS_RELATIVE is set: write 0 for the exact law")
        if self.same_time:
            return np.ones(1)
        length = clip_length(self.num_frames, self.sampling_rate, fps, float(self.target_fps))
        return distance_law(num_frames, length, self.rho, *self._gaps(fps, length))


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
        check_clip(num_frames, sampling_rate, target_fps)
        if num_clips < 1:
            raise ValueError(f"TEST.NUM_ENSEMBLE_VIEWS is {num_clips}: write 1 or more")
        super().__init__(clip_seconds(num_frames, sampling_rate, target_fps))
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
        starts, length = self._place(frames_of(video_duration, self.target_fps), float(self.target_fps))
        return clip_times(starts, length, self.target_fps)

    def _place(self, num_frames: int, fps: float) -> tuple[np.ndarray, int]:
        length = clip_length(self.num_frames, self.sampling_rate, fps, self.target_fps)
        last = max(0, num_frames - length)
        if not self.to_the_end:
            return np.arange(self.num_clips, dtype=np.int64) * last // self.num_clips, length
        if self.num_clips == 1:
            return even_starts(last, 1), length
        return np.arange(self.num_clips, dtype=np.int64) * last // (self.num_clips - 1), length


def build_clip_sampler(cfg: CfgNode, purpose: str) -> ClipSampler | FrameStepSampler | FrameWindowSampler:
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
        shared = reads_templates(cfg)
        return SegmentSampler(data.NUM_FRAMES, purpose == "train", target_fps=data.TARGET_FPS, shared_ends=shared)
    if reads_charades(cfg) and purpose in ("train", "eval", "test"):
        return _charades_sampler(cfg, None if purpose == "train" else uniform_clips[purpose], purpose == "eval")
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
            seconds_min=cfg.CONTRASTIVE.DELTA_SECONDS_MIN,
            seconds_max=cfg.CONTRASTIVE.DELTA_SECONDS_MAX,
            **jitter,
        )
    if purpose == "train":
        return RandomClipSampler(*clip, **jitter)
    to_the_end = purpose != "test" or data.USE_OFFSET_SAMPLING is not False
    return UniformClipSampler(uniform_clips[purpose], *clip, to_the_end=to_the_end)


def _charades_sampler(cfg: CfgNode, clips: int | None, middle: bool) -> FrameStepSampler | FrameWindowSampler:
    """PySlowFast's clips of lists of frames with labels, which count frames of the list."""
    clip = (cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, clips)
    if cfg.TRAIN.DATASET.lower() == "ptvcharades":
        return FrameWindowSampler(*clip, middle=middle)
    return FrameStepSampler(*clip)
