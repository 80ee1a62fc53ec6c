"""A video stream's packets, and the choice of those that have to be decoded.

A container lists the packets of a stream in decoding order, most of them with the time at which their picture is
shown. This is enough to number the pictures in the order in which they are shown. It is also enough to choose the
packets to decode for some wanted pictures: from a place where decoding can start afresh to the last wanted picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import av
import numpy as np

from rhovideo.data.video.stream.bitstreams import RESTARTABLE_CODECS, describe_key_packet

# One packet holds one shown picture in these codecs. The rare exceptions are found while decoding.
ONE_PICTURE_A_PACKET = frozenset(
    {"h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg", "mpeg1video", "mpeg2video", "ffv1", "prores", "dnxhd", "rawvideo"}
)
# The most pictures that an H.264 decoder holds back to put them into the order of showing. With a larger number
# FFmpeg's decoder aborts the process.
H264_REORDERING = 16
# Times are taken for an order of showing only if no picture is further than this from its place in decoding order.
MAX_REORDERING = 32
# Side data of a packet that changes how all later packets are decoded, so the packet cannot be skipped.
STATE_SIDE_DATA: tuple[Literal["new_extradata"], Literal["param_change"], Literal["palette"]] = (
    "new_extradata",
    "param_change",
    "palette",
)


@dataclass(frozen=True)
class PacketTable:
    """A stream's packets in decoding order.

    Attributes:
        pts: int64 [P], the time at which each packet's picture is shown, in the stream's time base; 0 where unknown.
        shown: bool [P], False where an edit list hides the picture, which is then decoded for others but never shown.
        restart: bool [P], True where decoding can start afresh: from here on, all pictures that are shown after this
            one need no earlier packet.
        timed: True if ``pts`` numbers the pictures reliably. If not, the stream must be decoded to count its pictures.
        last_duration: the time for which the last picture is shown, in the stream's time base; 0 if unknown.
        defect: what is wrong with the file, or "".
    """

    pts: np.ndarray
    shown: np.ndarray
    restart: np.ndarray
    timed: bool
    last_duration: int
    defect: str

    def __len__(self) -> int:
        return len(self.pts)

    def shown_in_order(self) -> np.ndarray:
        """Positions in decoding order of the shown pictures, in the order of showing: int64."""
        positions = np.flatnonzero(self.shown)
        return positions[np.argsort(self.pts[positions], kind="stable")]

    def reordering(self) -> int:
        """The number of pictures that a decoder must be able to hold back to show all in the order of their times."""
        return int((np.arange(len(self)) - _ranks(self.pts)).max(initial=0))


def read_packets(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[list[av.Packet[Any]], str]:
    """Read all packets of a stream.

    Args:
        container: an open file.
        stream: one of its streams.

    Returns:
        The packets in decoding order, and what stopped the reading before the end of the file, or "". Of a file that
        was cut off, the packets before the cut; an incomplete last packet is left out.
    """
    packets: list[av.Packet[Any]] = []
    defect = ""
    try:
        for packet in container.demux(stream):
            if packet.size > 0:
                packets.append(packet)
    except IndexError:
        pass  # PyAV raises it after the last packet of a file in which further streams begin on the way.
    except (av.FFmpegError, OSError) as error:
        defect = f"reading stops after {len(packets)} packets: {error}"
    whole = len(packets)
    while whole and packets[whole - 1].is_corrupt:
        whole -= 1
    if whole < len(packets):
        defect = f"the file is cut off after {whole} whole packets"
    return packets[:whole], defect


def build_table(
    packets: Sequence[av.Packet[Any]], codec: str, extradata: bytes | None, reliable_times: bool, defect: str = ""
) -> PacketTable:
    """Describe the packets of one stream.

    Args:
        packets: all of them, in decoding order.
        codec: FFmpeg's canonical name of the codec, e.g. ``h264``.
        extradata: the stream's header, which defines how packets are divided into units.
        reliable_times: False if the container holds no times and the demuxer has guessed them.
        defect: what is wrong with the file, or "".

    Returns:
        The table.
    """
    # One short loop per field: with thousands of packets, these loops are a large part of opening a file.
    times = [packet.pts for packet in packets]
    complete = None not in times
    pts = np.array(times if complete else [time or 0 for time in times], dtype=np.int64)
    shown = ~np.array([packet.is_discard for packet in packets], dtype=bool)
    timed = reliable_times and complete and codec in ONE_PICTURE_A_PACKET and _orderly(pts, shown, packets)
    restart = _find_restarts(packets, codec, extradata or b"") if timed else np.zeros(len(packets), dtype=bool)
    last_duration = 0
    if shown.any() and complete:
        positions = np.flatnonzero(shown)
        last_duration = int(packets[positions[np.argmax(pts[positions])]].duration or 0)
    return PacketTable(pts, shown, restart, timed, last_duration, defect)


def choose_packets(table: PacketTable, wanted: Iterable[int]) -> list[tuple[int, int]]:
    """Choose the packets to decode, so that the wanted pictures are exactly those of a full decode.

    Args:
        table: the stream.
        wanted: positions in decoding order.

    Returns:
        Half-open ranges (first, end) of positions, ascending and separate. Each begins where decoding can start
        afresh, or at 0. The decoder must be flushed and reset between two of them.
    """
    restarts = np.flatnonzero(table.restart)
    ranges: list[tuple[int, int]] = []
    for first, end in sorted((_start_for(position, table, restarts), position + 1) for position in set(wanted)):
        if ranges and first <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], end))
        else:
            ranges.append((first, end))
    return ranges


def _start_for(position: int, table: PacketTable, restarts: np.ndarray) -> int:
    """The last place, up to ``position``, from which the picture at ``position`` can be decoded.

    A leading picture of an open group is shown before the picture where decoding starts, and may refer to earlier ones.
    """
    for place in reversed(restarts[: np.searchsorted(restarts, position, side="right")]):
        if table.pts[place] <= table.pts[position]:
            return int(place)
    return 0


def _orderly(pts: np.ndarray, shown: np.ndarray, packets: Sequence[av.Packet[Any]]) -> bool:
    """True if a decoder can show all pictures, from the first on, in the order of these times."""
    times = pts[shown]
    if not np.diff(np.sort(times)).all():
        return False
    # A stream cut out of another one: a decoder never shows pictures before the first key frame.
    if not packets or not packets[0].is_keyframe or pts.min() < pts[0]:
        return False
    # Times that jump back, as in joined recordings: the order of showing is that of decoding, not of the times.
    return bool(np.abs(_ranks(times) - np.arange(len(times))).max(initial=0) <= MAX_REORDERING)


def _ranks(times: np.ndarray) -> np.ndarray:
    """The rank of each time, ascending from 0; equal times keep their order: int64."""
    ranks = np.empty(len(times), dtype=np.int64)
    ranks[np.argsort(times, kind="stable")] = np.arange(len(times))
    return ranks


def _find_restarts(packets: Sequence[av.Packet[Any]], codec: str, extradata: bytes) -> np.ndarray:
    """Places where decoding can start afresh: bool [P]. All False where this is not certain."""
    restart = np.zeros(len(packets), dtype=bool)
    if codec not in RESTARTABLE_CODECS:
        return restart
    if _change_decoding(packets):
        return restart
    seen_headers: set[tuple[bytes, ...]] = set()
    keys = [packet.is_keyframe for packet in packets]
    for position in np.flatnonzero(keys).tolist():
        restarts, headers = describe_key_packet(memoryview(packets[position]), extradata, codec)
        seen_headers.add(headers)
        restart[position] = restarts and bool(headers or extradata or codec == "vp9")
    if _headers_change(seen_headers, extradata):
        restart[:] = False
    return restart


def _headers_change(seen: set[tuple[bytes, ...]], extradata: bytes) -> bool:
    """True if a decoder that skips packets could use other headers than in a full decode.

    Args:
        seen: the headers that the key packets carry; () for a packet without headers.
        extradata: the stream's header.
    """
    brought = seen - {()}
    if () not in seen or not extradata:
        return len(brought) > 1
    # Packets without headers use the latest ones before them, or those of the stream.
    return any(header not in extradata for headers in brought for header in headers)


def _change_decoding(packets: Sequence[av.Packet[Any]]) -> bool:
    """True if a packet has side data that the decoder needs for all later packets."""
    # Few files have any side data, and asking for any is quicker than asking for each kind.
    if next(chain.from_iterable(map(av.Packet.iter_sidedata, packets)), None) is None:
        return False
    return any(packet.has_sidedata(kind) for packet in packets for kind in STATE_SIDE_DATA)
