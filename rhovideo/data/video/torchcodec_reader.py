"""Frames through torchcodec, where it gives the same ones (DATA.DECODING_BACKEND torchcodec).

The timeline, and so the meaning of an index, is that of :class:`rhovideo.data.video.reader.Video`; torchcodec decodes
and converts. Its frames could differ with codecs that leave the rounding to the decoder (MPEG-4 and older ones: two
versions of FFmpeg differ by 1 to 2 grey levels), with other pixel formats than 8-bit 4:2:0, interlaced or rotated
pictures, HDR that becomes SDR, times that do not number the pictures, headers that change on the way, and transport
streams. There this class decodes as its base class does. Where headers stay the same, only the first picture is
checked: in a stream that becomes interlaced later, frames differ by a few grey levels. torchcodec does not tell which
pictures its decoder flags as damaged: `rhovideo scan`, which uses PyAV, finds them.
"""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import Any

import av
import numpy as np

from rhovideo.data.video.picture.frame import RgbPicture
from rhovideo.data.video.picture.orientation import has_matrix
from rhovideo.data.video.picture.tone_mapping import is_hdr
from rhovideo.data.video.reader import Taker, Video
from rhovideo.data.video.stream.bitstreams import RESTARTABLE_CODECS
from rhovideo.data.video.stream.containers import READ_ERRORS
from rhovideo.errors import JobError

# Codecs whose pictures are specified to the last bit.
_EXACT_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "ffv1"})
# Converted in the same way by both: one path of FFmpeg's scaler, on whole pairs of rows and columns.
_SAME_IN_RGB = frozenset({"yuv420p", "yuvj420p"})
# Formats without an index: a seek may land behind the key frame, and pictures that need it are shown damaged.
_SOUGHT_ROUGHLY = frozenset({"mpegts", "mpeg"})

NO_TORCHCODEC_REMEDY = (
    "pyav, or install torchcodec (`pip install torchcodec`) and FFmpeg's shared libraries (`apt-get install ffmpeg`)"
)


def why_no_torchcodec() -> str:
    """The reason why torchcodec cannot be used here; empty where it can."""
    try:
        import torchcodec
        from torchcodec.decoders import VideoDecoder  # type: ignore[attr-defined]  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        return next(iter(str(error).strip().splitlines()), type(error).__name__)
    # Newer ones are imported without FFmpeg too, and raise at the first video.
    return "it finds no FFmpeg" if getattr(torchcodec, "ffmpeg_major_version", 0) is None else ""


def require_torchcodec() -> None:
    """Check that torchcodec is installed and finds FFmpeg.

    Raises:
        JobError: it cannot be used; the message says what is missing.
    """
    if reason := why_no_torchcodec():
        wrong = (
            f"DATA.DECODING_BACKEND is torchcodec, which cannot be used here ({reason}): write {NO_TORCHCODEC_REMEDY}"
        )
        raise JobError(wrong, keys=("DATA.DECODING_BACKEND",))


def open_video(path: str | os.PathLike[str], backend: str = "pyav") -> Video:
    """Open a video file for reading frames.

    Args:
        path: the file.
        backend: the decoder, "pyav" or "torchcodec" (DATA.DECODING_BACKEND).

    Returns:
        The open video.

    Raises:
        VideoReadError: it cannot be read.
    """
    return TorchcodecVideo(path) if backend == "torchcodec" else Video(path)


class TorchcodecVideo(Video):
    """A :class:`Video` whose frames torchcodec decodes; arguments and frames are the same."""

    def close(self) -> None:
        """Close the file, after which no more frames can be read."""
        # torchcodec's decoder keeps the file open.
        self.__dict__.pop("_decoder", None)
        super().close()

    def _attempt(self, indices: np.ndarray, take: Taker) -> set[int]:
        labels, which = np.unique(self._picture[indices], return_inverse=True)
        images = None
        # The base class deals with files that torchcodec cannot read.
        with contextlib.suppress(RuntimeError, *READ_ERRORS):
            if len(labels) and self._shape_if_alike:
                images = self._torchcodec_images(labels)
        if images is None:
            return super()._attempt(indices, take)
        for row, image in enumerate(images):
            take(RgbPicture(image), np.flatnonzero(which == row).tolist())
        return set()

    def _torchcodec_images(self, labels: np.ndarray) -> np.ndarray | None:
        """uint8 [len(labels),H,W,3]; None if torchcodec has other pictures at these times."""
        times = np.sort(self._stream.table.pts[self._stream.table.shown])
        decoder, shape = self._decoder, self._shape_if_alike
        if len(decoder) != len(times) or shape is None:
            return None
        batch = decoder.get_frames_at(np.searchsorted(times, labels).tolist())
        unit = float(self._stream.time_base)
        seconds = (labels * unit).astype(np.float64)
        same_times = np.abs(batch.pts_seconds.numpy() - seconds).max() <= unit / 2
        if not same_times or tuple(batch.data.shape[1:]) != (*shape, 3):
            return None
        images: np.ndarray = batch.data.numpy()
        return images

    @cached_property
    def _decoder(self) -> Any:
        from torchcodec.decoders import VideoDecoder  # type: ignore[attr-defined]

        return VideoDecoder(
            self.path,
            stream_index=self._stream.index,
            dimension_order="NHWC",
            num_ffmpeg_threads=self._num_threads,
        )

    @cached_property
    def _shape_if_alike(self) -> tuple[int, int] | None:
        """Height and width of the pictures if torchcodec gives the same ones; None if it might not."""
        if not self._stream.table.timed or self._stream.format in _SOUGHT_ROUGHLY:
            return None
        if self._stream.codec not in _EXACT_CODECS:
            return None
        # With new headers on the way, later pictures may be interlaced.
        if self._stream.codec in RESTARTABLE_CODECS and not self._stream.table.restart[0]:
            return None
        first = int(self._stream.table.pts[self._stream.table.shown].min())
        with contextlib.closing(self._stream.pictures_by_time({first})) as frames:
            _, frame = next(frames, (None, None))
            if frame is None or not _is_converted_alike(frame):
                return None
            # torchcodec has no tone mapping.
            if self.tone_map and is_hdr(frame.color_trc):
                return None
            if self._stream.stated_size not in (None, (frame.width, frame.height)):
                return None
            return frame.height, frame.width


def _is_converted_alike(frame: av.VideoFrame) -> bool:
    """True if torchcodec and PyAV convert this frame to the same RGB.

    The two fields of an interlaced frame have separate rows of colour, which only torchcodec's conversion respects.
    """
    return (
        frame.format.name in _SAME_IN_RGB
        and frame.width % 2 == frame.height % 2 == 0
        and not frame.interlaced_frame
        and not has_matrix(frame)
    )
