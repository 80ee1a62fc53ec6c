from __future__ import annotations

import pickle
import shutil
import time
import weakref

import numpy as np
import pytest
import torch

from rhovideo.data.augment.clip_augmentation import build_augmentation
from rhovideo.data.augment.crops import EvalCrops
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.sampling.clip_samplers import build_clip_sampler
from rhovideo.data.video.picture.frame import RgbPicture
from rhovideo.data.video.reader import Video
from rhovideo.randomness import Stream, generator
from tests.data.conftest import NUM_VIDEOS
from tests.videos import write_broken_video, write_video


def test_shapes_of_every_purpose(small_cfg):
    small_cfg.TEST.NUM_SPATIAL_CROPS = 3
    small_cfg.DATA.TRAIN_CROP_NUM_SPATIAL = 2
    shapes = {"pretrain": 6, "train": 1, "eval": 1, "test": 6}
    for purpose, views in shapes.items():
        dataset = build_dataset(small_cfg, "train", purpose)
        sample = dataset[SampleKey(0, 4)]
        assert sample.clips.shape == dataset.sample_shape() == (views, 2, 16, 16, 3)
        assert sample.clips.dtype == torch.uint8
        assert (sample.index, sample.label, sample.valid, sample.failures) == (4, 1, True, [])
        assert len(dataset) == NUM_VIDEOS


@pytest.mark.parametrize(("rho", "crops", "views"), [(1, 1, 2), (1, 2, 2), (1, 3, 3), (2, 1, 2), (2, 2, 4)])
def test_views_of_a_clip_are_augmentations_of_the_same_frames(small_cfg, rho, crops, views):
    small_cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = rho
    small_cfg.DATA.TRAIN_CROP_NUM_SPATIAL = crops
    key = SampleKey(3, 7)
    dataset = build_dataset(small_cfg, "train", "pretrain")
    clips = dataset[key].clips.numpy()
    assert len(clips) == views
    # Written out from the addresses: clip times from (seed, epoch, video, attempt), the rest with (clip, view) added.
    seed = small_cfg.RNG_SEED
    with Video(dataset.manifest.path(7)) as video:
        sampler = build_clip_sampler(small_cfg, "pretrain")
        times = sampler.sample(video.num_frames, video.fps, generator(Stream.CLIP_TIMES, seed, 3, 7, 0))
        decoded = [video.frames(row) for row in times]
    augment = build_augmentation(small_cfg, "pretrain")
    expected = [
        augment(decoded[clip], generator(Stream.AUGMENTATION, seed, 3, 7, 0, clip, view))
        for clip in range(rho)
        for view in range(views // rho)
    ]
    assert np.array_equal(clips, expected)
    assert len({clip.tobytes() for clip in clips}) == views


def test_equal_keys_give_equal_samples_in_any_order(small_cfg):
    dataset = build_dataset(small_cfg, "train", "pretrain")
    first = dataset[SampleKey(1, 2)].clips
    dataset[SampleKey(0, 5)]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[SampleKey(1, 2)].clips, first)
    assert not torch.equal(dataset[SampleKey(2, 2)].clips, first)


def test_eval_is_the_centre_of_the_video(small_cfg):
    small_cfg.DATA.TRAIN_JITTER_SCALES = [48, 60]
    small_cfg.DATA.TRAIN_CROP_SIZE = 32
    dataset = build_dataset(small_cfg, "val", "eval")
    sample = dataset[SampleKey(0, 10)]
    with Video(dataset.manifest.path(10)) as video:
        middle = video.num_frames // 2
        frames = video.frames(range(video.num_frames))
    # The short side is 48 pixels already, so the centre crop is a cut-out of some frames around the middle.
    cut = frames[:, 8:40, 16:48]
    found = [int(np.flatnonzero([np.array_equal(frame, c) for c in cut])[0]) for frame in sample.clips[0].numpy()]
    # T=2 frames, tau=3: frames 0 and 3 (or 5, as an inclusive end) of a clip of 6.
    assert found[0] < found[1]
    assert abs((found[0] + found[1]) / 2 - middle) <= 2


def test_testing_takes_every_crop_of_every_clip_in_their_order(small_cfg):
    small_cfg.TEST.NUM_ENSEMBLE_VIEWS, small_cfg.TEST.NUM_SPATIAL_CROPS = 4, 3
    small_cfg.DATA.TEST_CROP_SIZE = 32
    dataset = build_dataset(small_cfg, "test", "test")
    out = np.empty(dataset.sample_shape(), np.uint8)
    sample = dataset.read(SampleKey(0, 3), out)
    with Video(dataset.manifest.path(3)) as video:
        times = build_clip_sampler(small_cfg, "test").sample(video.num_frames, video.fps, np.random.default_rng(0))
        decoded = [video.frames(row) for row in times]
    crops = EvalCrops(32, 3)
    expected = np.concatenate([crops(clip) for clip in decoded])
    assert np.shares_memory(sample.clips.numpy(), out)
    assert np.array_equal(out, expected)
    assert len({clip.tobytes() for clip in out}) == 12


@pytest.mark.parametrize("purpose", ["pretrain", "train", "eval", "test"])
def test_no_picture_is_held_once_the_next_one_comes(small_cfg, purpose):
    held = []

    class Image(np.ndarray):
        """Unlike a plain array, it can be watched."""

    class Pictures:
        num_frames, fps = 100, 30.0

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def each(self, indices, take):
            for place in range(len(indices)):
                assert not any(watch() is not None for watch in held)
                image = np.zeros((90, 120, 3), np.uint8).view(Image)
                held.append(weakref.ref(image))
                take(RgbPicture(image), [place])
                del image

    dataset = build_dataset(small_cfg, "train", purpose)
    dataset.manifest.open_video = lambda *args: Pictures()
    sample = dataset[SampleKey(0, 0)]
    assert sample.valid
    assert len(held) > 1


def test_without_spatial_augmentation_a_video_gives_its_centre(small_cfg):
    small_cfg.DATA.AUG_SPATIAL, small_cfg.DATA.SSL_COLOR_JITTER = False, False
    dataset = build_dataset(small_cfg, "train", "train")
    clip = dataset[SampleKey(0, 3)].clips[0].numpy()
    with Video(dataset.manifest.path(3)) as video:
        centres = EvalCrops(small_cfg.DATA.TRAIN_CROP_SIZE)(video.frames(range(video.num_frames)))[0]
    assert all(any(np.array_equal(frame, centre) for centre in centres) for frame in clip)


def broken_list(folder, broken, total=12):
    lines = []
    for number in range(total):
        path = folder / f"{number}.mp4"
        if number in broken:
            write_broken_video(path)
        else:
            write_video(path, num_frames=12, size=(32, 32), seed=number)
        lines.append(f"{path.name} {number}\n")
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("\n" + "".join(lines))


def test_unreadable_video_is_replaced_in_training(small_cfg, tmp_path):
    broken = {0, 3, 4, 5, 6, 7, 8}
    broken_list(tmp_path, broken)
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    dataset = build_dataset(small_cfg, "train", "pretrain")
    shown = set()
    for epoch in range(6):
        sample = dataset[SampleKey(epoch, 3)]
        again = dataset[SampleKey(epoch, 3)]
        assert torch.equal(sample.clips, again.clips)
        assert sample.index == again.index == sample.label
        assert sample.valid
        assert sample.index not in broken
        assert sample.failures[0].index == 3
        assert {failure.index for failure in sample.failures} <= broken
        shown.add(sample.index)
    assert len(shown) > 1
    failure = sample.failures[0]
    assert failure.path == str(tmp_path / "3.mp4")
    assert failure.csv == str(tmp_path / "train.csv")
    assert (failure.line, failure.epoch) == (5, 5)
    assert failure.reason
    assert failure.path not in failure.reason


def test_gives_up_after_ten_draws(small_cfg, tmp_path):
    broken_list(tmp_path, set(range(4)), total=4)
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    dataset = build_dataset(small_cfg, "train", "pretrain")
    begin = time.monotonic()
    sample = dataset[SampleKey(0, 1)]
    assert time.monotonic() - begin < 10
    assert not sample.valid
    assert len(sample.failures) == 10
    assert (sample.index, sample.label) == (1, 1)
    assert sample.clips.shape == dataset.sample_shape()
    assert not sample.clips.any()


@pytest.mark.parametrize("purpose", ["eval", "test"])
def test_unreadable_video_is_not_replaced_in_evaluation(small_cfg, tmp_path, purpose):
    broken_list(tmp_path, {1}, total=3)
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    sample = build_dataset(small_cfg, "val", purpose)[SampleKey(0, 1)]
    assert not sample.valid
    assert (sample.index, sample.label) == (1, 1)
    assert [failure.index for failure in sample.failures] == [1]


def test_missing_file_counts_as_unreadable(small_cfg, tmp_path):
    broken_list(tmp_path, set(), total=4)
    (tmp_path / "2.mp4").unlink()
    shutil.copy(tmp_path / "1.mp4", tmp_path / "3.mp4")
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    sample = build_dataset(small_cfg, "train", "train")[SampleKey(0, 2)]
    assert sample.valid
    assert sample.failures[0].path.endswith("2.mp4")


def test_unknown_split_or_purpose_names_the_right_ones(small_cfg):
    with pytest.raises(ValueError, match="train, val, test"):
        build_dataset(small_cfg, "dev", "pretrain")
    with pytest.raises(ValueError, match="pretrain, train, eval, test"):
        build_dataset(small_cfg, "val", "validation")


@pytest.mark.parametrize("purpose", ["pretrain", "train", "eval", "test"])
@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_a_sample_is_written_where_it_is_wanted(small_cfg, purpose, where):
    """Whatever lies there before, and nothing beside it."""
    small_cfg.DATA.AUG_DEVICE = where
    small_cfg.DATA.TIME_DIFF_PROB = 0.3
    dataset = build_dataset(small_cfg, "train", purpose)
    for index in range(6):
        memory = np.random.default_rng(0).integers(0, 256, (3, *dataset.sample_shape()), dtype=np.uint8)
        before = memory.copy()
        expected, sample = dataset[SampleKey(0, index)], dataset.read(SampleKey(0, index), memory[1])
        assert np.shares_memory(sample.clips.numpy(), memory)
        assert np.array_equal(memory[1], expected.clips)
        assert np.array_equal(memory[[0, 2]], before[[0, 2]])


def test_of_an_unreadable_video_black_is_written(small_cfg, tmp_path):
    broken_list(tmp_path, set(range(12)))
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    dataset = build_dataset(small_cfg, "train", "pretrain")
    memory = np.full(dataset.sample_shape(), 255, np.uint8)
    sample = dataset.read(SampleKey(0, 0), memory)
    assert not sample.valid
    assert not memory.any()
    assert np.shares_memory(sample.clips.numpy(), memory)
