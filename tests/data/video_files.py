"""Video files coded in many ways, and what FFmpeg itself makes of them."""

from pathlib import Path

import av
import numpy as np

from tests import videos

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
    gop: int = 12,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
    **more: object,
) -> Path:
    """Write :func:`picture` after picture, coded as asked for; ``more`` as of :func:`tests.videos.write_video`."""
    settings = {**FAST.get(codec, {}), "g": str(gop), "keyint_min": "1", **(options or {})}
    if codec != "libvpx-vp9":
        settings["bf"] = str(b_frames)
    frames = np.stack([picture(index, *size) for index in range(num_frames)])
    return videos.write_video(path, frames, codec=codec, options=settings, **more)


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
