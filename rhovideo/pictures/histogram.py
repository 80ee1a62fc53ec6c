"""A histogram of durations, drawn with OpenCV: no library for figures is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from rhovideo.pictures.canvas import INK, PAPER, finish, stack, title_line, write

_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE = 640, 200, 70, 34, 12
_BINS = 40
_BAR = (0, 114, 178)


def draw_durations(seconds: Mapping[str, np.ndarray], path: str | Path | None = None) -> np.ndarray:
    """Draw the durations of lists below each other, each with its own axis of seconds.

    Args:
        seconds: by the name of the list, float64 [N].
        path: of the PNG file; None writes none.

    Returns:
        uint8 [H,W,3], RGB.
    """
    pictures = []
    for name, values in seconds.items():
        known = f"{name}: {len(values):,} videos, {values.mean():.1f} +- {values.std():.1f} s" if len(values) else name
        edges = np.linspace(0, float(values.max()) if len(values) else 1.0, _BINS + 1)
        pictures += [title_line(known), _bars(np.histogram(values, edges)[0], edges)]
    return finish(stack(pictures, 4), path)


def _bars(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    picture = np.full((_ABOVE + _HEIGHT + _BELOW, _LEFT + _WIDTH + 30, 3), PAPER, np.uint8)
    base, top = _ABOVE + _HEIGHT, max(int(counts.max()), 1)
    step = _WIDTH // len(counts)
    for number, count in enumerate(counts.tolist()):
        height = round(count / top * _HEIGHT)
        # A bin with a video is seen, however many others have.
        height = max(height, 1) if count else 0
        left = _LEFT + number * step
        cv2.rectangle(picture, (left, base - height), (left + step - 2, base), _BAR if height else PAPER, -1)
    cv2.line(picture, (_LEFT, base), (_LEFT + step * len(counts), base), INK, 1)
    for place in range(0, len(edges), len(counts) // 4):
        write(picture, f"{edges[place]:.4g} s", (_LEFT + place * step, base + 20), 0.42, align="centre")
    write(picture, f"{top:,}", (_LEFT - 8, _ABOVE + 10), 0.42, align="right")
    write(picture, "videos", (_LEFT - 8, _ABOVE + 26), 0.36, align="right")
    return picture
