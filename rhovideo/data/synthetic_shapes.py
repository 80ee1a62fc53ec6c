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
        uint8 [SPRITE_SIZE, SPRITE_SIZE, 2]: cover, and where between its two colours the texture lies.
    """
    large = SPRITE_SIZE * _SUPERSAMPLING
    cover = np.zeros((large, large), np.uint8)
    polygons = [np.round((outline + 1) * (large - 1) / 2).astype(np.int32) for outline in SHAPES[shape]]
    # Even-odd filling makes the second outline a hole.
    cv2.fillPoly(cover, polygons, 255)
    cover = cv2.resize(cover, (SPRITE_SIZE, SPRITE_SIZE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.dstack([cover, _stripes(SPRITE_SIZE, rng)]))


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes of random direction and width, uint8 [size, size]."""
    y, x = np.mgrid[:size, :size] / size
    heading = rng.uniform(0, math.pi)
    wave = np.sin(
        2 * math.pi * rng.uniform(1.0, 3.0) * (x * math.cos(heading) + y * math.sin(heading)) + rng.uniform(0, 6)
    )
    return (127.5 + 127.5 * np.clip(2 * wave, -1, 1)).astype(np.uint8)


def background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A picture of coloured clouds, coarse and fine, and stripes: uint8 [height, width, 3]."""
    total = rng.uniform(40, 215, (1, 1, 3)).repeat(height, 0).repeat(width, 1).astype(np.float32)
    for cell, strength in ((32, rng.uniform(10, 60)), (8, rng.uniform(0, 25)), (3, rng.uniform(0, 15))):
        coarse = rng.normal(0, strength, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    heading = rng.uniform(0, math.pi)
    wave = np.sin((x * math.cos(heading) + y * math.sin(heading)) * 2 * math.pi / rng.uniform(6, 40))
    total += wave[..., None] * rng.uniform(-20, 20, 3)
    return np.clip(total, 0, 255).astype(np.uint8)
