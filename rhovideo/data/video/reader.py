"""Exact frames of a video by index, in one ordered pass over the file, through PyAV.

The packets of the stream are read first, without decoding: their times number the pictures in the order in which they
are shown, so the wanted ones are chosen before anything is decoded. The decoder is fed what these need, less the
pictures that are neither wanted nor referred to, and only the wanted ones are turned into RGB. Where a container holds
no usable times (raw streams, AVI with reordered H.264), the stream is decoded once to count its pictures. Indices and
pixels are those of a plain decode of the whole file; but where a file is damaged and decodes all the same, what the
decoder makes up for the damaged pictures depends on what it decoded before, and may be something else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice, pairwise
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from rhovideo.data.video.bitstreams import is_referenced
from rhovideo.data.video.containers import VideoReadError, begins_like_mp4, main_stream, may_be_trusted, open_container
from rhovideo.data.video.frame import Picture, RgbPicture
from rhovideo.data.video.orientation import Orientation
from rhovideo.data.video.packets import H264_REORDERING, build_table, choose_packets, read_packets
from rhovideo.data.video.timeline import even_timeline

# Packets of larger streams are not kept in memory but read a second time.
KEPT_PACKETS_BYTES = 64 * 2**20
# Containers without times of pictures: the demuxer makes them up, wrongly where pictures are reordered. (For MPEG-4 it
# knows the types of the pictures and makes them up rightly.)
UNTIMED_FORMATS = frozenset({"avi"})
# What is done with each picture and its places.
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
        num_frames: places of the timeline, from 1 on. At a constant rate, index i is the i-th frame shown.
        fps: places a second. At a variable rate the timeline is even, of the same duration, and an index gives the
            frame on show at its time.
        defect: what is wrong with the file although frames can be read, e.g. that it is cut off; "" if nothing is.

    Raises:
        VideoReadError: if there is no such file, it is no video, or none of its frames can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str], *, num_threads: int = 1) -> None:
        """Open a file and read its list of packets.

        Args:
            path: the file. Its container is recognised by its content.
            num_threads: threads that decode; 1 is best where many processes decode at once.
        """
        self.path = os.fspath(path)
        self._num_threads = num_threads
        self._container: av.container.InputContainer | None = None
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()
        try:
            self._open()
        except READ_ERRORS as error:
            self.close()
            raise VideoReadError(self.path, f"can't be read as a video: {_reason(error)}") from error
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
        """Close the file. Frames can't be read any more."""
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
            indices: places of the timeline, 0 to ``num_frames - 1``, in any order, repeated at will.

        Returns:
            uint8 [len(indices), height, width, 3] RGB, upright as the file's rotation says.

        Raises:
            IndexError: if an index lies outside of the video.
            VideoReadError: if a frame can't be decoded.
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
        """Hand out the pictures at these indices as they come out of the decoder, before they are RGB.

        Args:
            indices: as of :meth:`frames`.
            take: called once for each different picture with it and with its places in ``indices``. Where something is
                wrong with the file it may be called again for the same places; what it is given last counts. What it
                raises is raised here as it is.

        Raises:
            IndexError, VideoReadError: as of :meth:`frames`.
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
            raise VideoReadError(self.path, f"frames can't be decoded: {_reason(error)}") from error
        except _TakerError as error:
            mistake = error.mistake
        raise mistake

    # -- opening ------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._trusted = begins_like_mp4(self.path)
        # What the container says about key frames is believed where the first packet bears it out.
        if not (self._read_stream() and (not self._trusted or self._table.restart[:1].any())):
            self._container.close()
            self._trusted = False
            self._read_stream()
        self._lay_timeline()

    def _read_stream(self) -> bool:
        """Open the file and list its packets; False if that can't be done without FFmpeg's parsers."""
        self._container = open_container(self.path, self._trusted)
        self._stream = main_stream(self._container, self.path)
        context = self._stream.codec_context
        self._codec, self._extradata = context.codec.canonical_name, context.extradata or b""
        if self._trusted and not may_be_trusted(self._container, self._codec):
            return False
        context.thread_count = self._num_threads
        context.thread_type = "NONE" if self._num_threads == 1 else "AUTO"
        # Of a trusted stream no picture was seen yet; but these have one header, and so one size.
        known = not self._trusted and context.width and context.height
        self._stated_size = (context.width, context.height) if known else None
        reliable = not (
            self._container.format.name in UNTIMED_FORMATS and context.has_b_frames and self._codec != "mpeg4"
        )
        packets, defect = read_packets(self._container, self._stream)
        self._table = build_table(packets, self._codec, self._extradata, reliable, defect)
        if self._codec == "h264" and self._table.timed:
            # Its header need not say it, and a picture that comes later than the decoder expects is not shown.
            context.reorder_depth = max(context.reorder_depth, min(self._table.reordering(), H264_REORDERING))
        # Larger streams are read again for each call, from the file.
        self._kept = packets if sum([packet.size for packet in packets]) <= KEPT_PACKETS_BYTES else None
        return True

    def _lay_timeline(self) -> None:
        """Set what an index means: its picture's time or, without times, its place in the order of showing."""
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
                self.path, f"holds no frame that can be decoded{': ' if self.defect else ''}{self.defect}"
            )
        if times is None:
            picture, self.fps = np.arange(len(labels)), float(next((rate for rate in rates if rate), 1.0))
        else:
            picture, self.fps = even_timeline(times, table.last_duration, stream.time_base, rates)
        self._picture = labels[picture]
        self.num_frames = len(self._picture)

    # -- decoding -----------------------------------------------------------------------------------------------

    def _hand_out(self, indices: np.ndarray, take: Taker) -> None:
        """Decode, and try again with what has been learned where a picture stays away."""
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
                raise VideoReadError(self.path, f"frame {index} of {self.num_frames} can't be decoded")

    def _guarded(self, take: Taker) -> Taker:
        """``take``, whose mistakes are not mistaken for the file's; those of a conversion to RGB are the file's."""
        shapes = set()

        def guarded(picture: Picture | RgbPicture, places: list[int]) -> None:
            shapes.add((picture.height, picture.width))
            if len(shapes) > 1:
                raise VideoReadError(self.path, f"its pictures change their shape: {sorted(shapes)}")
            try:
                take(picture, places)
            except av.FFmpegError:
                raise
            except READ_ERRORS as error:
                raise _TakerError(error) from error

        return guarded

    def _attempt(self, indices: np.ndarray, take: Taker) -> set[int]:
        """Hand out what comes out of the decoder; the labels of what does not."""
        places: dict[int, list[int]] = {}
        for place, label in enumerate(self._picture[indices].tolist()):
            places.setdefault(label, []).append(place)
        with contextlib.suppress(_DisorderedTimesError, *READ_ERRORS):
            missing = self._pass(places, take, sparing=True)
            if not missing:
                return missing
        # Something is wrong with the file or rare about it, and only a decode of all pictures is sure to show what.
        return self._pass(places, take, sparing=False)

    def _pass(self, places: dict[int, list[int]], take: Taker, sparing: bool) -> set[int]:
        missing, timed = set(places), self._table.timed
        pictures = self._pictures_by_time(set(places), sparing) if timed else enumerate(self._all_pictures([]))
        for label, frame in pictures:
            if label in places:
                turned = self._orientation.is_turned(frame)
                take(Picture(frame, self._stated_size, self._reformatter, turned), places[label])
                missing.discard(label)
            if not timed and not missing:
                break
        return missing

    def _pictures_by_time(self, labels: set[int], sparing: bool = False) -> Iterator[tuple[int | None, av.VideoFrame]]:
        """Decode the stretches of packets that these times need; yield all that comes out, with its time.

        ``sparing`` leaves out the pictures that are neither among these nor referred to.
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

    def _is_referenced(self, packet: av.Packet) -> bool:
        return is_referenced(memoryview(packet), self._extradata, self._codec)

    def _all_pictures(self, problems: list[str]) -> Iterator[av.VideoFrame]:
        """All that a decode from the start shows, up to the first packet that can't be decoded, which is noted."""
        context, shown = self._stream.codec_context, 0
        try:
            for packets in self._stretches([(0, len(self._table))]):
                for position, packet in enumerate(packets):
                    try:
                        frames = context.decode(packet)
                    except READ_ERRORS as error:
                        # A stream cut out of another one may begin with what can't be decoded.
                        if shown:
                            problems.append(
                                f"packet {position} of {len(self._table)} can't be decoded: {_reason(error)}"
                            )
                            break
                        continue
                    shown += len(frames)
                    yield from frames
            yield from context.decode(None)
        except av.FFmpegError as error:
            problems.append(f"the last frames can't be decoded: {_reason(error)}")
        finally:
            context.flush_buffers()

    def _stretches(self, ranges: Sequence[tuple[int, int]]) -> Iterator[Iterator[av.Packet]]:
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

    # -- what only decoding tells -------------------------------------------------------------------------------

    @cached_property
    def _shape(self) -> tuple[int, int]:
        return self.frames([0]).shape[1:3]

    def _count_pictures(self) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Decode everything: a label for each picture (its place), the times if they ascend, and what stopped it."""
        problems: list[str] = []
        times = [frame.pts for frame in self._all_pictures(problems)]
        ascending = None not in times and all(a < b for a, b in pairwise(times))
        return np.arange(len(times)), np.array(times, dtype=np.int64) if ascending else None, "".join(problems)

    def _distrust_times(self) -> None:
        """Number the pictures as the decoder shows them: the container's times contradict its order."""
        self._table = replace(self._table, timed=False)
        labels, _, problem = self._count_pictures()
        if not len(labels):
            raise VideoReadError(self.path, f"no frame can be decoded ({problem})")
        self.defect = self.defect or problem or "its times contradict the order in which its frames are shown"
        self._picture = labels[np.minimum(np.arange(self.num_frames), len(labels) - 1)]

    def _hold_pictures(self) -> None:
        """Where a packet shows no picture of its own, as some do by design, let the one before stay on show."""
        if not self._table.timed:
            return
        shown = {pts for pts, _ in self._pictures_by_time(set(self._table.pts[self._table.shown].tolist()))}
        times = np.array(sorted(shown & set(self._picture.tolist())), dtype=np.int64)
        if len(times):
            self._picture = times[np.maximum(np.searchsorted(times, self._picture, side="right") - 1, 0)]


class _DisorderedTimesError(Exception):
    """The decoder shows pictures in another order than that of their times."""


class _TakerError(Exception):
    """What the caller's own function raised, on its way past all that deals with damaged files."""

    def __init__(self, mistake: Exception) -> None:
        super().__init__(mistake)
        self.mistake = mistake


def _later(latest: int | None, frame: av.VideoFrame) -> int | None:
    """The time of this frame, which must be later than that of the one before."""
    if latest is not None and frame.pts is not None and frame.pts <= latest:
        raise _DisorderedTimesError
    return latest if frame.pts is None else frame.pts


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
