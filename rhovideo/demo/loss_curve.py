"""The curve of a loss, and the demo's picture: some of its clips, and this curve below them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rhovideo.pictures.canvas import INK, PAPER, TITLE_HEIGHT, finish, stack, write
from rhovideo.pictures.contact_sheet import contact_sheet

_FAINT = (225, 222, 218)
_LINE = (190, 105, 35)


def curve(
    values: Sequence[float] | np.ndarray,
    path: str | Path | None = None,
    *,
    steps: Sequence[float] | np.ndarray | None = None,
    title: str = "loss",
    x_label: str = "step",
    width: int = 720,
    height: int = 300,
) -> np.ndarray:
    """A line plot with ticks at round numbers. Values that are not finite leave gaps.

    Args:
        values: what is plotted, from left to right; at least one finite value.
        path: PNG to write; None writes none.
        steps: their places on the x axis; 1, 2, ... by default.
        title: text above the plot.
        x_label: text below the x axis.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        The plot, uint8 RGB [height, width, 3].
    """
    y = np.asarray(values, np.float64)
    x = np.arange(1, len(y) + 1, dtype=np.float64) if steps is None else np.asarray(steps, np.float64)
    finite = np.isfinite(y)
    if x.shape != y.shape or not finite.any():
        raise ValueError(f"{len(y)} values at {len(x)} steps, {int(finite.sum())} finite: nothing to draw a curve of")
    picture = np.full((height, width, 3), PAPER, np.uint8)
    left, right, top, bottom = 64, width - 24, TITLE_HEIGHT + 6, height - 46
    y_ticks = _round_ticks(float(y[finite].min()), float(y[finite].max()), 5)
    x_ticks = _round_ticks(float(x.min()), float(x.max()), 6)
    x_low, x_high = float(x.min()), max(float(x.max()), float(x.min()) + 1e-9)

    def to_x(value: np.ndarray) -> np.ndarray:
        return left + (value - x_low) / (x_high - x_low) * (right - left)

    def to_y(value: np.ndarray) -> np.ndarray:
        return bottom - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top)

    for tick in y_ticks:
        row = round(float(to_y(tick)))
        cv2.line(picture, (left, row), (right, row), _FAINT, 1)
        write(picture, f"{tick:.6g}", (left - 8, row + 4), 0.4, align="right")
    for tick in x_ticks[(x_ticks >= x_low) & (x_ticks <= x_high)]:
        column = round(float(to_x(tick)))
        cv2.line(picture, (column, bottom), (column, bottom + 4), INK, 1)
        write(picture, f"{tick:.6g}", (column, bottom + 18), 0.4, align="centre")
    cv2.line(picture, (left, bottom), (right, bottom), INK, 1)
    write(picture, title, (left, 22), 0.55)
    write(picture, x_label, ((left + right) // 2, height - 8), 0.42, align="centre")
    _polyline(picture, np.column_stack([to_x(x), to_y(np.where(finite, y, y_ticks[0]))]), finite)
    return finish(picture, path)


def save_report(
    path: str | Path, clips: Sequence[np.ndarray], losses: Sequence[float] | np.ndarray, **texts: str
) -> np.ndarray:
    """Contact sheet and loss curve in one PNG.

    Args:
        path: PNG to write.
        clips: see :func:`rhovideo.pictures.contact_sheet.contact_sheet`.
        losses: see :func:`curve`.
        texts: ``sheet_title``, ``curve_title``, ``x_label``.

    Returns:
        The picture, uint8 RGB [height, width, 3].
    """
    sheet = contact_sheet(clips, title=texts.get("sheet_title", "Augmented clips"))
    plot = curve(
        losses,
        title=texts.get("curve_title", "Pre-training loss"),
        x_label=texts.get("x_label", "step"),
        width=max(sheet.shape[1], 480),
    )
    return finish(stack([sheet, plot], gap=0), path)


def _polyline(picture: np.ndarray, points: np.ndarray, finite: np.ndarray) -> None:
    """Draw the finite stretches; sixteenths of a pixel keep slopes smooth."""
    fixed = np.round(points * 16).astype(np.int32)
    for stretch in np.split(np.arange(len(points)), np.flatnonzero(np.diff(finite.astype(int))) + 1):
        if not finite[stretch[0]]:
            continue
        if len(stretch) == 1:
            cv2.circle(picture, tuple(int(c) for c in fixed[stretch[0]]), 2 * 16, _LINE, -1, cv2.LINE_AA, 4)
        else:
            cv2.polylines(picture, [fixed[stretch]], False, _LINE, 2, cv2.LINE_AA, 4)


def _round_ticks(low: float, high: float, about: int) -> np.ndarray:
    """Multiples of 1, 2 or 5 times a power of ten, from at most ``low`` to at least ``high``."""
    if high <= low:
        low, high = low - max(abs(low) * 0.05, 0.5), high + max(abs(high) * 0.05, 0.5)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((m for m in (1, 2, 5, 10) if m * power >= rough * 0.999), default=10)
    return np.arange(math.floor(low / step), math.ceil(high / step) + 1) * step
