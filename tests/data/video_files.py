"""Small video files for tests, written with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FAST = {
    "libx264": {"preset": "superfast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "0"},
    "mpeg4": {"sc_threshold": "1000000000"},
}


def picture(index: int, width: int, height: int) -> np.ndarray:
    """A picture that differs from all others of the video: a texture that moves, darker or lighter with time."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin((columns + 2 * index) / 5) + np.cos((rows - index) / 7)
    grey = 60 + 40 * waves + 70 * (index % 16) / 16
    return np.stack([grey, grey + 30, np.roll(grey, index, 1)], axis=-1).clip(0, 255).astype(np.uint8)


def write_video(
    path: Path,
    codec: str,
    *,
    num_frames: int = 36,
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 0,
    times_ms: list[int] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a video of 30 frames a second, or one whose frames are shown at ``times_ms``."""
    settings = {**FAST.get(codec, {}), "g": str(gop), "keyint_min": "1", **(options or {})}
    if codec != "libvpx-vp9":
        settings["bf"] = str(b_frames)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=settings)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.thread_count = 1
        if times_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.time_base = Fraction(1, 1000) if times_ms else Fraction(1, 30)
            frame.pts = times_ms[index] if times_ms else index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_plainly(path: Path) -> tuple[list[np.ndarray], list[int | None]]:
    """All frames of the file's first video stream as FFmpeg shows them, and their times."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.pts for frame in frames]


def remux(source: Path, target: Path, change, options: dict[str, str] | None = None) -> Path:
    """Copy the packets of a video as ``change(packets)`` returns them."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options or {}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for packet in change(packets):
            packet.stream = stream
            new.mux(packet)
    return target
