"""A small labelled set of real H.264 videos: textured shapes that move over a changing background.

A class is a kind of shape with its own texture, e.g. ``star``; where many classes are asked for, a shape and a way of
moving, e.g. ``star_drift``. The class decides nothing else. The shapes of a video keep their size,
number, tilt and the grain of their texture; background, light, colours, places and (where it is no part of the class)
the way of moving are drawn anew in each of the video's scenes. So two clips of one video at different times share their
shapes and little else, while two views of one clip also share the scene. What the clips of one video have in common is
worth learning, and colours do not reveal it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rhovideo.demo.labelled_set import VideoKind, write_labelled_set
from rhovideo.demo.synthetic_shapes import SHAPES, SPRITE_SIZE, background, sprite

MOTIONS = ("rock", "drift", "pulse", "shake")
_SCENE_SECONDS = 2.5
# Of the pictures: another one for other pictures.
_VERSION = 3


def class_names(num_classes: int) -> list[str]:
    """The names of the first ``num_classes`` classes: shapes alone, or ``shape_motion`` where shapes do not suffice."""
    if not 1 <= num_classes <= len(SHAPES) * len(MOTIONS):
        raise ValueError(f"num_classes is {num_classes}; write 1 to {len(SHAPES) * len(MOTIONS)}")
    names = list(SHAPES)
    if num_classes > len(SHAPES):
        names = [f"{shape}_{motion}" for motion in MOTIONS for shape in SHAPES]
    return names[:num_classes]


def write_synthetic(folder: str | Path, *, num_classes: int = 6, **options: Any) -> Path:
    """Write videos of shapes and their lists, see :func:`rhovideo.demo.labelled_set.write_labelled_set`.

    Args:
        folder: made if missing.
        num_classes: classes; label i belongs to ``class_names(num_classes)[i]``.
        options: those of ``write_labelled_set``: ``train_videos``, ``val_videos``, ``seconds``, ``fps``, ``size`` and
            ``seed``.

    Returns:
        ``folder``.

    Raises:
        ValueError: a number is out of range.
    """
    return write_labelled_set(folder, shapes(num_classes), **options)


def shapes(num_classes: int) -> VideoKind:
    """The kind of these videos, with the first ``num_classes`` classes."""

    def render(
        class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        return render_video(class_name, num_frames, fps, size, rng)

    return VideoKind(class_names(num_classes), _VERSION, render)


def render_video(
    class_name: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """The pictures of one video of a class, uint8 [T,H,W,3]: scenes of about 2.5 seconds, cut together."""
    shape, _, motion = class_name.partition("_")
    if shape not in SHAPES or motion not in ("", *MOTIONS):
        shapes, motions = ", ".join(SHAPES), ", ".join(MOTIONS)
        raise ValueError(
            f"{class_name!r} is no class; write one of {shapes}, or one with a motion of {motions}: star_drift"
        )
    kind = _Kind(
        picture=sprite(shape, rng),
        radius=rng.uniform(0.24, 0.38),
        tilt=rng.uniform(-0.5, 0.5),
        count=int(rng.integers(3, 6)),
    )
    num_scenes = max(1, round(num_frames / fps / _SCENE_SECONDS))
    cuts = np.linspace(0, num_frames, num_scenes + 1).round().astype(int)
    scenes = [_render_scene(kind, motion or rng.choice(MOTIONS), length, fps, size, rng) for length in np.diff(cuts)]
    return np.concatenate(scenes)


@dataclass(frozen=True)
class _Kind:
    """Properties that the shapes of a video share; the radius is a share of the short side, the tilt in radians."""

    picture: np.ndarray
    radius: float
    tilt: float
    count: int


@dataclass(frozen=True)
class _Body:
    """One shape of a scene. Lengths are shares of the picture's short side, times are in seconds."""

    place: np.ndarray
    velocity: np.ndarray
    radius: float
    angle: float
    phase: float
    rate: float
    shaking: np.ndarray


def _render_scene(
    kind: _Kind, motion: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    height, width = size
    unit = min(size)
    bodies = [_draw_body(kind, motion, np.array([width, height]) / unit, rng) for _ in range(kind.count)]
    colours = _two_colours(rng)
    margin = unit // 2
    ground = background(height + 2 * margin, width + 2 * margin, rng)
    pan_from, pan_to = rng.uniform(0, 2 * margin, (2, 2))
    light_from, light_to = rng.uniform(0.6, 1.15, (2, 1)) * rng.uniform(0.85, 1.15, (2, 3))
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        time, share = number / fps, number / max(num_frames - 1, 1)
        top, left = (pan_from + (pan_to - pan_from) * share).astype(int)
        canvas = ground[top : top + height, left : left + width].copy()
        for body in bodies:
            _paint(canvas, kind.picture, colours, motion, body, time, unit)
        light = light_from + (light_to - light_from) * share
        cv2.transform(canvas, np.diag(light).astype(np.float32), dst=frame)
    return frames


def _draw_body(kind: _Kind, motion: str, extent: np.ndarray, rng: np.random.Generator) -> _Body:
    heading, shaking = rng.uniform(0, 2 * math.pi, 2)
    speed = rng.uniform(0.5, 0.9) if motion == "drift" else rng.uniform(0.0, 0.06)
    return _Body(
        place=rng.uniform(0.1, extent - 0.1),
        velocity=speed * np.array([math.cos(heading), math.sin(heading)]),
        radius=kind.radius * rng.uniform(0.9, 1.1),
        angle=kind.tilt + rng.uniform(-0.1, 0.1),
        phase=rng.uniform(0, 2 * math.pi),
        rate=2 * math.pi * rng.uniform(1.2, 2.0),
        shaking=np.array([math.cos(shaking), math.sin(shaking)]),
    )


def _two_colours(rng: np.random.Generator) -> np.ndarray:
    """Two colours of a texture, one dark and one bright, in any order: float32 [2,3]."""
    dark, bright = rng.uniform(0, 110, 3), rng.uniform(145, 255, 3)
    return rng.permutation([dark, bright]).astype(np.float32)


def _paint(
    canvas: np.ndarray, picture: np.ndarray, colours: np.ndarray, motion: str, body: _Body, time: float, unit: int
) -> None:
    """Paint a body as it is at ``time`` onto ``canvas``, in place."""
    height, width = canvas.shape[:2]
    swing = math.sin(body.phase + body.rate * time)
    radius = unit * body.radius * (1.0 + 0.4 * swing if motion == "pulse" else 1.0)
    place = body.place + body.velocity * time
    if motion == "shake":
        place = place + 0.12 * swing * body.shaking
    x, y = (_bounce(position * unit, side) for position, side in zip(place, (width, height), strict=True))
    reach = math.ceil(radius) + 1
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    right, bottom = min(int(x) + reach + 1, width), min(int(y) + reach + 1, height)
    if left >= right or top >= bottom:
        return
    angle = body.angle + (0.5 * swing if motion == "rock" else 0.0)
    scale = 2 * radius / SPRITE_SIZE
    rotation = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    offset = np.array([x - left, y - top]) - rotation @ np.full(2, (SPRITE_SIZE - 1) / 2)
    drawn = cv2.warpAffine(picture, np.column_stack([rotation, offset]), (right - left, bottom - top))
    cover, pattern = drawn[..., :1], drawn[..., 1:]
    first, second = colours
    region = canvas[top:bottom, left:right]
    region[...] = region + cover * (first + (second - first) * pattern - region) + 0.5


def _bounce(position: float, side: int) -> float:
    """Reflect a position at 0 and ``side``."""
    position = position % (2 * side)
    return 2 * side - position if position > side else position
