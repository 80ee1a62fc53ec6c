"""Frames through torchcodec, where it is sure to give the same ones (DATA.DECODING_BACKEND torchcodec).

The timeline, and so what an index means, stays that of :class:`rhovideo.data.video.reader.Video`; torchcodec decodes
and converts. Where its frames could differ (other pixel formats than 8-bit 4:2:0, interlaced pictures or such that the
file turns, times that do not number the pictures, headers that change on the way, transport streams), this class
decodes as its base does. Where headers stay, the first picture speaks for all: pictures that are interlaced only later
on are off by a few grey levels.
"""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

import av
import numpy as np

from rhovideo.data.video.bitstreams import RESTARTABLE_CODECS
from rhovideo.data.video.frame import RgbPicture
from rhovideo.data.video.orientation import has_matrix
from rhovideo.data.video.reader import READ_ERRORS, Taker, Video
from rhovideo.errors import JobError

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

# Converted alike by both: one path of FFmpeg's scaler, on whole pairs of rows and columns.
_SAME_IN_RGB = frozenset({"yuv420p", "yuvj420p"})
# Without an index: a seek may land behind the key frame, and what depends on it is shown all the same.
_SOUGHT_ROUGHLY = frozenset({"mpegts", "mpeg"})


def require_torchcodec() -> None:
    """Raise unless torchcodec is installed and finds FFmpeg.

    Raises:
        JobError: saying what is missing.
    """
    try:
        import torchcodec
        from torchcodec.decoders import VideoDecoder  # noqa: F401

        # Newer ones are imported without FFmpeg too, and raise at the first video.
        if getattr(torchcodec, "ffmpeg_major_version", 0) is None:
            raise RuntimeError("it finds no FFmpeg")
    except (ImportError, RuntimeError, OSError) as error:
        raise JobError(
            "DATA.DECODING_BACKEND is torchcodec, which can't be used here "
            f"({str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}): "
            "`pip install torchcodec` and FFmpeg's shared libraries (`apt-get install ffmpeg`), or write pyav"
        ) from error


def open_video(path: str | os.PathLike[str], backend: str = "pyav") -> Video:
    """A video file, open for reading frames.

    Args:
        path: the file.
        backend: what decodes, "pyav" or "torchcodec" (DATA.DECODING_BACKEND).

    Raises:
        VideoReadError: it cannot be read.
    """
    return TorchcodecVideo(path) if backend == "torchcodec" else Video(path)


class TorchcodecVideo(Video):
    """A :class:`Video` whose frames torchcodec decodes; the same ones."""

    def close(self) -> None:
        """As of the base class."""
        # It keeps its file open.
        self.__dict__.pop("_decoder", None)
        super().close()

    def _attempt(self, indices: np.ndarray, take: Taker) -> set[int]:
        labels, which = np.unique(self._picture[indices], return_inverse=True)
        images = None
        # Whatever it stumbles over, the base class knows what to make of it.
        with contextlib.suppress(RuntimeError, *READ_ERRORS):
            if len(labels) and self._shape_if_alike:
                images = self._torchcodec_images(labels)
        if images is None:
            return super()._attempt(indices, take)
        for row, image in enumerate(images):
            take(RgbPicture(image), np.flatnonzero(which == row).tolist())
        return set()

    def _torchcodec_images(self, labels: np.ndarray) -> np.ndarray | None:
        """uint8 [len(labels),H,W,3], or None where these are not the pictures at those times."""
        times = np.sort(self._table.pts[self._table.shown])
        decoder = self._decoder
        if len(decoder) != len(times):
            return None
        batch = decoder.get_frames_at(np.searchsorted(times, labels).tolist())
        seconds = (labels * float(self._stream.time_base)).astype(np.float64)
        same_times = np.abs(batch.pts_seconds.numpy() - seconds).max() <= float(self._stream.time_base) / 2
        if not same_times or tuple(batch.data.shape[1:]) != (*self._shape_if_alike, 3):
            return None
        return batch.data.numpy()

    @cached_property
    def _decoder(self) -> VideoDecoder:
        from torchcodec.decoders import VideoDecoder

        return VideoDecoder(
            self.path,
            stream_index=self._stream.index,
            dimension_order="NHWC",
            num_ffmpeg_threads=self._num_threads,
        )

    @cached_property
    def _shape_if_alike(self) -> tuple[int, int] | None:
        """Height and width of the pictures if torchcodec is sure to give the same ones; None: it is not to be used."""
        if not self._table.timed or self._container.format.name in _SOUGHT_ROUGHLY:
            return None
        # New headers on the way may make pictures interlaced that were not at first.
        if self._codec in RESTARTABLE_CODECS and not self._table.restart[0]:
            return None
        first = int(self._table.pts[self._table.shown].min())
        with contextlib.closing(self._pictures_by_time({first})) as frames:
            _, frame = next(frames, (None, None))
            if frame is None or not _is_converted_alike(frame):
                return None
            if self._stated_size not in (None, (frame.width, frame.height)):
                return None
            return frame.height, frame.width


def _is_converted_alike(frame: av.VideoFrame) -> bool:
    """Whether both make the same RGB of it.

    Fields have rows of colour of their own, which torchcodec's conversion minds and PyAV's does not.
    """
    return (
        frame.format.name in _SAME_IN_RGB
        and frame.width % 2 == frame.height % 2 == 0
        and not frame.interlaced_frame
        and not has_matrix(frame)
    )
