"""Reading just enough of a coded picture to know whether decoding can start with it.

Containers flag key frames, but loosely: an H.264 recovery point may be flagged, from which pictures only *become*
right. Here only what resets a decoder by its specification counts: H.264's IDR pictures, HEVC's random access pictures,
MPEG-4's I pictures and VP9's key frames.
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
MPEG4_HEADERS = range(0x20, 0x30)  # video object layers
MPEG4_PICTURE = 0xB6


def describe_key_packet(data: bytes, extradata: bytes, codec: str) -> tuple[bool, tuple[bytes, ...]]:
    """Whether a decoder can start afresh with this packet, and the stream headers that it carries.

    Args:
        data: a packet that the container flags as a key frame.
        extradata: the stream's header, which says how the packets are framed.
        codec: one of :data:`RESTARTABLE_CODECS`.
    """
    if codec == "vp9":
        return _vp9_is_key(data), ()
    if codec == "mpeg4":
        units = list(_units_by_start_code(data))
        pictures = [unit for unit in units if unit[0] == MPEG4_PICTURE]
        # The two bits after the start code are the type of the picture, 0 for I.
        restarts = bool(pictures) and all(len(unit) > 1 and unit[1] >> 6 == 0 for unit in pictures)
        return restarts, tuple(unit for unit in units if unit[0] in MPEG4_HEADERS)
    return _describe_nal_packet(data, extradata, codec)


def _describe_nal_packet(data: bytes, extradata: bytes, codec: str) -> tuple[bool, tuple[bytes, ...]]:
    if codec == "h264":
        slices, access, headers, length_at = H264_SLICES, H264_IDR, H264_HEADERS, 4
    else:
        slices, access, headers, length_at = HEVC_SLICES, HEVC_RANDOM_ACCESS, HEVC_HEADERS, 21
    # A header that starts with 1 describes units framed by their lengths (MP4, Matroska).
    if len(extradata) > length_at and extradata[0] == 1:
        units = list(_units_by_length(data, (extradata[length_at] & 3) + 1))
    else:
        units = list(_units_by_start_code(data))
    kinds = [unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F for unit in units]
    pictures = [kind for kind in kinds if kind in slices]
    restarts = bool(pictures) and all(kind in access for kind in pictures)
    return restarts, tuple(unit for unit, kind in zip(units, kinds, strict=True) if kind in headers)


def _units_by_start_code(data: bytes) -> Iterator[bytes]:
    for unit in data.split(START_CODE)[1:]:
        # Zeros at the end belong to a longer start code of the next unit.
        if unit := unit.rstrip(b"\x00"):
            yield unit


def _units_by_length(data: bytes, size: int) -> Iterator[bytes]:
    position = 0
    while position + size < len(data):
        end = position + size + int.from_bytes(data[position : position + size], "big")
        if end > position + size:
            yield data[position + size : end]
        position = end


def _vp9_is_key(data: bytes) -> bool:
    """The first bits of a VP9 frame: marker 2, profile 2 (3 if both are set), show an existing frame 1, type 1."""
    if not data or data[0] >> 6 != 0b10:
        return False
    profile_3 = data[0] >> 4 & 3 == 3
    shows_existing, is_inter = (
        (data[0] >> 2 & 1, data[0] >> 1 & 1) if profile_3 else (data[0] >> 3 & 1, data[0] >> 2 & 1)
    )
    return not shows_existing and not is_inter
