"""Exact frames of one video file by index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.video.image_frames import ImageFrames
    from rhovideo.data.video.reader import Video, VideoReadError
    from rhovideo.data.video.torchcodec_reader import TorchcodecVideo, open_video

__all__ = ["ImageFrames", "TorchcodecVideo", "Video", "VideoReadError", "open_video"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ImageFrames": "rhovideo.data.video.image_frames",
        "TorchcodecVideo": "rhovideo.data.video.torchcodec_reader",
        "Video": "rhovideo.data.video.reader",
        "VideoReadError": "rhovideo.data.video.reader",
        "open_video": "rhovideo.data.video.torchcodec_reader",
    },
)
