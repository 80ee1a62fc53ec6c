"""Colour changed in batches on the device: what the workers would have made of the same draws."""

import itertools

import cv2
import numpy as np
import pytest
import torch

from rhovideo.config.schema import get_cfg
from rhovideo.data.augment import colour
from rhovideo.data.augment.colour import ColourAugmentation
from rhovideo.data.augment.device_colour import MAX_OPERATIONS, apply_operations, encode_operations
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.device_inputs import to_network_input
from tests.data.loading.test_datasets import broken_list

# Grey levels that single operations may be apart: hue goes through OpenCV's float conversion.
WITHIN = {colour.adjust_hue: 1, colour.gaussian_blur: 1, colour.adjust_saturation: 1}
SINGLE = [
    (colour.adjust_brightness, (0.4, 1.0, 1.37)),
    (colour.adjust_contrast, (0.4, 1.0, 1.6)),
    (colour.adjust_saturation, (0.0, 0.7, 1.6)),
    (colour.adjust_hue, (-0.5, -0.15, 0.0, 0.11)),
    (colour.to_grey, (None,)),
    (colour.gaussian_blur, (0.1, 0.7, 2.0)),
    (colour.temporal_difference, (None,)),
]


def clips_of(count, frames=3, size=24, seed=0):
    """Smooth pictures beside noise, black, white and grey."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)
    for clip in clips[::2]:
        for frame in clip:
            frame[:] = cv2.resize(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), (size, size))
    clips[0, 0, :8], clips[0, 0, 8:12], clips[0, 0, 12:16] = 0, 255, 77
    return clips


def on_cpu(clips, drawn):
    changed = []
    for clip, operations in zip(clips, drawn, strict=True):
        for function, amounts in operations:
            clip = function(clip, *amounts)
        changed.append(clip)
    return np.stack(changed)


def on_device(clips, drawn, device):
    operations = torch.from_numpy(np.stack([encode_operations(operations) for operations in drawn]))
    changed = apply_operations(torch.from_numpy(clips).to(device), operations)
    assert changed.device.type == device.type
    return changed.cpu().numpy()


@pytest.mark.parametrize(("function", "amounts"), SINGLE, ids=[function.__name__ for function, _ in SINGLE])
def test_each_operation_is_that_of_the_workers(function, amounts, device):
    drawn = [[(function, () if amount is None else (amount,))] for amount in amounts]
    clips = clips_of(len(drawn))
    before = clips.copy()
    apart = np.abs(on_device(clips, drawn, device).astype(int) - on_cpu(clips, drawn))
    # GPUs multiply by the reciprocal where they divide by a number.
    assert apart.max() <= WITHIN.get(function, 0) + (device.type == "cuda")
    assert apart.mean() < 0.03
    assert np.array_equal(clips, before)


def test_lists_of_operations_differ_from_clip_to_clip(device):
    augmentation = ColourAugmentation(strengths=(0.6, 0.6, 0.6), hue=0.15, grey_prob=0.2)
    rng = np.random.default_rng(1)
    drawn = [augmentation.draw(rng) for _ in range(70)]
    assert {len(operations) for operations in drawn} >= {0, 1, 4, 5}
    clips = clips_of(70, frames=2, size=16)
    apart = np.abs(on_device(clips, drawn, device).astype(int) - on_cpu(clips, drawn))
    # A level in an early operation becomes several where contrast or hue follow.
    assert np.quantile(apart, 0.999) <= 2
    assert apart.mean() < 0.1


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 2])
def test_frames_smaller_than_the_blur(size, frames, device):
    drawn = [[(colour.gaussian_blur, (2.0,))], [(colour.temporal_difference, ())]]
    clips = np.random.default_rng(0).integers(0, 256, (2, frames, size, size, 3), dtype=np.uint8)
    assert np.abs(on_device(clips, drawn, device).astype(int) - on_cpu(clips, drawn)).max() <= 1


def test_leading_axes_and_nothing_drawn(device):
    clips = torch.from_numpy(clips_of(6)).view(2, 3, 3, 24, 24, 3).to(device)
    operations = torch.zeros(2, 3, MAX_OPERATIONS, 2, dtype=torch.float64)
    same = apply_operations(clips, operations)
    assert torch.equal(same, clips)
    assert same.data_ptr() != clips.data_ptr()
    operations[1, 2] = torch.from_numpy(encode_operations([(colour.to_grey, ())]))
    changed = apply_operations(clips, operations)
    assert torch.equal(changed[0], clips[0])
    assert np.array_equal(changed[1, 2].cpu().numpy(), colour.to_grey(clips[1, 2].cpu().numpy()))


def test_clips_of_any_layout(device):
    operations = torch.from_numpy(encode_operations([(colour.to_grey, ())])).expand(2, 3, MAX_OPERATIONS, 2)
    clips = torch.from_numpy(clips_of(6)).view(2, 3, 3, 24, 24, 3).to(device)
    expected = apply_operations(clips, operations)
    assert not torch.equal(expected, clips)
    for order in itertools.permutations(range(3)):
        turned = clips.permute(*order, 3, 4, 5).contiguous().permute(*np.argsort(order).tolist(), 3, 4, 5)
        assert torch.equal(turned, clips)
        assert torch.equal(apply_operations(turned, operations), expected)
    assert torch.equal(apply_operations(clips[:, ::2], operations[:, ::2]), expected[:, ::2])


@pytest.mark.parametrize("purpose", ["pretrain", "train"])
@pytest.mark.parametrize("time_difference", [0.0, 0.5])
def test_samples_are_those_that_workers_would_finish(small_cfg, purpose, time_difference):
    small_cfg.DATA.TIME_DIFF_PROB = time_difference
    finished = build_dataset(small_cfg, "train", purpose)
    small_cfg.DATA.AUG_DEVICE = "gpu"
    left = build_dataset(small_cfg, "train", purpose)
    for index in range(6):
        expected, sample = finished[SampleKey(0, index)], left[SampleKey(0, index)]
        assert expected.operations is None
        assert sample.operations.shape == (len(sample.clips), MAX_OPERATIONS, 2)
        apart = apply_operations(sample.clips, sample.operations).int() - expected.clips
        assert apart.abs().float().mean() < 0.2


def test_evaluation_leaves_nothing_to_do(small_cfg):
    small_cfg.DATA.AUG_DEVICE = "gpu"
    for purpose in ("eval", "test", "knn"):
        assert build_dataset(small_cfg, "val", purpose)[SampleKey(0, 0)].operations is None


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_carry_what_is_left_to_do(small_cfg, num_workers):
    small_cfg.DATA_LOADER.NUM_WORKERS = num_workers
    finished = build_loader(small_cfg, "train", "pretrain")
    expected = next(finished.epoch(0))
    finished.close()
    small_cfg.DATA.AUG_DEVICE = "gpu"
    loader = build_loader(small_cfg, "train", "pretrain")
    batch = next(loader.epoch(0))
    loader.close()
    assert batch.index.tolist() == expected.index.tolist()
    cfg, cpu = get_cfg(), torch.device("cpu")
    ours = to_network_input(batch.clips, cfg, cpu, batch.operations)
    apart = (ours - to_network_input(expected.clips, cfg, cpu)).abs().mean() * 255 * cfg.DATA.STD[0]
    assert apart < 0.2
    chosen = batch.select(torch.tensor([True, False, False, True]))
    assert torch.equal(chosen.operations, batch.operations[[0, 3]])


def test_a_video_that_cannot_be_read_has_nothing_done_to_it(small_cfg, tmp_path):
    broken_list(tmp_path, set(range(12)))
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    small_cfg.DATA.AUG_DEVICE = "gpu"
    sample = build_dataset(small_cfg, "train", "pretrain")[SampleKey(0, 0)]
    assert not sample.valid
    assert sample.clips.count_nonzero() == 0
    assert sample.operations.count_nonzero() == 0
