"""The shapes, textures and backgrounds that :mod:`rhovideo.data.synthetic` puts together."""

from __future__ import annotations

import math

import cv2
import numpy as np

# Side of the square picture of a shape, pixels; its circumscribed circle touches the sides.
SPRITE_SIZE = 64
_SUPERSAMPLING = 4


def _star(points: int, inner: float) -> np.ndarray:
    angles = np.arange(2 * points) * math.pi / points
    radii = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])


def _cross(arm: float) -> np.ndarray:
    reach = math.sqrt(1 - arm * arm)
    corner = [(reach, arm), (arm, arm), (arm, reach), (-arm, reach), (-arm, arm), (-reach, arm)]
    return np.array([*corner, *[(-x, -y) for x, y in corner]])


# Outlines in the unit circle: each a list of polygons, the second one a hole.
SHAPES: dict[str, list[np.ndarray]] = {
    "triangle": [_star(3, 0.5)],
    "cross": [_cross(0.28)],
    "ring": [_star(24, 1.0), 0.55 * _star(24, 1.0)],
    "star": [_star(5, 0.42)],
    "bar": [np.array([(0.94, 0.33), (-0.94, 0.33), (-0.94, -0.33), (0.94, -0.33)])],
    "square": [np.array([(0.7, 0.7), (-0.7, 0.7), (-0.7, -0.7), (0.7, -0.7)])],
}


def sprite(shape: str, rng: np.random.Generator) -> np.ndarray:
    """A shape with a texture drawn at random.

    Returns:
        float32 [SPRITE_SIZE, SPRITE_SIZE, 2] in 0..1: cover, and where between its two colours the texture lies.
    """
    large = SPRITE_SIZE * _SUPERSAMPLING
    cover = np.zeros((large, large), np.uint8)
    polygons = [np.round((outline + 1) * (large - 1) / 2).astype(np.int32) for outline in SHAPES[shape]]
    # Even-odd filling makes the second outline a hole.
    cv2.fillPoly(cover, polygons, 255)
    cover = cv2.resize(cover, (SPRITE_SIZE, SPRITE_SIZE), interpolation=cv2.INTER_AREA)
    texture = list(TEXTURES.values())[list(SHAPES).index(shape)]
    return np.dstack([cover, texture(SPRITE_SIZE, rng)]).astype(np.float32) / 255


def _grid(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels in -1..1, turned by a random angle."""
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    angle = rng.uniform(0, 2 * math.pi)
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _as_bytes(wave: np.ndarray) -> np.ndarray:
    """A wave in -1..1 with its flanks made steeper, uint8."""
    return (127.5 + 127.5 * np.clip(3 * wave, -1, 1)).astype(np.uint8)


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    return _as_bytes(np.sin(math.pi * rng.uniform(3.5, 5.0) * x + rng.uniform(0, 6)))


def _checks(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    pitch = math.pi * rng.uniform(2.2, 3.2)
    return _as_bytes(np.sin(pitch * x) * np.sin(pitch * y))


def _plain(size: int, rng: np.random.Generator) -> np.ndarray:
    return np.full((size, size), 255, np.uint8)


def _halves(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    return _as_bytes(4 * x)


def _rings(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    return _as_bytes(np.cos(math.pi * rng.uniform(3.5, 5.0) * np.hypot(x, y)))


def _dots(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    pitch = math.pi * rng.uniform(2.5, 3.5)
    return _as_bytes(np.cos(pitch * x) + np.cos(pitch * y) - 0.8)


# One for each shape, in their order; a ring needs more than a plain one for its turning to be seen.
TEXTURES = {"checks": _checks, "plain": _plain, "stripes": _stripes, "dots": _dots, "rings": _rings, "halves": _halves}


def background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A picture of coloured clouds, coarse and fine, and stripes: uint8 [height, width, 3]."""
    total = rng.uniform(50, 205, (1, 1, 3)).repeat(height, 0).repeat(width, 1).astype(np.float32)
    for cell, strength in ((48, rng.uniform(8, 30)), (16, rng.uniform(0, 8))):
        coarse = rng.normal(0, strength, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    heading = rng.uniform(0, math.pi)
    wave = np.sin((x * math.cos(heading) + y * math.sin(heading)) * 2 * math.pi / rng.uniform(6, 40))
    total += wave[..., None] * rng.uniform(-6, 6, 3)
    return np.clip(total, 0, 255).astype(np.uint8)
