"""Clips of lists of frames: where they start, and short videos."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorchvideo.data.clip_sampling import ConstantClipsPerVideoSampler, RandomClipSampler

from rhovideo.data.sampling.frame_list_samplers import FrameStepSampler, FrameWindowSampler

RNG = np.random.default_rng


@given(st.integers(1, 90), st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32))
def test_step_clips_lie_in_the_video_with_equal_steps(frames, num_frames, rate, seed):
    (clip,) = FrameStepSampler(num_frames, rate).sample(frames, 24.0, RNG(seed))
    assert len(clip) == num_frames
    assert clip.min() >= 0
    assert clip.max() < frames
    inside = clip[(clip > 0) & (clip < frames - 1)]
    assert (np.diff(inside) == rate).all()


@pytest.mark.parametrize(("frames", "starts"), [(20, range(12)), (9, [0]), (5, range(-4, 1))])
def test_every_start_is_drawn_equally_often(frames, starts):
    sampler, rng = FrameStepSampler(5, 2), RNG(3)
    drawn = Counter(tuple(sampler.sample(frames, 30.0, rng)[0].tolist()) for _ in range(6000))
    expected = Counter(tuple(min(max(start + 2 * i, 0), frames - 1) for i in range(5)) for start in starts)
    assert drawn.keys() == expected.keys()
    total = sum(expected.values())
    chi_square = sum((drawn[c] - 6000 * n / total) ** 2 / (6000 * n / total) for c, n in expected.items())
    assert chi_square < 2.5 * len(expected) + 15


def test_one_test_clip_lies_in_the_middle():
    assert FrameStepSampler(3, 2, clips=1).sample(15, 30.0).tolist() == [[5, 7, 9]]
    assert FrameWindowSampler(3, 2, clips=1, middle=True).sample(15, 30.0).tolist() == [[5, 7, 9]]


def pytorchvideo_frames(clip_sampler, frames, num_frames):
    """The frames that ptvcharades takes in PySlowFast: a window of FrameVideo's at 30 fps, subsampled uniformly."""
    info = clip_sampler(0, Fraction(frames, 30), {})
    begin, end = (-(-Fraction(30) * time // 1) for time in (info.clip_start_sec, min(info.clip_end_sec, frames / 30)))
    window = torch.arange(int(begin), min(int(end), frames))
    # uniform_temporal_subsample, whose module cannot be imported with a newer torchvision
    places = torch.linspace(0, len(window) - 1, num_frames, dtype=torch.float64)
    return window[places.clamp(0, len(window) - 1).long()].tolist(), info.is_last_clip


@pytest.mark.parametrize(("num_frames", "rate"), [(8, 8), (4, 4), (32, 2), (2, 1)])
@pytest.mark.parametrize("frames", [3, 40, 57, 100, 301])
def test_windows_of_a_test_are_pytorchvideos(frames, num_frames, rate):
    theirs = ConstantClipsPerVideoSampler(Fraction((num_frames - 1) * rate + 1, 30), 10)
    mine = FrameWindowSampler(num_frames, rate, clips=10).sample(frames, 30.0).tolist()
    for clip in mine:
        expected, is_last = pytorchvideo_frames(theirs, frames, num_frames)
        assert clip == expected
        if is_last:
            break


def test_training_windows_are_drawn_as_pytorchvideos():
    theirs = RandomClipSampler(Fraction(13, 30))
    random.seed(0)
    expected = Counter(pytorchvideo_frames(theirs, 20, 4)[0][0] for _ in range(4000))
    sampler, rng = FrameWindowSampler(4, 4), RNG(0)
    drawn = Counter(int(sampler.sample(20, 30.0, rng)[0, 0]) for _ in range(4000))
    assert drawn.keys() == expected.keys()
    assert max(abs(drawn[start] - expected[start]) for start in drawn) < 200


@pytest.mark.parametrize("sampler", [FrameStepSampler, FrameWindowSampler])
def test_wrong_arguments_are_refused(sampler):
    with pytest.raises(ValueError, match="NUM_FRAMES is 0"):
        sampler(0, 1)
    with pytest.raises(ValueError, match="NUM_ENSEMBLE_VIEWS is 0"):
        sampler(1, 1, clips=0)
    with pytest.raises(ValueError, match="give a generator"):
        sampler(1, 1).sample(3, 30.0)
