"""Opening a video file: nothing but a regular file, its main video stream, and no more work than its frames need."""

from __future__ import annotations

import os
import stat
from typing import Any

import av
from av.stream import Discard, Disposition

# Demuxers that render text or open other files, which no video file should make us do.
REFUSED_FORMATS = frozenset({"tty", "concat", "hls", "dash", "sdp", "image2"})
# The type of the box that MP4 and its kin begin with.
_FIRST_BOX = b"ftyp"
# Without parsers, which look into each packet for its time, its type and where it ends; without a decoder (none is on
# the list), which would see on opening what the pictures are like; and with the fewest bytes that may be read for that.
_TRUSTING = {"fflags": "+noparse+nofillin", "codec_whitelist": "none", "probesize": "32"}
# Titles that are no UTF-8 must not keep a video from being read. PyAV 19 has no such argument.
_ANY_METADATA: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}


class VideoReadError(RuntimeError):
    """A video that can't be read. The message names the file and what is wrong with it.

    Attributes:
        path: the file.
        reason: what is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def open_container(path: str, trusting: bool = False) -> av.container.InputContainer:
    """Open a regular file, and nothing but this file: no device or pipe that could block, no playlist, no network.

    Args:
        path: the file.
        trusting: take the container's word for what it says of its streams and packets, see :func:`may_be_trusted`.

    Raises:
        VideoReadError: it is no regular file, empty, or of a format that is refused.
        av.FFmpegError, OSError: it can't be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise VideoReadError(path, "is not a regular file" if not os.path.isdir(path) else "is a folder, not a video")
    if os.path.getsize(path) == 0:
        raise VideoReadError(path, "is empty")
    options = {"protocol_whitelist": "file", **(_TRUSTING if trusting else {})}
    container = av.open(f"file:{path}", options=options, **_ANY_METADATA)
    if REFUSED_FORMATS.intersection(container.format.name.split(",")):
        container.close()
        raise VideoReadError(path, f"is no video file but is recognised as {container.format.name}")
    return container


def main_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    """The main video stream, not a cover picture; the other streams are not read.

    Raises:
        VideoReadError: there is none, or FFmpeg has no decoder for it.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoReadError(path, "has no video stream")
    best = container.streams.best("video")
    chosen = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    if chosen.codec_context is None:
        raise VideoReadError(path, "is coded in a way that this FFmpeg has no decoder for")
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    return chosen


def begins_like_mp4(path: str) -> bool:
    """Whether this is a regular file whose first bytes are those of MP4."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        return file.read(8)[4:] == _FIRST_BOX


def may_be_trusted(container: av.container.InputContainer, codec: str) -> bool:
    """Whether MP4 says all of its main video stream that reading frames takes, as it does of H.264's and HEVC's.

    Not what its pictures are like, which the decoder learns from the first packet. And which packets are key frames is
    the container's word alone: a file is read again, with all that FFmpeg finds out, unless its first packet is seen to
    be one. Which of several streams is the main one, FFmpeg tells by what it sees of them.
    """
    return codec in ("h264", "hevc") and len(container.streams.video) == 1
