"""Files that end before their container says so: found by sizes alone, without decoding.

MP4 and AVI need no check here, since FFmpeg flags the packets that lie beyond the end of the file.
"""

from __future__ import annotations

import os
from typing import BinaryIO

# Elements of EBML, the format of Matroska and WebM.
_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_ELEMENTS_BEFORE_SEGMENT = 8
# Packets of a transport stream: plain, with a time before each (M2TS), with a checksum after each.
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))
_TS_SYNC = 0x47
_TS_LOOKED_AT = 5
_TS_JUNK = 4096


def missing_end(path: str, format_name: str) -> str:
    """Find out if a file ends too early.

    Args:
        path: the file.
        format_name: FFmpeg's name of its format.

    Returns:
        What is missing; empty if nothing is, or if the container does not tell.
    """
    names = format_name.split(",")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if "matroska" in names:
            return _of_matroska(file, size)
        if "mpegts" in names:
            return _of_transport_stream(file, size)
    return ""


def _of_matroska(file: BinaryIO, size: int) -> str:
    """The segment holds all pictures, and its size stands at its beginning, except in live recordings."""
    for _ in range(_ELEMENTS_BEFORE_SEGMENT):
        kind = _read_number(file, keep_marker=True)
        length = _read_number(file, keep_marker=False)
        if kind is None or length is None:
            return ""
        end = file.tell() + length
        if kind == _SEGMENT:
            missing = end - size
            return f"the file is cut off: {missing} of the {end} bytes in its header are missing" if missing > 0 else ""
        file.seek(end)
    return ""


def _read_number(file: BinaryIO, keep_marker: bool) -> int | None:
    """The next number, whose length is the count of its leading zero bits; None if it is unknown or unreadable."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1) if length < 9 else b""
    if length > 8 or len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    if keep_marker:
        return value
    plain = value & ((1 << 7 * length) - 1)
    return None if plain == (1 << 7 * length) - 1 else plain


def _of_transport_stream(file: BinaryIO, size: int) -> str:
    """All packets of a transport stream are of one size, so a file that ends within one was cut."""
    start = file.read(_TS_JUNK + _TS_LOOKED_AT * max(packet for packet, _ in _TS_PACKETS))
    for packet, before in _TS_PACKETS:
        for first in range(min(_TS_JUNK, len(start))):
            signs = start[first + before :: packet][:_TS_LOOKED_AT]
            if signs and set(signs) == {_TS_SYNC} and len(signs) == _TS_LOOKED_AT:
                left = (size - first) % packet
                return f"the file is cut off: it ends {left} bytes into a packet of {packet}" if left else ""
    return ""
