"""Turning and mirroring pictures by the display matrix that cameras and phones write into a file."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType


def has_matrix(frame: av.VideoFrame) -> bool:
    """True if a frame has a display matrix, which defines how to turn and mirror it."""
    return _matrix(frame) is not None


class Orientation:
    """The pictures of one file that have to be turned or mirrored.

    Reading a frame's side data is costly: the frame's memory then returns to the decoder only when Python collects
    garbage. So it is read only for key frames, which may have another matrix than the file, and for one other frame,
    which shows the file's matrix. The rest are known by their rotation. It does not show a mirrored picture, so a
    stream whose frames between key frames have different matrices is mirrored as that one frame is.
    """

    def __init__(self) -> None:
        self._others: bool | None = None

    def is_turned(self, frame: av.VideoFrame) -> bool:
        """True if :func:`upright` may change this picture."""
        if frame.key_frame:
            return has_matrix(frame)
        if self._others is None:
            self._others = has_matrix(frame)
        return self._others or frame.rotation != 0


def upright(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror an image by the display matrix of its frame.

    Only right angles are supported, which is what cameras write; with other matrices the image stays as it is.

    Args:
        image: [H, W, C].
        frame: the frame that the image was made from.

    Returns:
        [H, W, C] or [W, H, C], a view.
    """
    matrix = _matrix(frame)
    if matrix is None:
        return image
    # The matrix moves a pixel from (x, y) to (a x + c y, b x + d y), x to the right and y down.
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
    straight, crossed = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(abs(b), abs(c)) < straight / 1000:
        flip_x, flip_y = a < 0, d < 0
    elif max(abs(a), abs(d)) < crossed / 1000:
        image = image.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    else:
        return image
    return image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _matrix(frame: av.VideoFrame) -> bytes | None:
    # PyAV's stub allows names alone as keys; the mapping takes types too.
    side_data: Any = frame.side_data
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    return None if matrix is None else bytes(matrix)
