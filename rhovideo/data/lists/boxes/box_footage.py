"""Where the frames of a video with boxes are: images that a frame list names, or a video file named by its id."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import frame_list_files
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.frame_lists import FrameListManifest
from rhovideo.data.lists.list_mistakes import VIDEO_ENDINGS
from rhovideo.data.lists.video_list import OpenVideo
from rhovideo.data.video.torchcodec_reader import open_video

# What to write where a list is one of video files.
_FOR_VIDEOS = ("AVA.VIDEO_DIR", "FOLDER_OF_THE_VIDEOS, in place of frame lists")


@dataclass(frozen=True)
class BoxFootage:
    """The videos of a split, by their ids.

    Attributes:
        lists: the frame lists; empty where the videos are files.
        places: the list and the row in it of each id.
        files: the file of each id; empty where there are frame lists.
    """

    lists: tuple[FrameListManifest, ...]
    places: dict[str, tuple[int, int]]
    files: dict[str, str]

    def known(self, names: Collection[str]) -> list[str]:
        """Those of some ids that are there: in the order of the frame lists, or, of files, as they come."""
        if self.lists:
            return [name for name in self.places if name in names]
        return [name for name in names if name in self.files]

    def path(self, name: str) -> str:
        """The folder of a video's frames, or its file."""
        if not self.lists:
            return self.files[name]
        number, row = self.places[name]
        return self.lists[number].path(row)

    def open_video(self, name: str, image_fps: float, backend: str) -> OpenVideo:
        """Open a video.

        Raises:
            VideoReadError: it cannot be read.
        """
        if not self.lists:
            return open_video(self.files[name], backend)
        number, row = self.places[name]
        return self.lists[number].open_video(row, image_fps, backend)


def open_footage(cfg: CfgNode, split: str) -> BoxFootage:
    """Find the videos of a split.

    Args:
        cfg: a loaded configuration: AVA.VIDEO_DIR, or AVA.FRAME_LIST_DIR with TRAIN_LISTS or TEST_LISTS, and FRAME_DIR.
        split: "train", "val" or "test".

    Raises:
        ManifestError: the folder holds no video, or a list is wrong.
        FileNotFoundError: there is no such folder or list.
    """
    if cfg.AVA.VIDEO_DIR:
        return BoxFootage((), {}, _video_files(cfg.AVA.VIDEO_DIR))
    prefix = cfg.AVA.FRAME_DIR or cfg.DATA.PATH_PREFIX
    lists = tuple(
        FrameListManifest.open(path, labels=None, prefix=prefix, cache_dir=cfg.DATA.MANIFEST_CACHE, videos=_FOR_VIDEOS)
        for path in frame_list_files(cfg, split)
    )
    places: dict[str, tuple[int, int]] = {}
    for number, manifest in enumerate(lists):
        for row in range(len(manifest)):
            places.setdefault(manifest.name(row), (number, row))
    return BoxFootage(lists, places, {})


def _video_files(folder: str) -> dict[str, str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(VIDEO_ENDINGS))
    if not names:
        raise ManifestError(
            f"{folder} holds no video: write the folder of the videos, each named by its id, such as -5KQ66BBWC4.mkv",
            keys=("AVA.VIDEO_DIR",),
        )
    return {os.path.splitext(name)[0]: os.path.join(folder, name) for name in names}
