"""What is known of a video stream before anything is decoded, and which of its packets must be decoded.

A container lists the packets of a stream in decoding order, most of them with the time at which their picture is
shown. That is enough to number the pictures in the order of showing and to choose, for a set of wanted pictures, the
stretches of packets to decode: from a place where decoding can start afresh up to the last wanted picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import av
import numpy as np

from rhovideo.data.video.bitstreams import RESTARTABLE_CODECS, describe_key_packet

# One packet holds one shown picture in these codecs, apart from rarities that are found out while decoding.
ONE_PICTURE_A_PACKET = frozenset(
    {"h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg", "mpeg1video", "mpeg2video", "ffv1", "prores", "dnxhd", "rawvideo"}
)
# As many pictures as an H.264 decoder ever holds back to put them into the order of showing. FFmpeg's aborts the
# process where it is told of more.
H264_REORDERING = 16
# Times that order pictures otherwise than decoding by more than this have no order of showing in mind.
MAX_REORDERING = 32
# Side data of a packet that changes how all later packets are decoded, so that it can't be skipped.
STATE_SIDE_DATA = ("new_extradata", "param_change", "palette")


@dataclass(frozen=True)
class PacketTable:
    """A stream's packets in decoding order.

    Attributes:
        pts: int64 [P], time at which each packet's picture is shown, in the stream's time base; 0 where unknown.
        shown: bool [P], False for what an edit list cuts away: decoded, because others refer to it, never shown.
        restart: bool [P], True where decoding can start afresh: pictures from here on that are not shown before this
            one depend on nothing earlier.
        timed: whether ``pts`` numbers the pictures reliably. If not, only decoding the stream tells what it shows.
        last_duration: how long the last picture is shown, in the stream's time base; 0 if unknown.
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
        """The greatest number of pictures that a decoder has to hold back to show all in the order of their times."""
        return int((np.arange(len(self)) - _ranks(self.pts)).max(initial=0))


def read_packets(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[list[av.Packet], str]:
    """All packets of a stream, and what stopped the reading before the end of the file, or "".

    A file that was cut off gives the packets before the cut: a last packet of which only a part is there is left out.
    """
    packets, defect = [], ""
    try:
        for packet in container.demux(stream):
            if packet.size > 0:
                packets.append(packet)
    except IndexError:
        pass  # PyAV, after the last packet of a file in which further streams turned up on the way.
    except (av.FFmpegError, OSError) as error:
        defect = f"reading stops after {len(packets)} packets: {error}"
    whole = len(packets)
    while whole and packets[whole - 1].is_corrupt:
        whole -= 1
    if whole < len(packets):
        defect = f"the file is cut off after {whole} whole packets"
    return packets[:whole], defect


def build_table(
    packets: Sequence[av.Packet], codec: str, extradata: bytes | None, reliable_times: bool, defect: str = ""
) -> PacketTable:
    """Describe the packets of one stream.

    Args:
        packets: all of them, in decoding order.
        codec: FFmpeg's canonical name of the codec, e.g. ``h264``.
        extradata: the stream's header, which says how the packets are framed.
        reliable_times: False if the container holds no times of its own, so that the demuxer has made them up.
        defect: what is wrong with the file, or "".
    """
    # One short loop a field: at thousands of packets, opening a file is as much Python as anything else.
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
    """The stretches of packets to decode so that the wanted pictures come out exactly as from a full decode.

    Args:
        table: the stream.
        wanted: positions in decoding order.

    Returns:
        Half-open ranges (first, end) in ascending order, apart from each other. Each begins where decoding can start
        afresh, or at 0. The decoder must be emptied and reset between two of them.
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
    """The last place before ``position`` from which this picture can be decoded.

    A picture shown before the place where it starts (a leading picture of an open group) may refer to earlier ones.
    """
    for place in reversed(restarts[: np.searchsorted(restarts, position, side="right")]):
        if table.pts[place] <= table.pts[position]:
            return int(place)
    return 0


def _orderly(pts: np.ndarray, shown: np.ndarray, packets: Sequence[av.Packet]) -> bool:
    """Whether the times can be those of a stream that a decoder shows from its first picture on, in their order."""
    times = pts[shown]
    if not np.diff(np.sort(times)).all():
        return False
    # A stream cut out of another one: pictures shown before the first key frame never come out.
    if not packets or not packets[0].is_keyframe or pts.min() < pts[0]:
        return False
    # Times that jump back, as where recordings were joined: shown in the order of decoding, not of their times.
    return bool(np.abs(_ranks(times) - np.arange(len(times))).max(initial=0) <= MAX_REORDERING)


def _ranks(times: np.ndarray) -> np.ndarray:
    """The place of each time among them in ascending order, equal ones in the order given: int64."""
    ranks = np.empty(len(times), dtype=np.int64)
    ranks[np.argsort(times, kind="stable")] = np.arange(len(times))
    return ranks


def _find_restarts(packets: Sequence[av.Packet], codec: str, extradata: bytes) -> np.ndarray:
    """Where decoding can start afresh: bool [P]. All False where this is not certain."""
    restart = np.zeros(len(packets), dtype=bool)
    if codec not in RESTARTABLE_CODECS:
        return restart
    if _change_decoding(packets):
        return restart
    seen_headers = set()
    keys = [packet.is_keyframe for packet in packets]
    for position in np.flatnonzero(keys).tolist():
        restarts, headers = describe_key_packet(memoryview(packets[position]), extradata, codec)
        seen_headers.add(headers)
        restart[position] = restarts and bool(headers or extradata or codec == "vp9")
    if _headers_change(seen_headers, extradata):
        restart[:] = False
    return restart


def _headers_change(seen: set[tuple[bytes, ...]], extradata: bytes) -> bool:
    """Whether skipping the packets that bring headers could leave a decoder with others than a whole decode has.

    Args:
        seen: the headers that the key packets carry, () for none of its own.
    """
    brought = seen - {()}
    if () not in seen or not extradata:
        return len(brought) > 1
    # Packets without headers use the stream's, or those that came last.
    return any(header not in extradata for headers in brought for header in headers)


def _change_decoding(packets: Sequence[av.Packet]) -> bool:
    """Whether a packet has side data that the decoder needs for all that follow."""
    # Hardly any file has side data at all, which is quicker to ask than whether it is of this kind or that.
    if next(chain.from_iterable(map(av.Packet.iter_sidedata, packets)), None) is None:
        return False
    return any(packet.has_sidedata(kind) for packet in packets for kind in STATE_SIDE_DATA)
