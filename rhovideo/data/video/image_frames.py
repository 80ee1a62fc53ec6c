"""Videos whose frames are read one by one, by their number: from image files, or by your function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from rhovideo.data.video.picture.frame import RgbPicture
from rhovideo.data.video.picture.size_limit import why_image_too_large
from rhovideo.data.video.reader import Taker, VideoReadError


class Paths(Protocol):
    """A sequence of paths."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> str: ...


class IndexedFrames:
    """Pictures as :class:`rhovideo.data.video.reader.Video` hands them out, each read by its number.

    Args:
        path: of the video, for messages.
        num_frames: the number of frames.
        fps: frames per second.
        read: takes a frame's number and returns its pixels, uint8 [H, W, 3] RGB; called once for each wanted frame.
    """

    def __init__(self, path: str, num_frames: int, fps: float, read: Callable[[int], np.ndarray]) -> None:
        self.path = path
        self.num_frames = num_frames
        self.fps = fps
        self._read = read

    def __enter__(self) -> IndexedFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def each(self, indices: Sequence[int] | np.ndarray, take: Taker) -> None:
        """Hand out the frames at these indices in the order of time, each frame once.

        Args:
            indices: 0 to ``num_frames - 1``, in any order; repeats are allowed.
            take: called with each frame and its places in ``indices``.

        Raises:
            IndexError: an index lies outside of the video.
            VideoReadError: a frame is missing or damaged, or not of the others' size.
        """
        wanted, which = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1), return_inverse=True)
        if wanted.size and not (wanted[0] >= 0 and wanted[-1] < self.num_frames):
            raise IndexError(f"{self.path}: frames {wanted[0]} to {wanted[-1]} of {self.num_frames}")
        first = None
        for row, index in enumerate(wanted.tolist()):
            image = self._read(index)
            first = first or image.shape
            if image.shape != first:
                raise VideoReadError(
                    self.path,
                    f"its frames are not of one size: frame {index} has {image.shape[1]}x{image.shape[0]}, those "
                    f"before it {first[1]}x{first[0]}",
                )
            take(RgbPicture(image), np.flatnonzero(which == row).tolist())


class ImageFrames(IndexedFrames):
    """A video whose frames are image files.

    Args:
        path: of the video, for messages.
        images: the images' paths in the order of time.
        fps: frames per second to use for them.

    Attributes:
        images: as given.
    """

    def __init__(self, path: str, images: Paths, fps: float) -> None:
        super().__init__(path, len(images), fps, partial(_read_image, path, images))
        self.images = images


def _read_image(video: str, images: Paths, index: int) -> np.ndarray:
    """One image of a video, uint8 [H, W, 3] RGB."""
    path = images[index]
    try:
        data = np.fromfile(path, np.uint8)
    except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise VideoReadError(video, f"frame {index}, {path!r}: {reason}") from error
    if too_large := why_image_too_large(data.tobytes()):
        raise VideoReadError(video, f"frame {index}, {path}: {too_large}")
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise VideoReadError(video, f"frame {index}, {path}: is not an image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
