"""The first bytes of coded pictures: can decoding start with a picture, and can it be left out?

The key frame flag of a container is not enough. For example, an H.264 recovery point may be flagged, and the pictures
after it are wrong at first. So only pictures that reset the decoder by specification are accepted: IDR pictures of
H.264, random access pictures of HEVC, I pictures of MPEG-4 and key frames of VP9. A picture can be left out only where
H.264 or HEVC mark that no other picture refers to it.
"""

from __future__ import annotations

from collections.abc import Iterator

RESTARTABLE_CODECS = frozenset({"h264", "hevc", "mpeg4", "vp9"})

START_CODE = b"\x00\x00\x01"
H264_SLICES = range(1, 6)
H264_IDR = range(5, 6)
H264_HEADERS = range(7, 9)  # sequence and picture parameter sets
HEVC_SLICES = range(0, 32)
HEVC_RANDOM_ACCESS = range(16, 24)
HEVC_HEADERS = range(32, 35)  # video, sequence and picture parameter sets
# Sub-layer non-reference pictures: even types below the reserved ones.
HEVC_UNREFERENCED = range(0, 15, 2)
MPEG4_HEADERS = range(0x20, 0x30)  # video object layers
MPEG4_PICTURE = 0xB6


def describe_key_packet(data: bytes | memoryview, extradata: bytes, codec: str) -> tuple[bool, tuple[bytes, ...]]:
    """Read the first bytes of a key packet.

    Args:
        data: a packet that the container flags as a key frame.
        extradata: the stream's header, which defines how packets are divided into units.
        codec: one of :data:`RESTARTABLE_CODECS`.

    Returns:
        True if a decoder can start afresh with this packet, and the stream headers that the packet carries.
    """
    if codec == "vp9":
        return _vp9_is_key(data), ()
    if codec == "mpeg4":
        units = list(_units_by_start_code(bytes(data)))
        pictures = [unit for unit in units if unit[0] == MPEG4_PICTURE]
        # The two bits after the start code are the type of the picture, 0 for I.
        restarts = bool(pictures) and all(len(unit) > 1 and unit[1] >> 6 == 0 for unit in pictures)
        return restarts, tuple(unit for unit in units if unit[0] in MPEG4_HEADERS)
    return _describe_nal_packet(data, extradata, codec)


def is_referenced(packet: bytes | memoryview, extradata: bytes, codec: str) -> bool:
    """Find out if other pictures may need this packet's picture to be decoded.

    Args:
        packet: any packet of the stream.
        extradata: the stream's header, which defines how packets are divided into units.
        codec: FFmpeg's canonical name.

    Returns:
        False where the bits of the packet rule it out, which only H.264 and HEVC have; True elsewhere.
    """
    if codec == "hevc" and not _has_one_temporal_layer(extradata):
        # Layers above may refer to a picture that its own layer does not need.
        return True
    if codec not in ("h264", "hevc"):
        return True
    headers, slices = (H264_HEADERS, H264_SLICES) if codec == "h264" else (HEVC_HEADERS, HEVC_SLICES)
    pictures = 0
    for first in _first_bytes(packet, extradata, codec):
        kind = _nal_kind(first, codec)
        if kind in headers:
            return True
        if kind in slices:
            # nal_ref_idc, the two bits after the first one of H.264's units, is 0.
            if (first >> 5 & 3) if codec == "h264" else kind not in HEVC_UNREFERENCED:
                return True
            pictures += 1
    return not pictures


def _has_one_temporal_layer(extradata: bytes) -> bool:
    """True if HEVC's configuration record has the number 1 here; other framings have no fixed place for it."""
    return len(extradata) > 21 and extradata[0] == 1 and extradata[21] >> 3 & 7 == 1


def _describe_nal_packet(data: bytes | memoryview, extradata: bytes, codec: str) -> tuple[bool, tuple[bytes, ...]]:
    if codec == "h264":
        slices, access, headers = H264_SLICES, H264_IDR, H264_HEADERS
    else:
        slices, access, headers = HEVC_SLICES, HEVC_RANDOM_ACCESS, HEVC_HEADERS
    found, pictures, restarts = [], 0, True
    for unit in _nal_units(data, extradata, codec):
        kind = _nal_kind(unit[0], codec)
        if kind in slices:
            pictures += 1
            restarts = restarts and kind in access
        elif kind in headers:
            found.append(bytes(unit))
    return bool(pictures) and restarts, tuple(found)


def _nal_kind(first: int, codec: str) -> int:
    """The type of a unit, from its first byte."""
    return first & 0x1F if codec == "h264" else first >> 1 & 0x3F


def _nal_units(data: bytes | memoryview, extradata: bytes, codec: str) -> Iterator[bytes | memoryview]:
    if size := _length_size(extradata, codec):
        data = memoryview(data)
        return (data[begin:end] for begin, end in _spans_by_length(data, size))
    return _units_by_start_code(bytes(data))


def _first_bytes(data: bytes | memoryview, extradata: bytes, codec: str) -> list[int]:
    """The first byte of each unit; copies no data where units are preceded by their lengths."""
    if size := _length_size(extradata, codec):
        return [data[begin] for begin, _ in _spans_by_length(data, size)]
    return [unit[0] for unit in _units_by_start_code(bytes(data))]


def _length_size(extradata: bytes, codec: str) -> int:
    """Bytes of the length before each unit (MP4, Matroska: a header that starts with 1); 0 where start codes divide."""
    length_at = 4 if codec == "h264" else 21
    return (extradata[length_at] & 3) + 1 if len(extradata) > length_at and extradata[0] == 1 else 0


def _units_by_start_code(data: bytes) -> Iterator[bytes]:
    for unit in data.split(START_CODE)[1:]:
        # Zeros at the end are part of the next unit's start code, which may be longer.
        if unit := unit.rstrip(b"\x00"):
            yield unit


def _spans_by_length(data: bytes | memoryview, size: int) -> list[tuple[int, int]]:
    """Begin and end of each unit that is not empty."""
    spans, position, last = [], 0, len(data) - size
    while position < last:
        begin = position + size
        position = begin + int.from_bytes(data[position:begin], "big")
        if position > begin:
            spans.append((begin, position))
    return spans


def _vp9_is_key(data: bytes | memoryview) -> bool:
    """The first bits of a VP9 frame: marker 2, profile 2 (3 if both are set), show an existing frame 1, type 1."""
    if not data or data[0] >> 6 != 0b10:
        return False
    profile_3 = data[0] >> 4 & 3 == 3
    shows_existing, is_inter = (
        (data[0] >> 2 & 1, data[0] >> 1 & 1) if profile_3 else (data[0] >> 3 & 1, data[0] >> 2 & 1)
    )
    return not shows_existing and not is_inter
