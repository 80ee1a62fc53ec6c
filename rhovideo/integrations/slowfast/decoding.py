"""PySlowFast's decoding by our :class:`rhovideo.data.video.reader.Video`: exact frames, any number of clips, one pass.

PySlowFast's own decoding raises an error on every clip with the backend pyav, and calls functions that torchvision has
removed with the backend torchvision. The places of clips stay the same: random ones within the limits of
CONTRASTIVE.DELTA_CLIPS_MIN and MAX, or PySlowFast's place of clip i of n.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from slowfast.datasets import transform

from rhovideo.data.sampling.clip_spans import clip_length
from rhovideo.data.sampling.start_times import draw_starts
from rhovideo.data.video.reader import Video, VideoReadError
from rhovideo.randomness import python_generator

logger = logging.getLogger(__name__)


def open_video(
    original: Callable[..., Any], path_to_vid: str, multi_thread_decode: bool = False, backend: str = "pyav"
) -> Video:
    """Our counterpart of PySlowFast's ``get_video_container``.

    Args:
        original: PySlowFast's function; not used.
        path_to_vid: the file.
        multi_thread_decode: decode in several threads.
        backend: not used.

    Raises:
        VideoReadError: the file cannot be read. PySlowFast's data sets catch this and take another video.
    """
    return Video(path_to_vid, num_threads=0 if multi_thread_decode else 1)


def decode(
    original: Callable[..., Any],
    container: Video,
    sampling_rate: Sequence[float],
    num_frames: Sequence[int],
    clip_idx: int = -1,
    num_clips_uniform: int = 10,
    video_meta: Any = None,
    target_fps: float = 30,
    backend: str = "pyav",
    max_spatial_scale: int = 0,
    use_offset: bool = False,
    time_diff_prob: float = 0.0,
    gaussian_prob: float = 0.0,
    min_delta: float = -math.inf,
    max_delta: float = math.inf,
    temporally_rnd_clips: bool = True,
) -> tuple[list[torch.Tensor] | None, np.ndarray | None, list[Any] | None]:
    """Our counterpart of PySlowFast's ``decode``.

    Args:
        original: PySlowFast's function; not used.
        container: from :func:`open_video`; closed afterwards.
        sampling_rate: of each clip, all the same.
        num_frames: of each clip, all the same.
        clip_idx: -1: clips at random; else the number of one of ``num_clips_uniform`` clips.
        num_clips_uniform: clips that are spread over the video.
        video_meta: not used.
        target_fps: frames a second to which ``sampling_rate`` refers.
        backend: not used.
        max_spatial_scale: not used.
        use_offset: spread the clips from the first to the last frame (DATA.USE_OFFSET_SAMPLING).
        time_diff_prob: probability that a clip becomes the differences of its frames.
        gaussian_prob: probability of PySlowFast's noise on raw frames.
        min_delta: smallest gap between random clips, in frames.
        max_delta: largest gap between random clips, in frames.
        temporally_rnd_clips: give several clips in random order; False: in the order of time.

    Returns:
        A list over the clips of uint8 [T,H,W,3] (float32 if raw frames are changed); float64 [n_clips, 3] of first
        frame, last frame and gap to the clip before in time; for each clip whether it became differences. Three times
        None if the video cannot be read.

    Raises:
        ValueError: the clips differ in frames or rate.
    """
    clips = set(zip(num_frames, sampling_rate, strict=True))
    if len(clips) != 1:
        raise ValueError(f"the clips of a video are to have equal frames and rates, not {sorted(clips)}")
    ((frames, rate),) = clips
    try:
        with container as video:
            length = clip_length(frames, rate, video.fps, target_fps)
            if clip_idx == -1:
                rng = python_generator()
                starts = draw_starts(video.num_frames, length, len(num_frames), min_delta, max_delta, rng)
                order = rng.permutation(len(starts)) if temporally_rnd_clips else np.arange(len(starts))
            else:
                start = uniform_start(max(video.num_frames - length, 0), clip_idx, num_clips_uniform, use_offset)
                starts, order = np.full(len(num_frames), start), np.arange(len(num_frames))
            places = _places(starts, length)[order]
            found, marks = _read(video, places, frames, time_diff_prob, gaussian_prob)
            return found, places, marks
    except VideoReadError as error:
        logger.warning("%s", error)
        return None, None, None


def uniform_start(last: int, clip: int, clips: int, use_offset: bool) -> float:
    """The first frame of clip ``clip`` of ``clips`` in PySlowFast, where first frames reach from 0 to ``last``."""
    if not use_offset:
        return last * clip / clips
    return last // 2 if clips == 1 else clip * (last // (clips - 1))


def _places(starts: np.ndarray, length: int) -> np.ndarray:
    """float64 [n, 3] of first frame, last frame and gap to the clip before, in the order of time."""
    ends = starts + length - 1
    gaps = np.concatenate([[0], starts[1:] - ends[:-1]])
    return np.stack([starts, ends, gaps], axis=1).astype(np.float64)


def _read(
    video: Video, places: np.ndarray, frames: int, time_diff_prob: float, gaussian_prob: float
) -> tuple[list[torch.Tensor], list[Any]]:
    """The clips, and for each whether it became differences."""
    last = video.num_frames - 1
    wanted = [np.clip(np.linspace(start, end, frames).astype(np.int64), 0, last) for start, end, _ in places]
    if time_diff_prob <= 0 and gaussian_prob <= 0:
        found = video.frames(np.concatenate(wanted))
        return list(torch.from_numpy(found).split(frames)), [None] * len(wanted)
    clips: list[torch.Tensor] = []
    marks: list[Any] = []
    for indices in wanted:
        # Differences are those of neighbouring frames, so all of them are read.
        span = np.arange(indices[0], indices[-1] + 1)
        raw, mark = transform.augment_raw_frames(torch.from_numpy(video.frames(span)), time_diff_prob, gaussian_prob)
        clips.append(raw[torch.from_numpy(indices - indices[0])])
        marks.append(mark)
    return clips, marks
