"""Opening a video file: regular files only, their main video stream, and no work that frames do not need."""

from __future__ import annotations

import os
import stat
from typing import Any

import av
from av.stream import Discard, Disposition

from rhovideo.data.video.picture.size_limit import MAX_PIXELS, why_too_large

# Demuxers that render text or open other files. No video file needs them.
REFUSED_FORMATS = frozenset({"tty", "concat", "hls", "dash", "sdp", "image2"})
# The type of the box that MP4 and its kin begin with.
_FIRST_BOX = b"ftyp"
# No parsers, which read the time, type and end of each packet; no decoder (the list holds no real name), which would
# decode pictures at opening; and the fewest bytes to probe. Samples then take 3 to 5 % less time (340x256, Xeon).
_TRUSTING = {"fflags": "+noparse+nofillin", "codec_whitelist": "none", "probesize": "32"}
# Of FFmpeg's decoders, which it also runs to look into a file that is opened.
DECODER_LIMITS = {"max_pixels": str(MAX_PIXELS)}
# Titles that are no UTF-8 must not keep a video from being read. PyAV 19 has no such argument.
_ANY_METADATA: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
# What PyAV raises for a file that it cannot read.
READ_ERRORS = (av.FFmpegError, OSError, ValueError, LookupError)


class VideoReadError(RuntimeError):
    """A video cannot be read. The message names the file and what is wrong with it.

    Args:
        path: the file.
        reason: what is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def reason_of(error: Exception) -> str:
    """The words of an error, without the file's name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_container(path: str, trusting: bool = False) -> av.container.InputContainer:
    """Open a regular file and no other: no device or pipe that could block, no playlist, no network.

    Args:
        path: the file.
        trusting: believe the container's description of its streams and packets, see :func:`may_be_trusted`.

    Returns:
        The open container.

    Raises:
        VideoReadError: it is not a regular file, or empty, or of a format that is refused.
        av.FFmpegError: FFmpeg cannot open it.
        OSError: the system cannot open it.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise VideoReadError(path, "is not a regular file" if not os.path.isdir(path) else "is a folder, not a video")
    if os.path.getsize(path) == 0:
        raise VideoReadError(path, "is empty")
    options = {"protocol_whitelist": "file", **DECODER_LIMITS, **(_TRUSTING if trusting else {})}
    container: av.container.InputContainer = av.open(f"file:{path}", options=options, **_ANY_METADATA)
    if REFUSED_FORMATS.intersection(container.format.name.split(",")):
        container.close()
        raise VideoReadError(path, f"is not a video file: FFmpeg recognises it as {container.format.name}")
    return container


def main_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    """Choose the main video stream, which is not a cover picture; all other streams are switched off.

    Args:
        container: an open file.
        path: of the file, for messages.

    Returns:
        The stream.

    Raises:
        VideoReadError: there is no such stream, or FFmpeg has no decoder for it, or its pictures are too large.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoReadError(path, "has no video stream")
    best = container.streams.best("video")
    chosen = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    if chosen.codec_context is None:
        raise VideoReadError(path, "has a codec that this FFmpeg cannot decode")
    size = chosen.codec_context.width, chosen.codec_context.height
    if too_large := why_too_large(*(size if all(size) else _declared_size(path, chosen.index))):
        raise VideoReadError(path, too_large)
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    return chosen


def _declared_size(path: str, index: int) -> tuple[int, int]:
    """Width and height of a stream by the container, which FFmpeg forgets if it may not decode pictures so large."""
    with open_container(path, trusting=True) as container:
        context = container.streams[index].codec_context
        return (context.width, context.height) if isinstance(context, av.VideoCodecContext) else (0, 0)


def begins_like_mp4(path: str) -> bool:
    """True if this is a regular file whose first bytes are those of MP4."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        return file.read(8)[4:] == _FIRST_BOX


def may_be_trusted(container: av.container.InputContainer, codec: str) -> bool:
    """True if an MP4 file describes its video stream well enough to read frames: one stream, of H.264 or HEVC.

    The format of the pictures is not described, but the decoder gets it from the first packet. Key frames are those
    that the container flags. So if the first packet is not a key frame by its bytes, the caller opens the file again,
    and FFmpeg analyses it. With several video streams FFmpeg has to look into them to choose the main one.

    Args:
        container: an open file.
        codec: FFmpeg's canonical name.
    """
    return codec in ("h264", "hevc") and len(container.streams.video) == 1
