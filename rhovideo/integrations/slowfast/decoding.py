"""PySlowFast's decoding done by :class:`rhovideo.data.video.reader.Video`: exact frames, any number of clips, one pass.

Its own raises on every clip with the backend pyav, and asks the backend torchvision for functions that torchvision has
removed. Where clips lie is kept: at random within the limits of CONTRASTIVE.DELTA_CLIPS_MIN and MAX, or clip i of n
where PySlowFast would put it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from slowfast.datasets import transform

from rhovideo.data.sampling.clip_samplers import clip_length
from rhovideo.data.sampling.start_times import draw_starts
from rhovideo.data.video.reader import Video, VideoReadError
from rhovideo.randomness import python_generator

logger = logging.getLogger(__name__)


def open_video(original: Callable, path_to_vid: str, multi_thread_decode: bool = False, backend: str = "pyav") -> Video:
    """PySlowFast's ``get_video_container``.

    Raises:
        VideoReadError: which its data sets catch, to take another video.
    """
    return Video(path_to_vid, num_threads=0 if multi_thread_decode else 1)


def decode(
    original: Callable,
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
) -> tuple[list[torch.Tensor] | None, np.ndarray | None, list | None]:
    """PySlowFast's ``decode``: frames, places and time-difference marks of the clips; three times None on failure.

    Args:
        container: from :func:`open_video`; closed afterwards.
        sampling_rate, num_frames: of each clip, all alike.
        clip_idx: -1 draws; else which of ``num_clips_uniform`` clips.
        use_offset: place clips from the first to the last frame, as DATA.USE_OFFSET_SAMPLING says.
        min_delta, max_delta: of the gaps between drawn clips, frames.
        temporally_rnd_clips: put several clips out in random order; else in that of time.
        time_diff_prob, gaussian_prob: probabilities of PySlowFast's changes to raw frames.
        video_meta, backend, max_spatial_scale: not used.

    Returns:
        A list over the clips of uint8 [T,H,W,3] (float32 where raw frames are changed); float64 [n_clips, 3] of first
        frame, last frame and gap to the clip before in time; for each clip whether it was turned into differences.
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
    """Where PySlowFast puts clip ``clip`` of ``clips``, whose first frames reach from 0 to ``last``."""
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
) -> tuple[list[torch.Tensor], list]:
    """The clips, and for each whether it was turned into differences."""
    last = video.num_frames - 1
    wanted = [np.clip(np.linspace(start, end, frames).astype(np.int64), 0, last) for start, end, _ in places]
    if time_diff_prob <= 0 and gaussian_prob <= 0:
        found = video.frames(np.concatenate(wanted))
        return list(torch.from_numpy(found).split(frames)), [None] * len(wanted)
    clips, marks = [], []
    for indices in wanted:
        # Differences are those of neighbouring frames, so all of them are read.
        span = np.arange(indices[0], indices[-1] + 1)
        raw, mark = transform.augment_raw_frames(torch.from_numpy(video.frames(span)), time_diff_prob, gaussian_prob)
        clips.append(raw[torch.from_numpy(indices - indices[0])])
        marks.append(mark)
    return clips, marks
