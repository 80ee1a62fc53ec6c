"""Exact frames of a video by index, read with PyAV in one ordered pass over the file.

First all packets of the stream are read, without decoding. Their times number the pictures in the order in which they
are shown, so the packets to decode are known before decoding starts. Pictures that are neither wanted nor needed by
others are skipped, and only the wanted ones are turned into RGB. Where a container holds no usable times (raw streams,
AVI with reordered H.264), the stream is decoded once to count its pictures.

Indices and pixels are those of a plain decode of the whole file. A decoder fills damaged parts of a picture from those
before it, and only flags them. Such a picture, and those that may need it, are errors here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.picture.orientation import Orientation
from rhovideo.data.video.stream.containers import READ_ERRORS, VideoReadError, reason_of
from rhovideo.data.video.stream.decoding import DamagedPictureError, DisorderedTimesError, StreamDecoder
from rhovideo.data.video.stream.timeline import even_timeline

# A function that is called with each picture and its places.
Taker = Callable[[Picture | RgbPicture, list[int]], None]

__all__ = ["Taker", "Video", "VideoReadError"]


class Video:
    """One video file, open for reading frames.

    Example::

        with Video("archery.mp4") as video:
            clip = video.frames([0, 8, 16, 24])  # uint8 [4, H, W, 3]

    Attributes:
        path: the file.
        num_frames: places of the timeline, at least 1. At a constant rate, index i is the i-th frame.
        fps: places per second. At a variable rate the timeline is even and of the same duration, and an index gives
            the frame that is visible at its time.
        tone_map: turn HDR pictures (PQ, HLG) into SDR ones; SDR pictures are the same with True and False.
        defect: what is wrong with the file although frames can be read, e.g. that it is cut off; "" if nothing is.
        note: what is unusual about the file and costs no frame, as far as it is known by now; "" if nothing is.

    Raises:
        VideoReadError: there is no such file, or it is not a video, or none of its frames can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str], *, num_threads: int = 1, tone_map: bool = True) -> None:
        """Open a file and read its list of packets.

        Args:
            path: the file. Its format is recognised by its content, not by its name.
            num_threads: threads that decode; 1 is best where many processes decode at once.
            tone_map: see the attributes (DATA.TONE_MAP).
        """
        self.path = os.fspath(path)
        self.tone_map = tone_map
        self._num_threads = num_threads
        self._stream = StreamDecoder(self.path, num_threads)
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()
        self._handed_out: set[int] = set()
        self.note = ""
        try:
            self._stream.open()
            self._lay_timeline()
        except READ_ERRORS as error:
            self.close()
            raise VideoReadError(self.path, f"cannot be read as a video: {reason_of(error)}") from error
        except VideoReadError:
            self.close()
            raise

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, after which no more frames can be read."""
        self._stream.close()

    @property
    def height(self) -> int:
        """Rows of a frame, after rotation."""
        return self._shape[0]

    @property
    def width(self) -> int:
        """Columns of a frame, after rotation."""
        return self._shape[1]

    def frames(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Decode the frames at these indices.

        Args:
            indices: places of the timeline, 0 to ``num_frames - 1``, in any order; repeats are allowed.

        Returns:
            uint8 [len(indices), height, width, 3] RGB, turned upright by the file's rotation.

        Raises:
            IndexError: an index lies outside of the video.
            VideoReadError: a frame cannot be decoded.
        """
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if self._stream.is_open and not indices.size:
            return np.empty((0, *self._shape, 3), dtype=np.uint8)
        found: list[np.ndarray] = []

        def take(picture: Picture | RgbPicture, places: list[int]) -> None:
            if not found:
                found.append(np.empty((len(indices), picture.height, picture.width, 3), dtype=np.uint8))
            for place in places:
                found[0][place] = picture.rgb()

        self.each(indices, take)
        return found[0]

    def each(self, indices: Sequence[int] | np.ndarray, take: Taker) -> None:
        """Hand out the pictures at these indices one by one, before they are turned into RGB.

        Args:
            indices: as for :meth:`frames`.
            take: called once for each different picture, with the picture and its places in ``indices``. With a damaged
                file it may be called again for the same places; then use the last picture. Its exceptions are raised
                unchanged.

        Raises:
            IndexError: an index lies outside of the video.
            VideoReadError: a frame cannot be decoded.
        """
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if not self._stream.is_open:
            raise ValueError(f"{self.path}: the video is closed")
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_frames):
            raise IndexError(f"{self.path}: frames {indices.min()} to {indices.max()} of {self.num_frames}")
        try:
            self._hand_out(indices, self._guarded(take))
            self._handed_out.update(indices.tolist())
            return
        except READ_ERRORS as error:
            raise VideoReadError(self.path, f"frames cannot be decoded: {reason_of(error)}") from error
        except DamagedPictureError as error:
            raise VideoReadError(self.path, str(error)) from error
        except _TakerError as error:
            mistake = error.mistake
        raise mistake

    # -- opening ------------------------------------------------------------------------------------------------

    def _lay_timeline(self) -> None:
        """Assign a picture to each index: its time or, without times, its place in the order of showing."""
        table = self._stream.table
        self.defect = table.defect
        rates = self._stream.rates
        if table.timed:
            labels = times = table.pts[table.shown_in_order()]
        else:
            counted = self._stream.count_pictures()
            labels, times = counted.labels, counted.ascending_times()
            self.defect = self.defect or counted.problem
            average, guessed, base = rates
            rates = (guessed, average, base)
        if not len(labels):
            raise VideoReadError(
                self.path, f"has no frame that can be decoded{': ' if self.defect else ''}{self.defect}"
            )
        if times is None:
            picture, self.fps = np.arange(len(labels)), float(next((rate for rate in rates if rate), 1.0))
        else:
            picture, self.fps = even_timeline(times, table.last_duration, self._stream.time_base, rates)
        self._picture = labels[picture]
        self.num_frames = len(self._picture)

    # -- decoding -----------------------------------------------------------------------------------------------

    def _hand_out(self, indices: np.ndarray, take: Taker) -> None:
        """Decode, and try again with other assumptions where a picture is missing."""
        try:
            missing = self._attempt(indices, take)
            if missing:
                self._hold_pictures()
                missing = self._attempt(indices, take)
        except DisorderedTimesError:
            self._distrust_times()
            missing = self._attempt(indices, take)
        for index in indices.tolist():
            if int(self._picture[index]) in missing:
                raise VideoReadError(self.path, f"frame {index} of {self.num_frames} cannot be decoded")

    def _guarded(self, take: Taker) -> Taker:
        """``take``, whose exceptions are kept apart from errors of the file, such as a failed conversion to RGB."""
        shapes: set[tuple[int, int]] = set()

        def guarded(picture: Picture | RgbPicture, places: list[int]) -> None:
            shapes.add((picture.height, picture.width))
            if len(shapes) > 1:
                raise VideoReadError(self.path, f"its pictures have different shapes: {sorted(shapes)}")
            try:
                take(picture, places)
            except av.FFmpegError:
                raise
            except READ_ERRORS as error:
                raise _TakerError(error) from error

        return guarded

    def _attempt(self, indices: np.ndarray, take: Taker) -> set[int]:
        """Hand out the pictures; the labels of those that the decoder did not show."""
        places: dict[int, list[int]] = {}
        for place, label in enumerate(self._picture[indices].tolist()):
            places.setdefault(label, []).append(place)
        with contextlib.suppress(DisorderedTimesError, DamagedPictureError, *READ_ERRORS):
            missing = self._pass(places, take, sparing=True)
            if not missing:
                return missing
        # The file is damaged or unusual: only a decode of all pictures is sure to be right.
        return self._pass(places, take, sparing=False)

    def _pass(self, places: dict[int, list[int]], take: Taker, sparing: bool) -> set[int]:
        stream, missing = self._stream, set(places)
        timed = stream.table.timed
        pictures: Iterator[tuple[int | None, av.VideoFrame]]
        pictures = stream.pictures_by_time(set(places), sparing) if timed else stream.pictures_by_place()
        for label, frame in pictures:
            if label is not None and label in places:
                turned = self._orientation.is_turned(frame)
                take(Picture(frame, self._stream.stated_size, self._reformatter, turned, self.tone_map), places[label])
                missing.discard(label)
            if not timed and not missing:
                break
        return missing

    # -- facts that need decoding -------------------------------------------------------------------------------

    @cached_property
    def _shape(self) -> tuple[int, int]:
        return self.frames([0]).shape[1:3]

    def _distrust_times(self) -> None:
        """Number the pictures as the decoder shows them, since the container's times contradict this order.

        Raises:
            VideoReadError: it does not show all, or a frame that was handed out before would become another one.
        """
        contradiction = "its times contradict the order in which its frames are shown"
        counted = self._stream.count_pictures()
        if counted.problem or not counted.times:
            raise VideoReadError(self.path, f"{contradiction}, and {counted.problem or 'no frame can be decoded'}")
        places = np.minimum(np.arange(self.num_frames), len(counted.times) - 1)
        if any(counted.times[places[index]] != self._picture[index] for index in self._handed_out):
            raise VideoReadError(self.path, f"{contradiction}, which was found after other frames were read")
        self._stream.distrust_times()
        self.note = self.note or contradiction
        self._picture = places

    def _hold_pictures(self) -> None:
        """Repeat the picture before where a packet shows none, which some packets do by design."""
        if not self._stream.table.timed:
            return
        all_times = set(self._stream.table.pts[self._stream.table.shown].tolist())
        shown = {pts for pts, _ in self._stream.pictures_by_time(all_times) if pts is not None}
        times = np.array(sorted(shown & set(self._picture.tolist())), dtype=np.int64)
        if len(times):
            self._picture = times[np.maximum(np.searchsorted(times, self._picture, side="right") - 1, 0)]


class _TakerError(Exception):
    """An exception of the caller's function, kept apart from errors of damaged files."""

    def __init__(self, mistake: Exception) -> None:
        super().__init__(mistake)
        self.mistake = mistake
