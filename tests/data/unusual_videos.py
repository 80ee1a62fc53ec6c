"""Video files that are damaged, or written in a way that few programs write."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av

from tests.data.video_files import write_video

DAMAGED_FRAMES = 36
DAMAGED_GOP = 12
# Of the packet, and so of the picture, that is overwritten: in the second group.
DAMAGED_PACKET = 17


def write_damaged(path: Path, codec: str = "libx264", **more: object) -> Path:
    """A video of 36 frames in groups of 12, where the second half of packet 17 is overwritten."""
    write_video(path, codec, num_frames=DAMAGED_FRAMES, gop=DAMAGED_GOP, size=(160, 120), **more)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place, size = packets[DAMAGED_PACKET].pos, packets[DAMAGED_PACKET].size
    data = bytearray(path.read_bytes())
    for at in range(place + size // 2, place + size):
        data[at] = 255
    path.write_bytes(data)
    return path


def write_packed(path: Path) -> Path:
    """MPEG-4 in AVI as DivX wrote it: a P and a B picture in one packet, then a packet that is "not coded"."""
    source = write_video(path.with_name("source.avi"), "mpeg4", gop=12, b_frames=1)
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        time_base = old.streams.video[0].time_base
        packets = [bytes(packet) for packet in old.demux(video=0) if packet.size]
        for place, data in enumerate(_pack(packets)):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, place, place, time_base
            packet.is_keyframe = _kind(data) == 0
            new.mux(packet)
    return path


def _kind(data: bytes) -> int:
    """0 for an I picture, 1 for P, 2 for B."""
    return data[data.find(b"\0\0\1\xb6") + 4] >> 6


def _pack(packets: list[bytes]) -> list[bytes]:
    packed, place = [], 0
    while place < len(packets):
        data = packets[place]
        start = data.find(b"\0\0\1\xb6")
        if _kind(data) == 0:
            data = data[:start] + b"\0\0\1\xb2DivX503b1393p" + data[start:]
        if _kind(data) != 2 and place + 1 < len(packets) and _kind(packets[place + 1]) == 2:
            # Type P, no seconds passed, marker, time, marker, not coded.
            bits = f"0101{place % 30:05b}10".ljust(16, "1")
            packed += [data + packets[place + 1], b"\0\0\1\xb6" + int(bits, 2).to_bytes(2, "big")]
            place += 2
        else:
            packed.append(data)
            place += 1
    return packed


def png_header(width: int, height: int) -> bytes:
    """An image file that declares a size, and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def write_declaring(path: Path, width: int, height: int) -> Path:
    """A video file of PNG pictures that declares a size, and holds no pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        for place in range(3):
            packet = av.Packet(png_header(width, height))
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, place, place, True
            container.mux(packet)
    return path
