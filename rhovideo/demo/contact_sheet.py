"""Pictures to look at: a contact sheet of augmented clips and the curve of a loss, drawn with OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rhovideo.atomic_files import written_whole

_PAPER = (255, 255, 255)
_INK = (60, 50, 45)
_FAINT = (225, 222, 218)
_LINE = (190, 105, 35)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN = 16
_LABEL_WIDTH = 92
_TITLE_HEIGHT = 34


def contact_sheet(
    clips: Sequence[np.ndarray],
    path: str | Path | None = None,
    *,
    title: str = "",
    max_frames: int = 8,
    names: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (),
) -> np.ndarray:
    """Rows of frames: a group of rows for each video, a row for each of its clips.

    Args:
        clips: one uint8 RGB [V,T,S,S,3] a video (V clips or views).
        path: PNG to write; None writes none.
        title: above the sheet.
        max_frames: frames shown of a clip, evenly spread.
        names: a line above the rows of each video; empty: "video 1" and so on before its first row.
        rows: a line below "clip 1" and so on, for each clip of each video, such as its times.

    Returns:
        The sheet, uint8 RGB [height, width, 3].
    """
    clips = [np.asarray(views) for views in clips]
    if not clips or any(views.dtype != np.uint8 or views.ndim != 5 or 0 in views.shape for views in clips):
        raise ValueError("clips must be a non-empty list of non-empty uint8 arrays [V,T,S,S,3], one a video")
    groups = []
    for number, views in enumerate(clips):
        name = "" if names else f"video {number + 1}"
        group = _video_rows(views, name, max_frames, rows[number] if rows else ())
        groups.append(_stack([_title(names[number], 0.45), group], gap=2) if names else group)
    sheet = _stack([*([_title(title)] if title else []), *groups], gap=12)
    return _finish(_with_margin(sheet), path)


def playing_sheet(
    clips: Sequence[np.ndarray], time: int, names: Sequence[str], rows: Sequence[Sequence[str]], title: str = ""
) -> np.ndarray:
    """One picture of a film in which the clips of each video play side by side.

    Args:
        clips: one uint8 RGB [V,T,S,S,3] a video.
        time: the frame that is shown, from 0; a shorter clip keeps its last.
        names: a line above each video.
        rows: a line below each clip of each video, such as its times.
        title: above all.

    Returns:
        uint8 RGB [height, width, 3], of the same size for every time.
    """
    groups = [] if not title else [_title(title)]
    for views, name, lines in zip(clips, names, rows, strict=True):
        cells = []
        for view, line in zip(views, lines, strict=True):
            frame = view[min(time, len(view) - 1)]
            factor = max(1, 160 // len(frame))
            cell = frame.repeat(factor, 0).repeat(factor, 1)
            below = np.full((18, cell.shape[1], 3), _PAPER, np.uint8)
            _write(below, line, (0, 13), 0.36)
            cells.append(
                cv2.copyMakeBorder(np.concatenate([cell, below]), 0, 0, 0, 4, cv2.BORDER_CONSTANT, value=_PAPER)
            )
        groups.append(_stack([_title(name, 0.45), np.concatenate(cells, axis=1)], gap=2))
    return _with_margin(_stack(groups, gap=8))


def _with_margin(picture: np.ndarray) -> np.ndarray:
    sides = _MARGIN
    return np.asarray(cv2.copyMakeBorder(picture, sides, sides, sides, sides, cv2.BORDER_CONSTANT, value=_PAPER))


def _video_rows(views: np.ndarray, name: str, max_frames: int, lines: Sequence[str]) -> np.ndarray:
    """One picture of [V,T,S,S,3]: a label before each row, thin gaps between the frames."""
    shown = np.unique(np.linspace(0, views.shape[1] - 1, min(max_frames, views.shape[1])).round().astype(int))
    side = views.shape[2]
    # Small crops are enlarged by a whole factor, so that every pixel stays visible.
    factor = max(1, 96 // side)
    rows = []
    for number, view in enumerate(views):
        label = np.full((side * factor, _LABEL_WIDTH, 3), _PAPER, np.uint8)
        below = 36 if number == 0 and name else 16
        if number == 0 and name:
            _write(label, name, (0, 16), 0.48, weight=1)
        _write(label, f"clip {number + 1}", (0, below), 0.42)
        if lines:
            _write(label, lines[number], (0, below + 18), 0.36)
        cells = [label]
        for index in shown:
            frame = view[index].repeat(factor, 0).repeat(factor, 1)
            cells.append(cv2.copyMakeBorder(frame, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=_PAPER)[1:-1])
        rows.append(np.concatenate(cells, axis=1))
    return _stack(rows, gap=3)


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
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    left, right, top, bottom = 64, width - 24, _TITLE_HEIGHT + 6, height - 46
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
        _write(picture, f"{tick:.6g}", (left - 8, row + 4), 0.4, align="right")
    for tick in x_ticks[(x_ticks >= x_low) & (x_ticks <= x_high)]:
        column = round(float(to_x(tick)))
        cv2.line(picture, (column, bottom), (column, bottom + 4), _INK, 1)
        _write(picture, f"{tick:.6g}", (column, bottom + 18), 0.4, align="centre")
    cv2.line(picture, (left, bottom), (right, bottom), _INK, 1)
    _write(picture, title, (left, 22), 0.55)
    _write(picture, x_label, ((left + right) // 2, height - 8), 0.42, align="centre")
    _polyline(picture, np.column_stack([to_x(x), to_y(np.where(finite, y, y_ticks[0]))]), finite)
    return _finish(picture, path)


def save_report(
    path: str | Path, clips: Sequence[np.ndarray], losses: Sequence[float] | np.ndarray, **texts: str
) -> np.ndarray:
    """Contact sheet and loss curve in one PNG.

    Args:
        path: PNG to write.
        clips: see :func:`contact_sheet`.
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
    return _finish(_stack([sheet, plot], gap=0), path)


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


def _title(text: str, scale: float = 0.55) -> np.ndarray:
    size, _ = cv2.getTextSize(_drawable(text), _FONT, scale, 1)
    picture = np.full((_TITLE_HEIGHT - 10, size[0] + 8, 3), _PAPER, np.uint8)
    _write(picture, text, (0, 16), scale)
    return picture


def _drawable(text: str) -> str:
    """The text in the characters that OpenCV's font has: others as Python writes them."""
    return text.encode("ascii", "backslashreplace").decode()


def _write(
    picture: np.ndarray, text: str, place: tuple[int, int], scale: float, *, weight: int = 1, align: str = "left"
) -> None:
    text = _drawable(text)
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, weight)
    shift = {"left": 0, "centre": width // 2, "right": width}[align]
    cv2.putText(picture, text, (place[0] - shift, place[1]), _FONT, scale, _INK, weight, cv2.LINE_AA)


def _stack(pictures: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Pictures below each other, on paper as wide as the widest."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        cv2.copyMakeBorder(
            picture,
            0,
            gap if number < len(pictures) - 1 else 0,
            0,
            width - picture.shape[1],
            cv2.BORDER_CONSTANT,
            value=_PAPER,
        )
        for number, picture in enumerate(pictures)
    ]
    return np.concatenate(padded)


def _finish(picture: np.ndarray, path: str | Path | None) -> np.ndarray:
    """Write the RGB picture where a path is given, and return it."""
    if path is not None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        ok, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if not ok:
            raise OSError(f"{path}: OpenCV could not encode the picture as PNG")
        with written_whole(path) as file:
            file.write(data.tobytes())
    return picture
