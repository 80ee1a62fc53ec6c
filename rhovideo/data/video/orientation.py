"""Turning pictures the way their file says, as cameras and phones write it."""

from __future__ import annotations

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType


def has_matrix(frame: av.VideoFrame) -> bool:
    """Whether a frame has a display matrix, which says how it is to be turned or mirrored."""
    return frame.side_data.get(SideDataType.DISPLAYMATRIX) is not None


class Orientation:
    """Which pictures of one file are to be turned or mirrored.

    A frame that was asked for its side data returns its memory to the decoder only when Python collects garbage, so
    only key frames are, which may bring a matrix of their own, and one of the others: a file's own matrix is that of
    all of them. A stream that brings matrices with other frames is mirrored from top to bottom, which alone their
    rotation does not tell, where that one is.
    """

    def __init__(self) -> None:
        self._others: bool | None = None

    def is_turned(self, frame: av.VideoFrame) -> bool:
        """Whether :func:`upright` would change this picture."""
        if frame.key_frame:
            return has_matrix(frame)
        if self._others is None:
            self._others = has_matrix(frame)
        return self._others or frame.rotation != 0


def upright(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror an image as the display matrix of its frame says.

    Only right angles are followed, as cameras write them; other matrices leave the image as it is.

    Args:
        image: [H, W, C].
        frame: the frame that it was made from.

    Returns:
        [H, W, C] or [W, H, C], a view.
    """
    matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return image
    # Rows of the matrix send a pixel (x, y) to (a x + c y, b x + d y), x to the right and y down.
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()
    straight, crossed = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(abs(b), abs(c)) < straight / 1000:
        flip_x, flip_y = a < 0, d < 0
    elif max(abs(a), abs(d)) < crossed / 1000:
        image = image.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    else:
        return image
    return image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
