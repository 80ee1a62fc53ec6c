"""Contact sheets: the frames of clips in rows, or the clips of each video side by side while they play."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rhovideo.pictures.canvas import PAPER, finish, stack, title_line, write

_MARGIN = 16
_LABEL_WIDTH = 92


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
        groups.append(stack([title_line(names[number], 0.45), group], gap=2) if names else group)
    sheet = stack([*([title_line(title)] if title else []), *groups], gap=12)
    return finish(_with_margin(sheet), path)


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
    groups = [] if not title else [title_line(title)]
    for views, name, lines in zip(clips, names, rows, strict=True):
        cells = []
        for view, line in zip(views, lines, strict=True):
            frame = view[min(time, len(view) - 1)]
            factor = max(1, 160 // len(frame))
            cell = frame.repeat(factor, 0).repeat(factor, 1)
            below = np.full((18, cell.shape[1], 3), PAPER, np.uint8)
            write(below, line, (0, 13), 0.36)
            cells.append(
                cv2.copyMakeBorder(np.concatenate([cell, below]), 0, 0, 0, 4, cv2.BORDER_CONSTANT, value=PAPER)
            )
        groups.append(stack([title_line(name, 0.45), np.concatenate(cells, axis=1)], gap=2))
    return _with_margin(stack(groups, gap=8))


def _with_margin(picture: np.ndarray) -> np.ndarray:
    sides = _MARGIN
    return np.asarray(cv2.copyMakeBorder(picture, sides, sides, sides, sides, cv2.BORDER_CONSTANT, value=PAPER))


def _video_rows(views: np.ndarray, name: str, max_frames: int, lines: Sequence[str]) -> np.ndarray:
    """One picture of [V,T,S,S,3]: a label before each row, thin gaps between the frames."""
    shown = np.unique(np.linspace(0, views.shape[1] - 1, min(max_frames, views.shape[1])).round().astype(int))
    side = views.shape[2]
    # Small crops are enlarged by a whole factor, so that every pixel stays visible.
    factor = max(1, 96 // side)
    rows = []
    for number, view in enumerate(views):
        label = np.full((side * factor, _LABEL_WIDTH, 3), PAPER, np.uint8)
        below = 36 if number == 0 and name else 16
        if number == 0 and name:
            write(label, name, (0, 16), 0.48, weight=1)
        write(label, f"clip {number + 1}", (0, below), 0.42)
        if lines:
            write(label, lines[number], (0, below + 18), 0.36)
        cells = [label]
        for index in shown:
            frame = view[index].repeat(factor, 0).repeat(factor, 1)
            cells.append(cv2.copyMakeBorder(frame, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=PAPER)[1:-1])
        rows.append(np.concatenate(cells, axis=1))
    return stack(rows, gap=3)
