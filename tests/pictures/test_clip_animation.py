"""Animated clips and films play in the right order, at the right speed, and next to each other."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from rhovideo.pictures.clip_animation import animated_clips, side_by_side, write_film


def grey_clips(views=2, frames=5, side=33):
    """A frame of view v and time t is grey v * 100 + t * 15."""
    levels = np.arange(views)[:, None] * 100 + np.arange(frames) * 15
    return np.broadcast_to(levels[..., None, None, None], (views, frames, side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_an_animated_picture_shows_every_frame_of_every_view_and_begins_anew(kind):
    clips = grey_clips()
    with Image.open(io.BytesIO(animated_clips(clips, 10, kind))) as picture:
        assert (picture.n_frames, picture.info["loop"]) == (5, 0)
        for time in range(5):
            picture.seek(time)
            picture.load()
            assert picture.info["duration"] == 100
            pixels = np.asarray(picture.convert("RGB")).astype(int)
            assert np.abs(pixels[10, [10, 45], 0] - clips[:, time, 0, 0, 0]).max() <= 3


def test_large_views_are_made_smaller():
    assert side_by_side(grey_clips(side=64), max_side=32).shape == (5, 32, 68, 3)


def test_what_is_no_clip_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        side_by_side(np.zeros((2, 3, 4, 4, 3), np.float32))


def test_a_film_plays_at_its_rate_for_some_seconds(tmp_path):
    frames = side_by_side(grey_clips())
    write_film(tmp_path / "deep" / "clips.mp4", frames, 7.5)
    with av.open(str(tmp_path / "deep" / "clips.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert float(film.streams.video[0].average_rate) == 7.5
    assert 5 <= len(pictures) / 7.5 <= 8
    assert len(pictures) % 5 == 0
    for time, picture in enumerate(pictures):
        assert np.abs(picture[10, [10, 45], 0].astype(int) - frames[time % 5, 10, [10, 45], 0]).max() <= 6
