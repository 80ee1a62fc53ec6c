"""Clips that play: animated pictures as bytes (GIF, WebP), and films (MP4)."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

_GAP = 4
_PAPER = 255
# Browsers slow an animation down whose pictures are shown for less.
_SHORTEST_MS = 20
# A film does not begin anew by itself, so its clips are played again until it is so long.
_FILM_SECONDS = 6.0


def side_by_side(clips: np.ndarray, *, max_side: int = 0) -> np.ndarray:
    """Put the views of a video next to each other.

    Args:
        clips: uint8 [V,T,S,S,3].
        max_side: make larger views smaller, pixels; 0: keep their size.

    Returns:
        uint8 [T,S,V*S + gaps,3].
    """
    _check(clips)
    if max_side and clips.shape[2] > max_side:
        import cv2

        side = (max_side, max_side)
        clips = np.stack([[cv2.resize(frame, side, interpolation=cv2.INTER_AREA) for frame in view] for view in clips])
    gap = np.full((*clips.shape[1:3], _GAP, 3), _PAPER, np.uint8)
    parts = [part for view in clips for part in (gap, view)][1:]
    return np.concatenate(parts, axis=2)


def animation(frames: np.ndarray, rate: float, kind: Literal["webp", "gif"] = "webp") -> bytes:
    """Encode frames as an animated picture that begins anew for ever.

    Args:
        frames: uint8 [T,H,W,3], RGB, such as :func:`side_by_side` gives.
        rate: frames per second.
        kind: "webp", which a page shows and which is smaller, or "gif", which everything shows.

    Returns:
        The file's bytes.
    """
    # fvcore and torchvision, which we require, require it.
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    duration = max(round(1000 / rate), _SHORTEST_MS)
    file = io.BytesIO()
    options: dict[str, object] = {"quality": 75, "method": 2} if kind == "webp" else {"disposal": 1}
    pictures[0].save(
        file, kind.upper(), save_all=True, append_images=pictures[1:], duration=duration, loop=0, **options
    )
    return file.getvalue()


def animated_clips(
    clips: np.ndarray, rate: float, kind: Literal["webp", "gif"] = "webp", *, max_side: int = 0
) -> bytes:
    """Encode the views of a video, side by side, as an animated picture.

    Args:
        clips: uint8 [V,T,S,S,3], RGB.
        rate: frames per second, such as :attr:`rhovideo.data.loading.shown_clips.ShownVideo.rate`.
        kind: "webp" or "gif".
        max_side: make larger views smaller, pixels; 0: keep their size.

    Returns:
        The file's bytes.
    """
    return animation(side_by_side(clips, max_side=max_side), rate, kind)


def write_film(path: str | Path, frames: np.ndarray, rate: float) -> None:
    """Write frames as an MP4 that players and browsers show; short ones play several times.

    Args:
        path: of the file; its folder is made.
        frames: uint8 [T,H,W,3], RGB.
        rate: frames per second.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # 4:2:0 has whole pairs of rows and columns.
    odd_rows, odd_columns = frames.shape[1] % 2, frames.shape[2] % 2
    frames = np.pad(frames, ((0, 0), (0, odd_rows), (0, odd_columns), (0, 0)), constant_values=_PAPER)
    times = max(round(_FILM_SECONDS * rate / len(frames)), 1)
    with av.open(str(path), "w", format="mp4") as container:
        exact = Fraction(rate).limit_denominator(1000)
        stream = container.add_stream(_encoder(), rate=exact)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for _ in range(times):
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def _encoder() -> Literal["libx264", "mpeg4"]:
    """The name of an encoder that this build of FFmpeg has: H.264, or else MPEG-4."""
    try:
        av.codec.Codec("libx264", "w")
    except ValueError:
        return "mpeg4"
    return "libx264"


def _check(clips: np.ndarray) -> None:
    if clips.dtype != np.uint8 or clips.ndim != 5 or 0 in clips.shape:
        raise ValueError(f"clips must be a non-empty uint8 array [V,T,S,S,3], and not {clips.dtype} {clips.shape}")
