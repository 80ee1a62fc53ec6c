"""Small real video files for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def picture_frames(num_frames: int, size: tuple[int, int] = (64, 48), seed: int = 0) -> np.ndarray:
    """Frames uint8 [num_frames,H,W,3] of ``size`` (width, height): a bright square over a background of its own.

    The background's colour follows from ``seed`` and its brightness from the frame's number, so that a test can
    tell videos and frames apart.
    """
    width, height = size
    colour = np.random.default_rng(seed).integers(30, 160, 3)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for time in range(num_frames):
        frames[time] = colour + 3 * (time % 16)
        left = 2 * time % max(width - 8, 1)
        frames[time, height // 3 : height // 3 + 8, left : left + 8] = 240
    return frames


def write_video(
    path: str | Path,
    frames: np.ndarray | None = None,
    *,
    num_frames: int = 24,
    size: tuple[int, int] = (64, 48),
    fps: int | Fraction = 30,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    seed: int = 0,
    times_ms: Sequence[int] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
) -> Path:
    """Write a video file; the container follows from the ending of ``path``.

    Args:
        frames: uint8 [N,H,W,3], RGB; None: :func:`picture_frames` of ``num_frames``, ``size`` and ``seed``.
        fps: frames a second.
        codec, pix_fmt, options: for the encoder.
        container_options: for the writer of the file, e.g. ``{"movflags": "+faststart"}``.
        times_ms: when each frame is shown; None: every 1 / ``fps`` seconds.
        rotation, mirrored: how a player is to turn the frames, in degrees.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if frames is None:
        frames = picture_frames(num_frames, size, seed)
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=fps, options=dict(options or {}))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.thread_count = 1
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times_ms is not None:
                frame.time_base, frame.pts = Fraction(1, 1000), times_ms[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_broken_video(path: str | Path) -> Path:
    """A file that ends like a video and is none."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no video\n" * 20)
    return path
