"""The source frames of a clip from its start on, and the same as times for PyTorchVideo.

A clip of T frames, one in every tau at the target rate, spans L = max(1, round(T tau fps / target rate)) frames of the
source. Its frames are floor(linspace(start, start + L - 1, T)), limited to the video. So a video that is shorter than a
clip repeats its last frame, as in PySlowFast's ``temporal_sampling``.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from pytorchvideo.data.clip_sampling import ClipInfoList


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


def check_clip(num_frames: int, sampling_rate: float, target_fps: float) -> None:
    """Raise a ValueError where one of a clip's numbers is out of range."""
    if num_frames < 1:
        raise ValueError(f"DATA.NUM_FRAMES is {num_frames}: write 1 or more")
    if not (sampling_rate > 0 and target_fps > 0):
        raise ValueError(
            f"DATA.SAMPLING_RATE is {sampling_rate} and DATA.TARGET_FPS {target_fps}: write numbers above 0"
        )


def clip_seconds(num_frames: int, sampling_rate: float, target_fps: float) -> Fraction:
    """Seconds from a clip's first frame to the end of its last one, exactly."""
    return num_frames * Fraction(sampling_rate) / Fraction(target_fps)


def frames_of(video_duration: float | Fraction, fps: float) -> int:
    """Frames of a video of this duration, at least 1."""
    return max(1, round(float(video_duration) * fps))


def clip_times(starts: np.ndarray, length: int, fps: float) -> ClipInfoList:
    """Start and end of clips in exact seconds, marked as the video's last clips."""
    rate, count = Fraction(fps), len(starts)
    begin = [Fraction(start) / rate for start in starts.tolist()]
    end = [Fraction(start + length) / rate for start in starts.tolist()]
    return ClipInfoList(begin, end, list(range(count)), [0] * count, [True] * count)
