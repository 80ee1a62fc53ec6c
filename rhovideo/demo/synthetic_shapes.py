"""The shapes, textures and backgrounds that :mod:`rhovideo.demo.synthetic_videos` puts together."""

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
    "triangle": [_star(3, 0.5)[:, ::-1] * (1, -1)],
    "cross": [_cross(0.28)],
    "ring": [_star(24, 1.0), 0.55 * _star(24, 1.0)],
    "star": [_star(5, 0.42)],
    "square": [np.array([(0.7, 0.7), (-0.7, 0.7), (-0.7, -0.7), (0.7, -0.7)])],
    "bar": [np.array([(0.94, 0.33), (-0.94, 0.33), (-0.94, -0.33), (0.94, -0.33)])],
}


def sprite(shape: str, rng: np.random.Generator) -> np.ndarray:
    """A shape with its texture, whose grain and place are drawn at random.

    Returns:
        float32 [SPRITE_SIZE, SPRITE_SIZE, 2] in 0..1: cover, and where between its two colours the texture lies.
    """
    large = SPRITE_SIZE * _SUPERSAMPLING
    cover: np.ndarray = np.zeros((large, large), np.uint8)
    polygons = [np.round((outline + 1) * (large - 1) / 2).astype(np.int32) for outline in SHAPES[shape]]
    # Even-odd filling makes the second outline a hole.
    cv2.fillPoly(cover, polygons, 255)
    cover = cv2.resize(cover, (SPRITE_SIZE, SPRITE_SIZE), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[:SPRITE_SIZE, :SPRITE_SIZE] * (2.0 / (SPRITE_SIZE - 1)) - 1.0
    grain = rng.uniform(0.7, 1.4)
    wave = TEXTURES[shape](grain * x, grain * y, rng.uniform(0, 2 * math.pi))
    # Steep flanks: mostly one colour or the other.
    texture = 0.5 + 0.5 * np.clip(3 * wave, -1, 1)
    return np.dstack([cover / 255, texture]).astype(np.float32)


def _stripes(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.sin(5 * math.pi * x + phase)


def _checks(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.sin(4 * math.pi * x + phase) * np.sin(4 * math.pi * y + phase)


def _rings(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.sin(5 * math.pi * np.hypot(x, y) + phase)


def _spokes(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.sin(5 * np.arctan2(y, x) + phase)


def _dots(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.maximum(np.cos(5 * math.pi * x + phase), 0) * np.maximum(np.cos(5 * math.pi * y), 0) - 0.25


def _zigzag(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    return np.sin(4 * math.pi * (x + 0.5 * np.abs(np.mod(2 * y, 2) - 1)) + phase)


# From coordinates in about -1..1 to a wave in -1..1.
TEXTURES = {"triangle": _stripes, "cross": _checks, "ring": _rings, "star": _spokes, "square": _zigzag, "bar": _dots}


def background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A picture of coloured clouds, coarse and fine: uint8 [height, width, 3]."""
    colour = np.clip(rng.uniform(60, 195) + rng.uniform(-40, 40, 3), 0, 255)
    total = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
    for cell, strength in ((32, rng.uniform(5, 25)), (8, rng.uniform(0, 12)), (4, rng.uniform(0, 4))):
        coarse = rng.normal(0, strength, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)
