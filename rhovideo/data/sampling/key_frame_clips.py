"""The frames of a clip around a key frame."""

from __future__ import annotations

import numpy as np

# A time that is a frame's own, but for rounding, is that of the frame.
_ROUNDING = 1e-6


def frames_around(
    seconds: float, num_frames: int, rate: int, *, target_fps: float, fps: float, length: int
) -> np.ndarray:
    """The frames of a clip whose middle is a key frame, as PySlowFast takes them for AVA.

    Frame T/2 of the clip is the key frame. Frames before the first, or after the last, are repeated ones.

    Args:
        seconds: from the beginning of the video to the key frame.
        num_frames: T.
        rate: τ, steps of ``target_fps`` from a frame of the clip to the next.
        target_fps: frames per second that ``rate`` counts (DATA.TARGET_FPS).
        fps: frames per second of the video; where it is another, the frame that is visible at each time is taken.
        length: frames of the video.

    Returns:
        int64 [T], from 0 to ``length - 1``.
    """
    ticks = seconds * target_fps - num_frames * rate // 2 + rate * np.arange(num_frames)
    return np.clip(np.floor(ticks * (fps / target_fps) + _ROUNDING).astype(np.int64), 0, length - 1)
