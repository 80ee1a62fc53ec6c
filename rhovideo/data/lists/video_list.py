"""The interface of a data set: a list of videos, and videos that can be opened. Your data set has the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Protocol

import numpy as np

from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.lists.mixtures import Mixture
from rhovideo.data.video.reader import Taker
from rhovideo.data.video.torchcodec_reader import open_video


class OpenVideo(Protocol):
    """An open video: :class:`rhovideo.data.Video`, :class:`rhovideo.data.IndexedFrames`, or your class.

    Attributes:
        num_frames: the number of frames.
        fps: frames per second.
    """

    num_frames: int
    fps: float

    def __enter__(self) -> OpenVideo: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def each(self, indices: np.ndarray, take: Taker) -> None:
        """Call ``take(picture, places)`` with the frame of each index, in the order of time, each frame once.

        Args:
            indices: 0 to ``num_frames - 1``, in any order, with repeats.
            take: gets the picture, such as a :class:`rhovideo.data.RgbPicture`, and its places in ``indices``.
        """


class VideoList:
    """A list of video files in memory; override :meth:`open_video` to read other formats.

    A registered data set may return this class, a subclass, or any object with the same names. The list is pickled into
    the worker processes, so open files and connections in :meth:`open_video`, not before.

    Args:
        name: of the list, for messages.
        paths: of each video; messages show them, and :meth:`open_video` opens them.
        labels: of each video, from 0; -1 for a video without a label. None: the list has no labels.
        label_sets: the labels of each video that may have several (DATA.MULTI_LABEL), in place of ``labels``.

    Attributes:
        csv: ``name``; of a list that was read from a file, its path.

    Raises:
        ValueError: there is no video, or not one label or set of labels for each; or a label is below 0.

    Example::

        @rhovideo.register_dataset("frames")
        def open_list(cfg, split):
            return FrameArrays(split, sorted(Path(cfg.DATA.PATH_TO_DATA_DIR, split).glob("*.npy")))

        class FrameArrays(VideoList):
            def open_video(self, index, image_fps, backend="pyav"):
                frames = np.load(self.path(index), mmap_mode="r")  # uint8 [N, H, W, 3]
                return IndexedFrames(self.path(index), len(frames), image_fps, frames.__getitem__)
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[object],
        labels: Sequence[int] | None = None,
        label_sets: Sequence[Collection[int]] | None = None,
    ) -> None:
        if not paths:
            raise ValueError(f"{name} lists no video")
        if labels is not None and len(labels) != len(paths):
            raise ValueError(f"{name} has {len(paths)} videos and {len(labels)} labels")
        if label_sets is not None and len(label_sets) != len(paths):
            raise ValueError(f"{name} has {len(paths)} videos and {len(label_sets)} sets of labels")
        self._sets = None if label_sets is None else [tuple(sorted({int(one) for one in each})) for each in label_sets]
        if self._sets and min((each[0] for each in self._sets if each), default=0) < 0:
            raise ValueError(f"{name} has a label below 0: give an empty set where a video has no label")
        self.csv = name
        self._paths = [str(path) for path in paths]
        self.labels = np.full(len(paths), NO_LABEL, np.int64) if labels is None else np.asarray(labels, np.int64)

    # A list in memory is no mixture.
    mixture: Mixture | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, index: int) -> str:
        """The path or name of video ``index``."""
        return self._paths[index]

    def label(self, index: int) -> int:
        """The label of video ``index``, -1 if it has none."""
        return int(self.labels[index])

    def line(self, index: int) -> int:
        """The place of video ``index`` in the list, from 1, for messages."""
        return index + 1

    @property
    def num_classes(self) -> int:
        """The largest label plus one; 0 if no video has a label."""
        if self._sets is not None:
            return max((each[-1] for each in self._sets if each), default=-1) + 1
        return int(self.labels.max()) + 1

    def label_set(self, index: int, first: int | None = None, last: int | None = None) -> tuple[int, ...]:
        """The labels of video ``index``, ascending; override it where a part of a video has labels of its own.

        Args:
            index: its place in the list, from 0.
            first: the first frame of a part of the video; None: of the whole video.
            last: the last frame of that part, inclusive.
        """
        if self._sets is not None:
            return self._sets[index]
        return tuple(label for label in (self.label(index),) if label != NO_LABEL)

    @property
    def has_labels(self) -> bool:
        """True if at least one video has a label."""
        return self.num_classes > 0

    def open_video(self, index: int, image_fps: float, backend: str = "pyav") -> OpenVideo:
        """Open video ``index`` for reading frames.

        Args:
            index: its place in the list, from 0.
            image_fps: frames per second for a video whose file has no rate (DATA.TARGET_FPS).
            backend: the decoder, "pyav" or "torchcodec" (DATA.DECODING_BACKEND).

        Returns:
            The video.

        Raises:
            VideoReadError: it cannot be read. Training counts it, lists it, and takes another video.
            OSError: as VideoReadError.
        """
        return open_video(self.path(index), backend)
