"""Reading just enough of a coded picture to know whether decoding can start with it, and whether it can be left out.

Containers flag key frames, but loosely: an H.264 recovery point may be flagged, from which pictures only *become*
right. Here only what resets a decoder by its specification counts: H.264's IDR pictures, HEVC's random access pictures,
MPEG-4's I pictures and VP9's key frames. And only what the specifications of H.264 and HEVC mark as referred to by no
other picture is called so.
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
    """Whether a decoder can start afresh with this packet, and the stream headers that it carries.

    Args:
        data: a packet that the container flags as a key frame.
        extradata: the stream's header, which says how the packets are framed.
        codec: one of :data:`RESTARTABLE_CODECS`.
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
    """Whether decoding other pictures may need this packet's: False only where the bits say that none does.

    Args:
        packet: any packet of the stream.
        extradata: the stream's header, which says how the packets are framed.
        codec: FFmpeg's canonical name; of codecs other than H.264 and HEVC nothing is known.
    """
    if codec == "hevc" and not _has_one_temporal_layer(extradata):
        # What a layer does not refer to, the layers above it may.
        return True
    if codec not in ("h264", "hevc"):
        return True
    pictures = 0
    for unit in _nal_units(packet, extradata, codec):
        kind = _nal_kind(unit, codec)
        if kind in (H264_HEADERS if codec == "h264" else HEVC_HEADERS):
            return True
        if kind in (H264_SLICES if codec == "h264" else HEVC_SLICES):
            # nal_ref_idc, the two bits after the first one of H.264's units, is 0.
            if (unit[0] >> 5 & 3) if codec == "h264" else kind not in HEVC_UNREFERENCED:
                return True
            pictures += 1
    return not pictures


def _has_one_temporal_layer(extradata: bytes) -> bool:
    """Whether HEVC's configuration record says so; other framings do not say it in a fixed place."""
    return len(extradata) > 21 and extradata[0] == 1 and extradata[21] >> 3 & 7 == 1


def _describe_nal_packet(data: bytes | memoryview, extradata: bytes, codec: str) -> tuple[bool, tuple[bytes, ...]]:
    if codec == "h264":
        slices, access, headers = H264_SLICES, H264_IDR, H264_HEADERS
    else:
        slices, access, headers = HEVC_SLICES, HEVC_RANDOM_ACCESS, HEVC_HEADERS
    found, pictures, restarts = [], 0, True
    for unit in _nal_units(data, extradata, codec):
        kind = _nal_kind(unit, codec)
        if kind in slices:
            pictures += 1
            restarts = restarts and kind in access
        elif kind in headers:
            found.append(bytes(unit))
    return bool(pictures) and restarts, tuple(found)


def _nal_kind(unit: bytes | memoryview, codec: str) -> int:
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def _nal_units(data: bytes | memoryview, extradata: bytes, codec: str) -> Iterator[bytes | memoryview]:
    length_at = 4 if codec == "h264" else 21
    # A header that starts with 1 describes units framed by their lengths (MP4, Matroska).
    if len(extradata) > length_at and extradata[0] == 1:
        return _units_by_length(memoryview(data), (extradata[length_at] & 3) + 1)
    return _units_by_start_code(bytes(data))


def _units_by_start_code(data: bytes) -> Iterator[bytes]:
    for unit in data.split(START_CODE)[1:]:
        # Zeros at the end belong to a longer start code of the next unit.
        if unit := unit.rstrip(b"\x00"):
            yield unit


def _units_by_length(data: memoryview, size: int) -> Iterator[memoryview]:
    position = 0
    while position + size < len(data):
        end = position + size + int.from_bytes(data[position : position + size], "big")
        if end > position + size:
            yield data[position + size : end]
        position = end


def _vp9_is_key(data: bytes | memoryview) -> bool:
    """The first bits of a VP9 frame: marker 2, profile 2 (3 if both are set), show an existing frame 1, type 1."""
    if not data or data[0] >> 6 != 0b10:
        return False
    profile_3 = data[0] >> 4 & 3 == 3
    shows_existing, is_inter = (
        (data[0] >> 2 & 1, data[0] >> 1 & 1) if profile_3 else (data[0] >> 3 & 1, data[0] >> 2 & 1)
    )
    return not shows_existing and not is_inter
