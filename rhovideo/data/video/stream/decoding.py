"""The pictures of one video stream, decoded by the times at which they are shown, or all from the start."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, NamedTuple

import av
import numpy as np

from rhovideo.data.video.stream.bitstreams import is_referenced
from rhovideo.data.video.stream.containers import (
    DECODER_LIMITS,
    READ_ERRORS,
    begins_like_mp4,
    main_stream,
    may_be_trusted,
    open_container,
    reason_of,
)
from rhovideo.data.video.stream.packets import (
    H264_REORDERING,
    PacketTable,
    build_table,
    choose_packets,
    read_packets,
)
from rhovideo.data.video.stream.truncation import missing_end

# Packets of larger streams are not kept in memory, but read a second time.
KEPT_PACKETS_BYTES = 64 * 2**20
# Containers without times of pictures: the demuxer guesses them, wrongly where pictures are reordered. (For MPEG-4 it
# knows the types of the pictures and is right.)
UNTIMED_FORMATS = frozenset({"avi"})


class DisorderedTimesError(Exception):
    """The decoder's order of pictures is not that of their times."""


class DamagedPictureError(Exception):
    """The decoder has filled parts of a picture that it could not decode; pictures that need it are damaged, too."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        where = "a picture" if self.seconds is None else f"the picture at {self.seconds:.2f} s"
        return f"{where} is damaged: parts of it cannot be decoded"


class CountedPictures(NamedTuple):
    """The pictures of a whole stream, in the order of showing.

    Attributes:
        times: of each; None where the decoder knows none.
        problem: what stopped the decoder or damaged a picture; "" if nothing did.
    """

    times: list[int | None]
    problem: str

    @property
    def labels(self) -> np.ndarray:
        """The place of each picture: int64 [N]."""
        return np.arange(len(self.times))

    def ascending_times(self) -> np.ndarray | None:
        """The times, int64 [N], if all are known and ascend."""
        known = [time for time in self.times if time is not None]
        ascending = len(known) == len(self.times) and all(a < b for a, b in pairwise(known))
        return np.array(known, dtype=np.int64) if ascending else None


class StreamDecoder:
    """The main video stream of one file.

    Attributes:
        path: the file.
        trusted: the container's description of the stream is believed, and FFmpeg has not looked at the pictures.
        table: the stream's packets.
        format: FFmpeg's name of the container's format.
        codec: FFmpeg's canonical name of the codec.
        time_base: seconds of one unit of time.
        stated_size: width and height by the file's headers; None where they are not known.
    """

    table: PacketTable
    format: str
    codec: str
    time_base: Fraction
    stated_size: tuple[int, int] | None

    def __init__(self, path: str, num_threads: int) -> None:
        self.path = path
        self.trusted = False
        self._num_threads = num_threads
        self._container: av.container.InputContainer | None = None
        self._kept: list[av.Packet[Any]] | None = None

    @property
    def is_open(self) -> bool:
        return self._container is not None

    @property
    def index(self) -> int:
        """The place of the stream among those of the file."""
        return self._stream.index

    @property
    def rates(self) -> tuple[Fraction | None, Fraction | None, Fraction | None]:
        """Pictures a second: on average, as FFmpeg guesses, and at most."""
        return self._stream.average_rate, self._stream.guessed_rate, self._stream.base_rate

    def open(self) -> None:
        """Open the file and list its packets. If it raises, the caller closes.

        Raises:
            VideoReadError: there is no video in the file.
            READ_ERRORS: the file cannot be read.
        """
        self.trusted = begins_like_mp4(self.path)
        # The container's key frames are believed only if the first packet really is one.
        if not (self._read() and (not self.trusted or self.table.restart[:1].any())):
            self.close()
            self.trusted = False
            self._read()

    def close(self) -> None:
        """Close the file, after which nothing more can be decoded."""
        self._kept = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _read(self) -> bool:
        """Open the file and list its packets; False if that needs FFmpeg's parsers."""
        container = self._container = open_container(self.path, self.trusted)
        self._stream = main_stream(container, self.path)
        self.format, self.time_base = container.format.name, self._stream.time_base or Fraction(1)
        context = self._stream.codec_context
        self.codec, self._extradata = context.codec.canonical_name, context.extradata or b""
        if self.trusted and not may_be_trusted(container, self.codec):
            return False
        context.options = DECODER_LIMITS
        context.thread_count = self._num_threads
        context.thread_type = "NONE" if self._num_threads == 1 else "AUTO"
        # FFmpeg has not looked at the pictures of a trusted stream; but they have one header, and so one size.
        known = not self.trusted and context.width and context.height
        self.stated_size = (context.width, context.height) if known else None
        reliable = not (self.format in UNTIMED_FORMATS and context.has_b_frames and self.codec != "mpeg4")
        packets, defect = read_packets(container, self._stream)
        self._begins_with_key = bool(packets) and packets[0].is_keyframe
        defect = defect or missing_end(self.path, self.format)
        self.table = build_table(packets, self.codec, self._extradata, reliable, defect)
        if self.codec == "h264" and self.table.timed:
            # Headers may lack this number, and the decoder drops a picture that comes later than it expects.
            context.reorder_depth = max(context.reorder_depth, min(self.table.reordering(), H264_REORDERING))
        # Larger streams are read from the file again at each call.
        self._kept = packets if sum([packet.size for packet in packets]) <= KEPT_PACKETS_BYTES else None
        return True

    def distrust_times(self) -> None:
        """Take the times of the packets for wrong from now on."""
        self.table = replace(self.table, timed=False)

    def pictures_by_time(
        self, labels: set[int], sparing: bool = False
    ) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
        """Decode the packets that the pictures at these times need.

        Args:
            labels: times of pictures, in units of ``time_base``.
            sparing: skip pictures that are neither among these nor needed by others (8 to 40 % of a sample's time).

        Yields:
            All decoded pictures with their times.

        Raises:
            DisorderedTimesError: a picture comes later than one that is shown after it.
            DamagedPictureError: a picture is damaged, so that those after it may be, too.
        """
        times = np.fromiter(labels, dtype=np.int64)
        order = self.table.shown_in_order()
        positions = order[np.searchsorted(self.table.pts[order], times)]
        context, wanted = self._stream.codec_context, set(positions.tolist())
        ranges = choose_packets(self.table, wanted)
        for (first, _), packets in zip(ranges, self._stretches(ranges), strict=True):
            latest = None
            try:
                for position, packet in enumerate(packets, first):
                    if sparing and position not in wanted and not self._is_referenced(packet):
                        continue
                    for frame in context.decode(packet):
                        latest = _later(latest, self._whole(frame))
                        yield frame.pts, frame
                for frame in context.decode(None):
                    latest = _later(latest, self._whole(frame))
                    yield frame.pts, frame
            finally:
                context.flush_buffers()

    def _whole(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The picture, which must not be damaged."""
        if frame.is_corrupt:
            raise DamagedPictureError(None if frame.pts is None else float(frame.pts * self.time_base))
        return frame

    def _is_referenced(self, packet: av.Packet[Any]) -> bool:
        return is_referenced(memoryview(packet), self._extradata, self.codec)

    def pictures_by_place(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """All pictures of a decode from the start, each with its place in the order of showing.

        Raises:
            DamagedPictureError: a picture is damaged, so that those after it may be, too.
        """
        return enumerate(map(self._whole, self.all_pictures([])))

    def all_pictures(self, problems: list[str]) -> Iterator[av.VideoFrame]:
        """All pictures of a decode from the start, up to a packet that fails, which is added to ``problems``."""
        context, shown = self._stream.codec_context, 0
        try:
            for packets in self._stretches([(0, len(self.table))]):
                for position, packet in enumerate(packets):
                    try:
                        frames = context.decode(packet)
                    except READ_ERRORS as error:
                        # A stream cut out of another one may begin with packets that fail.
                        if shown:
                            problems.append(
                                f"packet {position} of {len(self.table)} cannot be decoded: {reason_of(error)}"
                            )
                            break
                        continue
                    shown += len(frames)
                    yield from frames
            yield from context.decode(None)
        except av.FFmpegError as error:
            problems.append(f"the last frames cannot be decoded: {reason_of(error)}")
        finally:
            context.flush_buffers()

    def _stretches(self, ranges: Sequence[tuple[int, int]]) -> Iterator[Iterator[av.Packet[Any]]]:
        """The packets of each range in decoding order, from memory or from a second reading of the file."""
        if self._kept is not None:
            for first, end in ranges:
                yield iter(self._kept[first:end])
            return
        with open_container(self.path, self.trusted) as container:
            stream = container.streams[self._stream.index]
            packets, position = (packet for packet in container.demux(stream) if packet.size > 0), 0
            for first, end in ranges:
                yield islice(packets, first - position, end - position)
                position = end

    def count_pictures(self) -> CountedPictures:
        """Decode everything."""
        counted = self._count()
        # At first, MPEG-4's decoder shows some pictures before the first key frame that it never shows again.
        return counted if self._begins_with_key else self._count()

    def _count(self) -> CountedPictures:
        problems: list[str] = []
        times: list[int | None] = []
        for frame in self.all_pictures(problems):
            times.append(frame.pts)
            if frame.is_corrupt and not problems:
                problems.append(f"picture {len(times) - 1} is damaged: parts of it cannot be decoded")
        return CountedPictures(times, next(iter(problems), ""))


def _later(latest: int | None, frame: av.VideoFrame) -> int | None:
    """The time of this frame, which must be later than that of the frame before."""
    if latest is not None and frame.pts is not None and frame.pts <= latest:
        raise DisorderedTimesError
    return latest if frame.pts is None else frame.pts
