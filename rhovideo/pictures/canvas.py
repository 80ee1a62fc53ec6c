"""White paper to draw on with OpenCV: words, pictures below each other, and the PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rhovideo.atomic_files import written_whole

PAPER = (255, 255, 255)
INK = (60, 50, 45)
TITLE_HEIGHT = 34
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def title_line(text: str, scale: float = 0.55) -> np.ndarray:
    """A line of words on paper of their width, uint8 [H,W,3]."""
    size, _ = cv2.getTextSize(_drawable(text), _FONT, scale, 1)
    picture = np.full((TITLE_HEIGHT - 10, size[0] + 8, 3), PAPER, np.uint8)
    write(picture, text, (0, 16), scale)
    return picture


def _drawable(text: str) -> str:
    """The text in the characters that OpenCV's font has: others as Python writes them."""
    return text.encode("ascii", "backslashreplace").decode()


def write(
    picture: np.ndarray, text: str, place: tuple[int, int], scale: float, *, weight: int = 1, align: str = "left"
) -> None:
    """Write words into a picture, in place.

    Args:
        picture: uint8 [H,W,3].
        text: what is written.
        place: column and row of the left end of the words' base line; ``align`` names another end.
        scale: of OpenCV's font.
        weight: of the lines, pixels.
        align: "left", "centre" or "right".
    """
    text = _drawable(text)
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, weight)
    shift = {"left": 0, "centre": width // 2, "right": width}[align]
    cv2.putText(picture, text, (place[0] - shift, place[1]), _FONT, scale, INK, weight, cv2.LINE_AA)


def stack(pictures: Sequence[np.ndarray], gap: int) -> np.ndarray:
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
            value=PAPER,
        )
        for number, picture in enumerate(pictures)
    ]
    return np.concatenate(padded)


def finish(picture: np.ndarray, path: str | Path | None) -> np.ndarray:
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
