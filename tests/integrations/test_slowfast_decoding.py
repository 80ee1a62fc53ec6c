from __future__ import annotations

import logging
import random
from importlib import import_module

import numpy as np
import pytest
import torch

from rhovideo.data.video.reader import Video, VideoReadError
from tests.videos import write_broken_video, write_video


@pytest.fixture
def decoder(slowfast):
    return import_module("slowfast.datasets.decoder")


@pytest.fixture
def container(slowfast):
    return import_module("slowfast.datasets.video_container")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """60 frames at 30 a second."""
    return str(write_video(tmp_path_factory.mktemp("decoding") / "video.mp4", num_frames=60))


def test_drawn_clips_are_exact_frames_within_the_limits(decoder, container, path):
    with Video(path) as video:
        everything = torch.from_numpy(video.frames(range(60)))
    orders = set()
    for seed in range(20):
        random.seed(seed)
        clips, places, marks = decoder.decode(
            container.get_video_container(path, True, "torchvision"),
            [4, 4, 4],
            [3, 3, 3],
            min_delta=5,
            max_delta=12,
            backend="torchvision",
        )
        assert places.shape == (3, 3)
        assert marks == [None, None, None]
        in_time = places[places[:, 0].argsort()]
        gaps = in_time[1:, 0] - in_time[:-1, 1]
        assert ((gaps >= 5) & (gaps <= 12)).all()
        assert np.array_equal(in_time[:, 2], [0, *gaps])
        assert (places[:, 1] - places[:, 0] == 11).all()
        for clip, (first, *_) in zip(clips, places, strict=True):
            assert clip.equal(everything[[int(first), int(first) + 5, int(first) + 11]])
        orders.add(tuple(places[:, 0].argsort()))
    # PySlowFast hands clips out in random order, so that a method cannot know which came first.
    assert len(orders) > 3


@pytest.mark.parametrize(
    ("clip", "clips", "use_offset", "first"), [(0, 1, True, 24), (1, 2, True, 48), (1, 2, False, 24), (0, 1, False, 0)]
)
def test_uniform_clips_lie_where_pyslowfast_puts_them(decoder, container, path, clip, clips, use_offset, first):
    (_,), places, _ = decoder.decode(
        container.get_video_container(path), [3], [4], clip, clips, target_fps=30, use_offset=use_offset
    )
    assert places.tolist() == [[first, first + 11, 0]]


def test_rates_count_at_the_target_rate(decoder, container, path):
    _, places, _ = decoder.decode(container.get_video_container(path), [4], [4], 0, 1, target_fps=60)
    assert places.tolist() == [[0, 7, 0]]


def test_raw_frames_are_changed_by_pyslowfasts_own_function(decoder, container, path):
    (clip,), _, marks = decoder.decode(container.get_video_container(path), [4], [3], 0, 1, time_diff_prob=1.0)
    with Video(path) as video:
        raw = torch.from_numpy(video.frames(range(12))).float()
    assert marks == [True]
    assert clip[1].equal(raw[5] - raw[4])


def _raise(error):
    raise error


def test_broken_videos_are_reported_as_pyslowfast_does(decoder, container, tmp_path, path, caplog, monkeypatch):
    with pytest.raises(VideoReadError, match="cannot be read as a video"):
        container.get_video_container(str(write_broken_video(tmp_path / "broken.mp4")))
    video = container.get_video_container(path)
    monkeypatch.setattr(Video, "frames", lambda video, indices: _raise(VideoReadError(video.path, "cut off")))
    with caplog.at_level(logging.WARNING):
        assert decoder.decode(video, [4], [3]) == (None, None, None)
    assert f"{path}: cut off" in caplog.text
    with pytest.raises(ValueError, match="equal frames and rates"):
        decoder.decode(container.get_video_container(path), [4, 2], [3, 3])


def test_pyslowfasts_own_data_set_trains_with_our_decoding(cfg):
    cfg.TRAIN.DATASET, cfg.MODEL.MODEL_NAME, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = "kinetics", "ContrastiveModel", 2
    _, losses, *_ = import_module("slowfast.train").train(cfg)
    assert len(losses) == 12
    assert all(loss > 0 for loss in losses)


def test_theirs_can_be_had_back(slowfast, decoder, container, path):
    slowfast.register(decoding=False)
    try:
        with pytest.raises(RuntimeError, match="the reader is gone"):
            container.get_video_container(path)
        with pytest.raises(TypeError, match="unsupported operand"):
            decoder.decode(None, [1], [1])
    finally:
        slowfast.register()
    assert container.get_video_container(path).num_frames == 60
