from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from pytorchvideo.data import LabeledVideoDataset, make_clip_sampler
from torch.utils.data import DataLoader, SequentialSampler

import rhovideo
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.data.augment.colour import ColourAugmentation
from rhovideo.data.sampling.clip_samplers import RhoClipSampler
from rhovideo.integrations import pytorchvideo
from rhovideo.models import ProjectionMLP
from rhovideo.ssl.moco import MoCo
from tests.videos import write_video


@pytest.fixture(autouse=True)
def registered():
    pytorchvideo.register()


@pytest.fixture
def videos(tmp_path):
    """Two videos of 40 frames, each frame of one grey that is five times its number."""
    frames = np.repeat(5 * np.arange(40, dtype=np.uint8), 32 * 32 * 3).reshape(40, 32, 32, 3)
    return [(str(write_video(tmp_path / f"{i}.mp4", frames)), {"label": i}) for i in range(2)]


def test_the_builder_that_was_imported_before_knows_rho():
    sampler = make_clip_sampler("rho", 4, 8, 2, gap_min=3)
    assert isinstance(sampler, RhoClipSampler)
    starts, ends, *_ = sampler(0, 10.0, {})
    assert len(starts) == 4
    assert all(after - before >= 2 / 30 - 1e-6 for before, after in zip(ends, starts[1:], strict=False))


def test_the_builders_own_names_stay():
    assert make_clip_sampler("constant_clips_per_video", 2.0, 3)._clips_per_video == 3
    with pytest.raises(NotImplementedError, match="rhoo not supported"):
        make_clip_sampler("rhoo", 2)


def test_arguments_that_are_missing_are_named():
    with pytest.raises(TypeError, match=r"write make_clip_sampler\(\'rho\', rho, num_frames, sampling_rate\)"):
        make_clip_sampler("rho", 4)


def test_pytorchvideos_data_set_and_torchs_loader_give_the_views_of_a_method(videos):
    random.seed(0)
    views = pytorchvideo.Views(4, TrainAugmentation(16, short_sides=(20, 24)))
    data = LabeledVideoDataset(videos, make_clip_sampler("rho", 3, 4, 2), SequentialSampler, views, decode_audio=False)
    (batch,) = DataLoader(data, batch_size=2)
    assert batch["label"].tolist() == [0, 1]
    assert [view.shape for view in batch["video"]] == [(2, 3, 4, 16, 16)] * 3
    # The grey values tell the frames: 4 of each clip's 8, in order, clips in the order of time.
    numbers = (torch.stack(batch["video"]) * 0.225 + 0.45).mean(dim=(2, 4, 5)) * 255 / 5
    steps = numbers.diff(dim=2)
    assert ((steps > 1.4) & (steps < 3.6)).all()
    assert (numbers[1:, :, 0] >= numbers[:-1, :, 0] - 0.6).all()


def test_one_clip_can_have_two_views(videos):
    random.seed(0)
    colour = ColourAugmentation(jitter_prob=1.0)
    views = pytorchvideo.Views(4, TrainAugmentation(16, short_sides=(20, 40), colour=colour), views_per_clip=2)
    data = LabeledVideoDataset(videos, make_clip_sampler("random", 0.5), SequentialSampler, views, decode_audio=False)
    first, second = next(iter(data))["video"]
    assert first.shape == second.shape == (3, 4, 16, 16)
    assert not first.equal(second)


def test_backbones_take_plain_arguments():
    encoder = rhovideo.create_backbone("slow", depth=18, width=4)
    assert encoder(torch.randn(2, 3, 4, 32, 32)).shape == (2, encoder.dim) == (2, 32)
    thin = rhovideo.create_backbone("x3d", settings={"X3D.DIM_C5": 64, "X3D.DEPTH_FACTOR": 0.5})
    assert thin.dim == 64
    with pytest.raises(ValueError, match=r"no key X3D\.DIM_C6; the nearest is X3D\.DIM_C5"):
        rhovideo.create_backbone("x3d", settings={"X3D.DIM_C6": 64})
    with pytest.raises(ValueError, match=r"RESNET\.DEPTH is 34: write one of 18, 50, 101, 152"):
        rhovideo.create_backbone("slow", depth=34)


def test_a_method_trains_without_engine_or_configuration():
    torch.manual_seed(0)
    encoder = rhovideo.create_backbone("slow", depth=18, width=4)
    method = MoCo(encoder, ProjectionMLP(encoder.dim, 16, 8, 2), dim=8, queue_length=8)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
    for step in range(4):
        optimizer.zero_grad()
        for loss in method.losses([torch.randn(2, 3, 2, 32, 32) for _ in range(2)], progress=step / 4):
            loss.backward()
        if method.after_backward(step / 4, step):
            optimizer.step()
    moved = {name.split(".")[0] for name, value in method.state_dict().items() if not value.equal(before[name])}
    assert {"encoder", "projection", "momentum_encoder", "queue"} <= moved
