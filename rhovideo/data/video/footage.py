"""What a video file says of itself, read without decoding it: length, rate, size, codec, and whether it is HDR."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rhovideo.data.video.picture.tone_mapping import TRANSFERS
from rhovideo.data.video.stream.containers import READ_ERRORS, VideoReadError, main_stream, open_container, reason_of

_MICROSECONDS = 1e6


@dataclass(frozen=True)
class Footage:
    """The description of a video file.

    Attributes:
        seconds: its duration; 0 if the file does not say.
        fps: frames per second, on average; 0 if the file does not say.
        hdr: "PQ" or "HLG"; empty for SDR.
        width, height: of its pictures as they are stored, in pixels; 0 if the file does not say.
        codec: FFmpeg's name, such as "h264"; empty if it is not known.
    """

    seconds: float
    fps: float
    hdr: str
    width: int = 0
    height: int = 0
    codec: str = ""


def describe(path: str | os.PathLike[str]) -> Footage | None:
    """Read the description of a video file.

    Args:
        path: of the file.

    Returns:
        The description; None if the file cannot be read as a video.
    """
    try:
        return read_footage(path)
    except VideoReadError:
        return None


def read_footage(path: str | os.PathLike[str]) -> Footage:
    """Read the description of a video file.

    Args:
        path: of the file.

    Raises:
        VideoReadError: the file cannot be read as a video.
    """
    path = os.fspath(path)
    try:
        with open_container(path) as container:
            stream = main_stream(container, path)
            seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
            seconds = seconds or (container.duration or 0) / _MICROSECONDS
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            coded = stream.codec_context
            hdr = TRANSFERS.get(coded.color_trc, "")
            return Footage(seconds, rate, hdr, coded.width, coded.height, coded.codec.canonical_name)
    except READ_ERRORS as error:
        raise VideoReadError(path, f"cannot be read as a video: {reason_of(error)}") from error
