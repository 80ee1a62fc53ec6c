"""Exact frames of a video by index, read with PyAV in one ordered pass over the file.

First all packets of the stream are read, without decoding. Their times number the pictures in the order in which they
are shown, so the packets to decode are known before decoding starts. Pictures that are neither wanted nor needed by
others are skipped, and only the wanted ones are turned into RGB. Where a container holds no usable times (raw streams,
AVI with reordered H.264), the stream is decoded once to count its pictures.

Indices and pixels are those of a plain decode of the whole file. The exception are damaged files that can still be
decoded: the decoder fills damaged pictures from those that it decoded before, so they may differ.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import islice, pairwise
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.picture.orientation import Orientation
from rhovideo.data.video.stream.bitstreams import is_referenced
from rhovideo.data.video.stream.containers import (
    VideoReadError,
    begins_like_mp4,
    main_stream,
    may_be_trusted,
    open_container,
)
from rhovideo.data.video.stream.packets import H264_REORDERING, build_table, choose_packets, read_packets
from rhovideo.data.video.stream.timeline import even_timeline

# Packets of larger streams are not kept in memory, but read a second time.
KEPT_PACKETS_BYTES = 64 * 2**20
# Containers without times of pictures: the demuxer guesses them, wrongly where pictures are reordered. (For MPEG-4 it
# knows the types of the pictures and is right.)
UNTIMED_FORMATS = frozenset({"avi"})
# A function that is called with each picture and its places.
Taker = Callable[[Picture | RgbPicture, list[int]], None]
READ_ERRORS = (av.FFmpegError, OSError, ValueError, LookupError)

__all__ = ["READ_ERRORS", "Taker", "Video", "VideoReadError"]


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
        self._container: av.container.InputContainer | None = None
        self._kept: list[av.Packet[Any]] | None = None
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()
        try:
            self._open()
        except READ_ERRORS as error:
            self.close()
            raise VideoReadError(self.path, f"cannot be read as a video: {_reason(error)}") from error
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
        self._kept = None
        if self._container is not None:
            self._container.close()
            self._container = None

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
        if self._container is not None and not indices.size:
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
        if self._container is None:
            raise ValueError(f"{self.path}: the video is closed")
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_frames):
            raise IndexError(f"{self.path}: frames {indices.min()} to {indices.max()} of {self.num_frames}")
        try:
            self._hand_out(indices, self._guarded(take))
            return
        except READ_ERRORS as error:
            raise VideoReadError(self.path, f"frames cannot be decoded: {_reason(error)}") from error
        except _TakerError as error:
            mistake = error.mistake
        raise mistake

    # -- opening ------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._trusted = begins_like_mp4(self.path)
        # The container's key frames are believed only if the first packet really is one.
        if not (self._read_stream() and (not self._trusted or self._table.restart[:1].any())):
            self.close()
            self._trusted = False
            self._read_stream()
        self._lay_timeline()

    def _read_stream(self) -> bool:
        """Open the file and list its packets; False if that needs FFmpeg's parsers."""
        container = self._container = open_container(self.path, self._trusted)
        self._stream = main_stream(container, self.path)
        self._format, self._time_base = container.format.name, self._stream.time_base or Fraction(1)
        context = self._stream.codec_context
        self._codec, self._extradata = context.codec.canonical_name, context.extradata or b""
        if self._trusted and not may_be_trusted(container, self._codec):
            return False
        context.thread_count = self._num_threads
        context.thread_type = "NONE" if self._num_threads == 1 else "AUTO"
        # FFmpeg has not looked at the pictures of a trusted stream; but they have one header, and so one size.
        known = not self._trusted and context.width and context.height
        self._stated_size = (context.width, context.height) if known else None
        reliable = not (self._format in UNTIMED_FORMATS and context.has_b_frames and self._codec != "mpeg4")
        packets, defect = read_packets(container, self._stream)
        self._table = build_table(packets, self._codec, self._extradata, reliable, defect)
        if self._codec == "h264" and self._table.timed:
            # Headers may lack this number, and the decoder drops a picture that comes later than it expects.
            context.reorder_depth = max(context.reorder_depth, min(self._table.reordering(), H264_REORDERING))
        # Larger streams are read from the file again at each call.
        self._kept = packets if sum([packet.size for packet in packets]) <= KEPT_PACKETS_BYTES else None
        return True

    def _lay_timeline(self) -> None:
        """Assign a picture to each index: its time or, without times, its place in the order of showing."""
        table, stream = self._table, self._stream
        self.defect = table.defect
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        if table.timed:
            labels = times = table.pts[table.shown_in_order()]
        else:
            labels, times, problem = self._count_pictures()
            self.defect = self.defect or problem
            rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
        if not len(labels):
            raise VideoReadError(
                self.path, f"has no frame that can be decoded{': ' if self.defect else ''}{self.defect}"
            )
        if times is None:
            picture, self.fps = np.arange(len(labels)), float(next((rate for rate in rates if rate), 1.0))
        else:
            picture, self.fps = even_timeline(times, table.last_duration, self._time_base, rates)
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
        except _DisorderedTimesError:
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
        with contextlib.suppress(_DisorderedTimesError, *READ_ERRORS):
            missing = self._pass(places, take, sparing=True)
            if not missing:
                return missing
        # The file is damaged or unusual: only a decode of all pictures is sure to be right.
        return self._pass(places, take, sparing=False)

    def _pass(self, places: dict[int, list[int]], take: Taker, sparing: bool) -> set[int]:
        missing, timed = set(places), self._table.timed
        pictures: Iterator[tuple[int | None, av.VideoFrame]]
        pictures = self._pictures_by_time(set(places), sparing) if timed else enumerate(self._all_pictures([]))
        for label, frame in pictures:
            if label is not None and label in places:
                turned = self._orientation.is_turned(frame)
                take(Picture(frame, self._stated_size, self._reformatter, turned, self.tone_map), places[label])
                missing.discard(label)
            if not timed and not missing:
                break
        return missing

    def _pictures_by_time(
        self, labels: set[int], sparing: bool = False
    ) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
        """Decode the packets that the pictures at these times need; yield all decoded pictures with their times.

        ``sparing`` skips pictures that are neither among these nor needed by others (8 to 40 % of a sample's time).
        """
        times = np.fromiter(labels, dtype=np.int64)
        order = self._table.shown_in_order()
        positions = order[np.searchsorted(self._table.pts[order], times)]
        context, wanted = self._stream.codec_context, set(positions.tolist())
        ranges = choose_packets(self._table, wanted)
        for (first, _), packets in zip(ranges, self._stretches(ranges), strict=True):
            latest = None
            try:
                for position, packet in enumerate(packets, first):
                    if sparing and position not in wanted and not self._is_referenced(packet):
                        continue
                    for frame in context.decode(packet):
                        latest = _later(latest, frame)
                        yield frame.pts, frame
                for frame in context.decode(None):
                    latest = _later(latest, frame)
                    yield frame.pts, frame
            finally:
                context.flush_buffers()

    def _is_referenced(self, packet: av.Packet[Any]) -> bool:
        return is_referenced(memoryview(packet), self._extradata, self._codec)

    def _all_pictures(self, problems: list[str]) -> Iterator[av.VideoFrame]:
        """All pictures of a decode from the start, up to a packet that fails, which is added to ``problems``."""
        context, shown = self._stream.codec_context, 0
        try:
            for packets in self._stretches([(0, len(self._table))]):
                for position, packet in enumerate(packets):
                    try:
                        frames = context.decode(packet)
                    except READ_ERRORS as error:
                        # A stream cut out of another one may begin with packets that fail.
                        if shown:
                            problems.append(
                                f"packet {position} of {len(self._table)} cannot be decoded: {_reason(error)}"
                            )
                            break
                        continue
                    shown += len(frames)
                    yield from frames
            yield from context.decode(None)
        except av.FFmpegError as error:
            problems.append(f"the last frames cannot be decoded: {_reason(error)}")
        finally:
            context.flush_buffers()

    def _stretches(self, ranges: Sequence[tuple[int, int]]) -> Iterator[Iterator[av.Packet[Any]]]:
        """The packets of each range in decoding order, from memory or from a second reading of the file."""
        if self._kept is not None:
            for first, end in ranges:
                yield iter(self._kept[first:end])
            return
        with open_container(self.path, self._trusted) as container:
            stream = container.streams[self._stream.index]
            packets, position = (packet for packet in container.demux(stream) if packet.size > 0), 0
            for first, end in ranges:
                yield islice(packets, first - position, end - position)
                position = end

    # -- facts that need decoding -------------------------------------------------------------------------------

    @cached_property
    def _shape(self) -> tuple[int, int]:
        return self.frames([0]).shape[1:3]

    def _count_pictures(self) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Decode everything: a label for each picture (its place), the times if they ascend, and what stopped it."""
        problems: list[str] = []
        times = [frame.pts for frame in self._all_pictures(problems)]
        known = [time for time in times if time is not None]
        ascending = len(known) == len(times) and all(a < b for a, b in pairwise(known))
        return np.arange(len(times)), np.array(known, dtype=np.int64) if ascending else None, "".join(problems)

    def _distrust_times(self) -> None:
        """Number the pictures as the decoder shows them, since the container's times contradict this order."""
        self._table = replace(self._table, timed=False)
        labels, _, problem = self._count_pictures()
        if not len(labels):
            raise VideoReadError(self.path, f"no frame can be decoded ({problem})")
        self.defect = self.defect or problem or "its times contradict the order in which its frames are shown"
        self._picture = labels[np.minimum(np.arange(self.num_frames), len(labels) - 1)]

    def _hold_pictures(self) -> None:
        """Repeat the picture before where a packet shows none, which some packets do by design."""
        if not self._table.timed:
            return
        all_times = set(self._table.pts[self._table.shown].tolist())
        shown = {pts for pts, _ in self._pictures_by_time(all_times) if pts is not None}
        times = np.array(sorted(shown & set(self._picture.tolist())), dtype=np.int64)
        if len(times):
            self._picture = times[np.maximum(np.searchsorted(times, self._picture, side="right") - 1, 0)]


class _DisorderedTimesError(Exception):
    """The decoder's order of pictures is not that of their times."""


class _TakerError(Exception):
    """An exception of the caller's function, kept apart from errors of damaged files."""

    def __init__(self, mistake: Exception) -> None:
        super().__init__(mistake)
        self.mistake = mistake


def _later(latest: int | None, frame: av.VideoFrame) -> int | None:
    """The time of this frame, which must be later than that of the frame before."""
    if latest is not None and frame.pts is not None and frame.pts <= latest:
        raise _DisorderedTimesError
    return latest if frame.pts is None else frame.pts


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
