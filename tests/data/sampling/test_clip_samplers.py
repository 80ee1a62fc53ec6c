"""Samplers: the frames of their clips, and their use by PyTorchVideo's own dataset."""

import math
import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorchvideo.data import LabeledVideoDataset
from pytorchvideo.data.clip_sampling import ClipInfo, ClipInfoList, ClipSampler
from torch.utils.data import SequentialSampler

from rhovideo.config import load_cfg
from rhovideo.config.schema import get_cfg
from rhovideo.data.loading.datasets import build_dataset
from rhovideo.data.sampling.clip_samplers import (
    RandomClipSampler,
    RhoClipSampler,
    UniformClipSampler,
    build_clip_sampler,
)
from rhovideo.data.sampling.clip_spans import clip_frames
from rhovideo.data.sampling.segment_sampler import SegmentSampler
from tests.videos import write_video


def rng(seed=0):
    return np.random.default_rng(seed)


@given(
    start=st.integers(0, 500),
    length=st.integers(1, 300),
    num_frames=st.integers(1, 40),
    video=st.integers(1, 600),
)
def test_frames_of_a_clip_are_the_floor_of_an_even_spacing(start, length, num_frames, video):
    frames = clip_frames(np.array([start]), length, num_frames, video)[0]
    for j in range(num_frames):
        exact = start + Fraction(j * (length - 1), max(1, num_frames - 1))
        assert frames[j] == min(math.floor(exact), video - 1)


def test_rho_clips_have_the_rate_of_the_video_and_keep_the_gaps():
    # 8 frames, one in every 8 at 30 a second, of a video of 25 a second: 53 frames from the first to the last.
    sampler = RhoClipSampler(3, 8, 8, gap_min=5, gap_max=50)
    for seed in range(200):
        clips = sampler.sample(400, 25.0, rng(seed))
        assert clips.shape == (3, 8)
        assert clips.dtype == np.int64
        assert (clips[:, -1] - clips[:, 0] == 52).all()
        gaps = clips[1:, 0] - clips[:-1, -1]
        assert (gaps >= 5).all()
        assert (gaps <= 50).all()


def test_rho_one_is_one_clip():
    assert RhoClipSampler(1, 8, 8).sample(300, 30.0, rng()).shape == (1, 8)


def test_a_video_shorter_than_a_clip_repeats_its_last_frame():
    clips = RhoClipSampler(2, 8, 8).sample(20, 30.0, rng())
    assert clips.tolist() == [[0, 9, 18, 19, 19, 19, 19, 19]] * 2
    assert RandomClipSampler(4, 2).sample(1, 30.0, rng()).tolist() == [[0, 0, 0, 0]]


def test_clips_at_the_same_time():
    clips = RhoClipSampler(4, 8, 8, same_time=True).sample(300, 30.0, rng())
    assert (clips == clips[0]).all()


@pytest.mark.parametrize(
    ("jitter", "slowest", "fastest"),
    [({"fps_jitter": 15.0}, 64 * 30 / 45, 64), ({"fps_jitter_relative": 0.5}, 64 / 1.5, 64 / 0.5)],
    ids=["added", "relative"],
)
def test_frame_rate_jitter_changes_the_length_within_its_range(jitter, slowest, fastest):
    sampler = RhoClipSampler(2, 8, 8, **jitter)
    spans = []
    for seed in range(500):
        clips = sampler.sample(1000, 30.0, rng(seed))
        spans.append(clips[0, -1] - clips[0, 0] + 1)
        assert clips[1, -1] - clips[1, 0] + 1 == spans[-1]
    assert round(slowest) <= min(spans) <= slowest * 1.02
    assert fastest * 0.95 <= max(spans) <= round(fastest)


def test_one_random_clip_is_uniform():
    starts = Counter(int(RandomClipSampler(4, 4).sample(20, 30.0, rng(seed))[0, 0]) for seed in range(2500))
    assert set(starts) == set(range(5))
    assert min(starts.values()) > 400


def test_uniform_views_run_from_the_first_to_the_last_frame():
    clips = UniformClipSampler(10, 8, 8).sample(300, 30.0)
    assert clips[:, 0].tolist() == [i * 236 // 9 for i in range(10)]
    assert clips[-1, -1] == 299
    assert UniformClipSampler(1, 8, 8).sample(300, 30.0)[0, 0] == 118
    assert UniformClipSampler(3, 8, 8).sample(10, 30.0)[:, 0].tolist() == [0, 0, 0]


def test_segments():
    assert SegmentSampler(4, training=False).sample(20, 12.0).tolist() == [[2, 7, 12, 17]]
    drawn = np.concatenate([SegmentSampler(4, training=True).sample(20, 12.0, rng(seed)) for seed in range(300)])
    for segment in range(4):
        assert set(drawn[:, segment]) == set(range(5 * segment, 5 * segment + 5))
    assert SegmentSampler(8, training=False).sample(3, 12.0).tolist() == [[0, 0, 0, 1, 1, 1, 2, 2]]


def test_equal_generators_give_equal_clips():
    sampler = RhoClipSampler(4, 8, 8, gap_max=100, fps_jitter=5.0)
    assert (sampler.sample(900, 29.97, rng(7)) == sampler.sample(900, 29.97, rng(7))).all()


def test_the_configuration_chooses_the_sampler():
    cfg = get_cfg()
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 4
    cfg.DATA.TRAIN_JITTER_FPS_RELATIVE = 0.5
    cfg.CONTRASTIVE.DELTA_CLIPS_MAX = 60.0
    sampler = build_clip_sampler(cfg, "pretrain")
    assert (sampler.rho, sampler.gap_max, sampler.fps_jitter_relative) == (4, 60.0, 0.5)
    assert build_clip_sampler(cfg, "train").sample(300, 30.0, rng()).shape == (1, 8)
    assert build_clip_sampler(cfg, "eval").sample(300, 30.0, rng())[0, 0] == 118
    assert build_clip_sampler(cfg, "test").sample(300, 30.0, rng()).shape == (10, 8)
    cfg.DATA.CLIP_SAMPLING = "segment"
    assert build_clip_sampler(cfg, "train").training
    assert not build_clip_sampler(cfg, "test").training
    with pytest.raises(ValueError, match=r"DATA\.CLIP_SAMPLING"):
        build_clip_sampler(cfg, "pretrain")


def test_unusable_settings_name_their_key():
    with pytest.raises(ValueError, match="DELTA_CLIPS_MIN"):
        RhoClipSampler(2, 8, 8, gap_min=5, gap_max=4)
    with pytest.raises(ValueError, match="TRAIN_JITTER_FPS_RELATIVE"):
        RhoClipSampler(2, 8, 8, fps_jitter_relative=1.0)
    with pytest.raises(ValueError, match="rho"):
        RhoClipSampler(0, 8, 8)
    with pytest.raises(ValueError, match="NUM_FRAMES"):
        UniformClipSampler(2, 0, 8)


def test_segments_in_training_need_a_generator():
    assert SegmentSampler(4, training=False).sample(8, 30.0).tolist() == [[0, 2, 4, 6]]
    with pytest.raises(ValueError, match="give a generator"):
        SegmentSampler(4, training=True).sample(8, 30.0)


SAMPLERS = [
    RhoClipSampler(3, 4, 2, gap_min=0),
    RandomClipSampler(4, 2),
    UniformClipSampler(5, 4, 2),
    SegmentSampler(6, training=True),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_calls_give_pytorchvideos_types_in_seconds(sampler):
    assert isinstance(sampler, ClipSampler)
    random.seed(5)
    info = sampler(0.0, 2.0, {})
    assert isinstance(info, (ClipInfo, ClipInfoList))
    random.seed(5)
    assert sampler(None, 2.0, None) == info
    starts, ends = np.atleast_1d(info.clip_start_sec), np.atleast_1d(info.clip_end_sec)
    length = 1 if isinstance(sampler, SegmentSampler) else 8
    assert all(end - start == Fraction(length, 30) for start, end in zip(starts, ends, strict=True))
    assert all(start >= 0 and end <= 2 for start, end in zip(starts, ends, strict=True))
    assert np.all(np.diff([float(start) for start in starts]) >= 0)
    assert np.atleast_1d(info.is_last_clip)[-1]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_pytorchvideos_dataset_takes_the_samplers(sampler, tmp_path):
    path = str(tmp_path / "grey.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width = stream.height = 32
        for value in range(45):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 5 * value, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    dataset = LabeledVideoDataset([(path, {"label": 3})], sampler, SequentialSampler, decode_audio=False)
    (sample,) = list(dataset)
    clips = sample["video"] if isinstance(sample["video"], list) else [sample["video"]]
    sizes = {RhoClipSampler: (3, 8), RandomClipSampler: (1, 8), UniformClipSampler: (5, 8), SegmentSampler: (6, 1)}
    expected = sizes[type(sampler)]
    assert (len(clips), clips[0].shape[1]) == expected
    assert sample["label"] == 3
    # The grey values tell which frames came: those of a clip follow each other.
    values = clips[0].mean(dim=(0, 2, 3)).numpy() / 5
    assert np.abs(np.diff(values) - 1).max(initial=0) < 0.5


@pytest.mark.parametrize("video", [64, 65, 90, 300])
@pytest.mark.parametrize("clips", [1, 2, 10])
def test_clips_without_offset_start_at_equal_parts_of_the_way(clips, video):
    """DATA.USE_OFFSET_SAMPLING False: clip i of n starts at i / n of what is left beside a clip."""
    starts = UniformClipSampler(clips, 8, 8, to_the_end=False).sample(video, 30)[:, 0]
    assert starts.tolist() == [math.floor(i * (video - 64) / clips) for i in range(clips)]


def test_configuration_says_where_test_clips_start():
    cfg = get_cfg()
    for value, last in ((True, 36), (None, 36), (False, 32)):
        cfg.DATA.USE_OFFSET_SAMPLING = value
        assert build_clip_sampler(cfg, "test").sample(100, 30)[-1, 0] == last
    assert build_clip_sampler(cfg, "eval").sample(100, 30)[0, 0] == 18


@given(frames=st.integers(1, 300), segments=st.integers(1, 33))
def test_segments_with_shared_ends_are_pyslowfasts(frames, segments):
    size = float(frames - 1) / segments
    ends = [int(np.round(size * i)) for i in range(segments + 1)]
    tested = SegmentSampler(segments, False, shared_ends=True).sample(frames, 30)[0]
    assert tested.tolist() == [(first + last) // 2 for first, last in pairwise(ends)]
    drawn = SegmentSampler(segments, True, shared_ends=True).sample(frames, 30, rng(frames))[0]
    assert all(first <= place <= last for first, place, last in zip(ends, drawn, ends[1:], strict=False))


def test_frame_lists_take_pyslowfasts_segments():
    cfg = get_cfg()
    cfg.DATA.CLIP_SAMPLING = "segment"
    found = {}
    for cfg.TRAIN.DATASET in ("ssv2", "kinetics"):
        found[cfg.TRAIN.DATASET] = build_clip_sampler(cfg, "test").sample(40, 30)[0].tolist()
    assert found == {"ssv2": [2, 7, 12, 17, 22, 26, 31, 36], "kinetics": [2, 7, 12, 17, 22, 27, 32, 37]}


def test_distances_in_seconds_are_the_same_for_all_frame_rates():
    sampler = RhoClipSampler(2, 8, 4, seconds_min=0.5, seconds_max=2.0)
    instant = RhoClipSampler(3, 8, 4, seconds_max=0.0)
    for fps in (24.0, 25.0, 30.0, 60.0, 30000 / 1001):
        drawn = rng(5)
        distances = np.array([np.diff(sampler.sample(round(10 * fps), fps, drawn)[:, 0])[0] / fps for _ in range(300)])
        assert 0.5 - 1e-9 <= distances.min() < 0.6
        assert 1.9 < distances.max() <= 2.0 + 1e-9
        clips = instant.sample(round(10 * fps), fps, drawn)
        assert (clips == clips[0]).all()


def test_two_kinds_of_distance_are_refused(small_cfg):
    with pytest.raises(ValueError, match="write one kind alone"):
        RhoClipSampler(2, 8, 8, gap_max=30, seconds_max=2)
    with pytest.raises(ValueError, match="no distance is allowed"):
        RhoClipSampler(2, 8, 8, seconds_min=3, seconds_max=2)
    cfg = small_cfg.clone()
    cfg.defrost()
    cfg.CONTRASTIVE.DELTA_SECONDS_MAX = 1.5
    assert build_clip_sampler(cfg, "pretrain").seconds == (0.0, 1.5)


def test_a_list_of_mixed_frame_rates_has_one_law_of_distances(tmp_path):
    """Real videos of 24, 25, 30 and 60 frames a second: their distances in seconds have the same distribution."""
    rates = (24, 25, 30, 60)
    for fps in rates:
        write_video(tmp_path / f"{fps}.mp4", num_frames=3 * fps, size=(32, 32), fps=fps)
    (tmp_path / "train.csv").write_text("".join(f"{fps}.mp4\n" for fps in rates))
    keys = ["TASK", "pretrain", "DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.MANIFEST_CACHE", tmp_path / "cache"]
    keys += ["DATA.NUM_FRAMES", 2, "DATA.SAMPLING_RATE", 3, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, "NUM_GPUS", 0]
    keys += ["CONTRASTIVE.DELTA_SECONDS_MAX", 1.5, "DATA.TRAIN_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", "[32,32]"]
    dataset = build_dataset(load_cfg(None, keys), "train", "pretrain")
    distances = {}
    for index, fps in enumerate(rates):
        with dataset._open(index) as video:
            assert video.fps == pytest.approx(fps)
            drawn = [dataset._clip_times(video, index, (0, epoch, index, 0))[:, 0] for epoch in range(800)]
        distances[fps] = np.array([(last - first) / fps for first, last in drawn])
    # Room is 2.8 s: the density falls linearly from d = 0 on, cut at 1.5 s.
    room, most = 2.8, 1.5
    whole = room * most - most**2 / 2
    for found in distances.values():
        for edge in (0.3, 0.6, 0.9, 1.2):
            expected = (room * edge - edge**2 / 2) / whole
            assert (found <= edge).mean() == pytest.approx(expected, abs=0.07)
        assert found.max() <= 1.5 + 1e-9
