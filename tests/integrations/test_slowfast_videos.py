from __future__ import annotations

import logging
import shutil
from importlib import import_module

import numpy as np
import pytest
import torch

from rhovideo.data.augment.clip_augmentation import normalise
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from tests.videos import write_broken_video


def data_set(cfg, split="train"):
    return import_module("slowfast.datasets.build").build_dataset("rhovideo", cfg, split)


def ours(cfg):
    return import_module("rhovideo.integrations.slowfast.settings").our_settings(cfg)


@pytest.fixture
def rho_cfg(cfg):
    cfg.MODEL.MODEL_NAME, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = "ContrastiveModel", 3
    return cfg


def test_a_training_item_is_the_clips_that_our_own_training_would_see(rho_cfg):
    data = data_set(rho_cfg)
    data._set_epoch_num(5)
    frames, label, index, _, meta = data[7]
    expected = build_dataset(ours(rho_cfg), "train", "pretrain")[SampleKey(5, 7)]
    assert (label, index, meta) == (expected.label, 7, {})
    assert len(frames) == 3
    for (view,), clip in zip(frames, expected.clips, strict=True):
        assert view.equal(normalise(clip, rho_cfg.DATA.MEAN, rho_cfg.DATA.STD))
        assert view.dtype == torch.float32
        assert view.shape == (3, 4, 32, 32)


def test_colour_is_changed_wherever_the_configuration_asks_for_it(rho_cfg):
    """PySlowFast's loops do nothing to the colour of batches."""
    rho_cfg.DATA.SSL_COLOR_JITTER = True
    expected = data_set(rho_cfg)[7][0]
    rho_cfg.DATA.AUG_DEVICE = "gpu"
    assert ours(rho_cfg).DATA.AUG_DEVICE == "gpu"
    for (view,), (same,) in zip(data_set(rho_cfg)[7][0], expected, strict=True):
        assert view.equal(same)


def test_time_tells_where_the_clips_lay(rho_cfg):
    rho_cfg.CONTRASTIVE.DELTA_CLIPS_MIN = 4
    *_, time, _ = data_set(rho_cfg)[0]
    first, last, gap = time.T
    assert time.shape == (3, 3)
    assert (last - first == 4 * 2 / 2 - 1).all()  # at 15 frames a second
    assert gap[0] == 0
    assert np.array_equal(gap[1:], first[1:] - last[:-1])
    assert (gap[1:] >= 4).all()


def test_samples_depend_on_the_epoch_alone(rho_cfg):
    data = data_set(rho_cfg)
    (first,), *_ = data[3][0]
    again = data_set(rho_cfg)
    again[1]
    assert again[3][0][0][0].equal(first)
    again._set_epoch_num(1)
    assert not again[3][0][0][0].equal(first)


def test_one_clip_gives_two_views_of_it(rho_cfg):
    rho_cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 1
    frames, _, _, time, _ = data_set(rho_cfg)[0]
    assert len(frames) == 2
    assert np.array_equal(time[0], time[1])
    assert not frames[0][0].equal(frames[1][0])


def test_a_classifier_gets_one_clip_and_its_label(cfg):
    pathways, label, index, time, _ = data_set(cfg)[4]
    assert [pathway.shape for pathway in pathways] == [(3, 4, 32, 32)]
    assert (label, index, time.shape) == (build_dataset(ours(cfg), "train", "train").manifest.label(4), 4, (1, 3))
    assert data_set(cfg, "val")[0][0][0].shape == (3, 4, 32, 32)


def test_several_clips_of_a_classifier_have_a_label_each(cfg):
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 2
    frames, labels, indices, time, _ = data_set(cfg)[4]
    assert len(frames) == len(labels) == len(indices) == len(time) == 2
    batch = next(iter(import_module("slowfast.datasets.loader").construct_loader(cfg, "train")))
    assert batch[0][0].shape == (8, 3, 4, 32, 32)
    assert batch[1][0] == batch[1][1]


def test_two_pathways_are_made_where_the_network_has_them(cfg):
    cfg.MODEL.ARCH = "slowfast"
    slow, fast = data_set(cfg)[0][0]
    assert (slow.shape[1], fast.shape[1]) == (2, 4)
    assert slow.equal(fast[:, [0, 3]])


def test_each_item_of_the_test_set_is_one_view(cfg):
    data = data_set(cfg, "test")
    assert len(data) == 6 * 2 * 3
    expected = build_dataset(ours(cfg), "test", "test")[SampleKey(0, 1)]
    for view in (0, 4, 5):
        (frames,), label, index, time, _ = data[6 + view]
        assert frames.equal(normalise(expected.clips[view], cfg.DATA.MEAN, cfg.DATA.STD))
        assert (label, index, time.shape) == (expected.label, 6 + view, (1, 3))
    assert data[6][3][0, 0] < data[11][3][0, 0]


def test_a_broken_video_is_replaced_and_told_of(rho_cfg, synthetic_set, tmp_path, caplog):
    shutil.copytree(synthetic_set, tmp_path / "set")
    rho_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path / "set")
    data = data_set(rho_cfg)
    write_broken_video(data._videos.manifest.path(2))
    with caplog.at_level(logging.WARNING):
        frames, label, index, *_ = data[2]
    assert index != 2
    assert label == data._labels[index]
    assert len(frames) == 3
    assert "cannot read" in caplog.text
    assert "train.csv, line 3" in caplog.text


def test_what_our_data_cannot_do_stops_by_name(cfg):
    cfg.AUG.ENABLE, cfg.DATA.MULTI_LABEL = True, True
    with pytest.raises(ValueError, match=r"DATA\.MULTI_LABEL True \(write False\).*") as error:
        data_set(cfg)
    assert "AUG.ENABLE True (write False)" in str(error.value)
