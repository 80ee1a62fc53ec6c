"""What a video file says of itself, read without decoding it: its length, its rate, and whether it is HDR."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rhovideo.data.video.picture.tone_mapping import TRANSFERS
from rhovideo.data.video.stream.containers import READ_ERRORS, VideoReadError, main_stream, open_container

_MICROSECONDS = 1e6


@dataclass(frozen=True)
class Footage:
    """The description of a video file.

    Attributes:
        seconds: its duration; 0 if the file does not say.
        fps: frames per second, on average; 0 if the file does not say.
        hdr: "PQ" or "HLG"; empty for SDR.
    """

    seconds: float
    fps: float
    hdr: str


def describe(path: str | os.PathLike[str]) -> Footage | None:
    """Read the description of a video file.

    Args:
        path: of the file.

    Returns:
        The description; None if the file cannot be read as a video.
    """
    path = os.fspath(path)
    try:
        with open_container(path) as container:
            stream = main_stream(container, path)
            seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
            seconds = seconds or (container.duration or 0) / _MICROSECONDS
            rate = stream.average_rate or stream.guessed_rate
            return Footage(seconds, float(rate or 0), TRANSFERS.get(stream.codec_context.color_trc, ""))
    except (VideoReadError, *READ_ERRORS):
        return None
