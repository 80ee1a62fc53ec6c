"""A video whose frames are image files."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from rhovideo.data.decoding import VideoReadError


class Paths(Protocol):
    """A sequence of paths."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> str: ...


class ImageFrames:
    """Frames as :class:`rhovideo.data.decoding.Video` gives them, read from one image each.

    Args:
        path: of the video, for messages.
        images: the images' paths in the order of time.
        fps: frames a second that they count as.

    Attributes:
        num_frames: how many images there are.
    """

    def __init__(self, path: str, images: Paths, fps: float) -> None:
        self.path = path
        self.num_frames = len(images)
        self.fps = fps
        self._images = images

    def __enter__(self) -> ImageFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def frames(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read the images at these indices, each once however often it is asked for.

        Args:
            indices: 0 to ``num_frames - 1``, in any order, at least one.

        Returns:
            uint8 [len(indices), H, W, 3] RGB.

        Raises:
            IndexError: an index lies outside of the video.
            VideoReadError: an image is missing or damaged, or not of the others' size.
        """
        wanted, places = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1), return_inverse=True)
        if not (wanted[0] >= 0 and wanted[-1] < self.num_frames):
            raise IndexError(f"{self.path}: frames {wanted[0]} to {wanted[-1]} of {self.num_frames}")
        images = [self._read(int(index)) for index in wanted]
        sizes = {image.shape for image in images}
        if len(sizes) > 1:
            listed = ", ".join(f"{width}x{height}" for height, width, _ in sorted(sizes))
            raise VideoReadError(self.path, f"its frames are not of one size: {listed}")
        return np.stack([images[place] for place in places])

    def _read(self, index: int) -> np.ndarray:
        """One image, uint8 [H, W, 3] RGB."""
        path = self._images[index]
        try:
            data = np.fromfile(path, np.uint8)
        except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
            reason = getattr(error, "strerror", None) or error
            raise VideoReadError(self.path, f"frame {index}, {path!r}: {reason}") from error
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise VideoReadError(self.path, f"frame {index}, {path}: is no image")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
