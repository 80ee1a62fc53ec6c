"""Small pictures of videos as data URIs, a limited number of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

import av
import cv2
import numpy as np

from rhovideo.data.lists.video_list import OpenVideo
from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.reader import VideoReadError
from rhovideo.data.video.torchcodec_reader import open_video
from rhovideo.terminal import print_line

MOST = 1000
_SIDE = 112
_QUALITY = 72
_REPORTED_EVERY = 200

Opener = Callable[[], OpenVideo]


class Thumbnails:
    """The middle frames of videos, at most MOST of them, each read once.

    Args:
        openers: how to open videos that are no files, by their paths.
    """

    def __init__(self, openers: dict[str, Opener] | None = None) -> None:
        self.openers = dict(openers or {})
        self._made: dict[str, str] = {}

    def of(self, path: str) -> str:
        """A JPEG as a data URI; empty for a video that cannot be read, or where there are too many.

        Args:
            path: of the video.
        """
        if path not in self._made:
            if len(self._made) >= MOST:
                return ""
            self._made[path] = self._make(path)
        return self._made[path]

    def fill(self, paths: Iterable[str]) -> None:
        """Make the pictures of these videos, and say how far it is."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._made][: MOST - len(self._made)]
        for number, path in enumerate(wanted):
            if number and number % _REPORTED_EVERY == 0:
                print_line(f"thumbnails: {number} of {len(wanted)}")
            self.of(path)

    @property
    def left(self) -> int:
        """How many more can be made."""
        return MOST - len(self._made)

    def _make(self, path: str) -> str:
        frames: list[np.ndarray] = []

        def take(picture: Picture | RgbPicture, _: list[int]) -> None:
            frames.append(picture.rgb())

        try:
            opener = self.openers.get(path)
            with opener() if opener else open_video(path) as video:
                video.each(np.array([video.num_frames // 2]), take)
        except (VideoReadError, OSError, av.FFmpegError, cv2.error):
            return ""
        return jpeg(frames[0]) if frames else ""


def jpeg(frame: np.ndarray, most: int = _SIDE) -> str:
    """A small JPEG as a data URI.

    Args:
        frame: uint8 [H,W,3], RGB.
        most: pixels of its long side.
    """
    factor = most / max(frame.shape[:2])
    if factor < 1:
        size = (max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor)))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    return data_uri(data.tobytes(), "image/jpeg")


def data_uri(data: bytes, kind: str) -> str:
    """Bytes of a picture as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
