"""Pictures of absurd sizes are refused by their headers, before they take memory."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from rhovideo.data.video.image_frames import ImageFrames
from rhovideo.data.video.picture import size_limit
from rhovideo.data.video.picture.size_limit import MAX_PIXELS, why_image_too_large, why_too_large
from rhovideo.data.video.reader import Video, VideoReadError
from tests.data.unusual_videos import png_header, write_declaring
from tests.data.video_files import write_video


@pytest.mark.parametrize("suffix", ["mov", "avi"])
def test_a_video_is_refused_by_its_header(suffix, tmp_path):
    path = write_declaring(tmp_path / f"video.{suffix}", 16000, 16000)
    with pytest.raises(VideoReadError, match=r"declares pictures of 16000x16000 pixels, 0\.77 GB .* smaller copy"):
        Video(path)


@pytest.mark.parametrize(("width", "height"), [(9000, 8000), (16000, 16000), (60000, 60000)])
def test_an_image_is_refused_by_its_header(width, height, tmp_path):
    good, large = tmp_path / "0.png", tmp_path / "1.png"
    cv2.imwrite(str(good), np.zeros((4, 6, 3), np.uint8))
    large.write_bytes(png_header(width, height))
    with ImageFrames("video", [str(good), str(large)], 30) as video:
        video.each([0], lambda picture, places: None)
        with pytest.raises(VideoReadError, match=rf"^video: frame 1, {re.escape(str(large))}: declares .*smaller copy"):
            video.each([0, 1], lambda picture, places: None)


def test_the_limit_allows_8k_and_leaves_other_mistakes_to_the_decoder():
    assert why_too_large(7680, 4320) == why_too_large(8192, 8192) == why_too_large(0, 0) == ""
    assert str(MAX_PIXELS) in why_too_large(8192, 8193)
    assert why_image_too_large(b"no image") == why_image_too_large(b"\x89PNG\r\n\x1a\n") == ""


def test_pictures_that_grow_on_the_way_are_not_decoded(tmp_path, monkeypatch):
    """The header of the container may declare less than the stream itself: the decoder has the limit, too."""
    path = write_video(tmp_path / "video.mp4", "libx264", size=(160, 120))
    monkeypatch.setattr("rhovideo.data.video.stream.decoding.DECODER_LIMITS", {"max_pixels": "1000"})
    with Video(path) as video, pytest.raises(VideoReadError, match="decode"):
        video.frames([0])
    assert size_limit.MAX_PIXELS > 1000
