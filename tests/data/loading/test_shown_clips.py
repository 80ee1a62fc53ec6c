"""Clips that are shown are those that a training gets at the same address."""

import numpy as np
import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.data.loading.loader import build_loader
from rhovideo.data.loading.shown_clips import drawn_places, shown_clips
from rhovideo.data.video.reader import Video
from rhovideo.engine.device_inputs import to_network_input
from tests.videos import write_broken_video, write_video

KEYS = ["NUM_GPUS", 0, "DATA.NUM_FRAMES", 3, "DATA.SAMPLING_RATE", 2, "DATA.TRAIN_CROP_SIZE", 32]
KEYS += ["DATA.TEST_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", [36, 44], "TRAIN.BATCH_SIZE", 4]
KEYS += ["DATA_LOADER.NUM_WORKERS", 0, "CONTRASTIVE.QUEUE_LEN", 4, "SOLVER.MAX_EPOCH", 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four videos without labels."""
    folder = tmp_path_factory.mktemp("shown")
    names = [write_video(folder / f"{n}.mp4", num_frames=40, seed=n, fps=20).name for n in range(4)]
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("\n".join(names) + "\n")
    return folder


def configuration(recipe, folder, *keys):
    return load_cfg(recipe, ["DATA.PATH_TO_DATA_DIR", folder, *KEYS, *keys])


@pytest.mark.parametrize(("device", "gpus"), [("cpu", 0), ("gpu", -1)])
def test_the_clips_are_those_that_the_network_gets_in_this_epoch(folder, device, gpus):
    """With colour on the GPU too: nothing of it needs one."""
    keys = ["DATA.AUG_DEVICE", device, "NUM_GPUS", gpus, "DATA.TRAIN_CROP_NUM_TEMPORAL", 3]
    cfg = configuration("demo/moco", folder, *keys)
    loader = build_loader(cfg, "train", "pretrain")
    batch = next(iter(loader.epoch(1)))
    inputs = to_network_input(batch.clips, cfg, "cpu", batch.operations)
    shown = shown_clips(cfg, batch.index.tolist(), epoch=1)
    assert [video.line - 1 for video in shown.videos] == batch.index.tolist()
    for video, expected in zip(shown.videos, inputs, strict=True):
        assert video.clips.shape == (3, 3, 32, 32, 3)
        again = to_network_input(torch.from_numpy(video.clips), cfg, "cpu")
        assert torch.equal(again, expected)


def test_the_times_are_those_of_the_frames_that_are_shown(folder):
    """Without augmentation a crop is a part of the frame that is named."""
    plain = ["DATA.AUG_SPATIAL", False, "DATA.SSL_COLOR_JITTER", False, "DATA.RANDOM_FLIP", False]
    cfg = configuration("demo/moco", folder, *plain, "DATA.TRAIN_CROP_NUM_SPATIAL", 2)
    (video, *_) = shown_clips(cfg, 2).videos
    assert video.clips.shape[:2] == video.frames.shape == (4, 3)
    with Video(video.path) as file:
        # The background's brightness tells the frame.
        expected = file.frames(video.frames.reshape(-1)).reshape(4, 3, 48, 64, 3).astype(int)
    corners = video.clips[:, :, 0, 0].astype(int) - expected[:, :, 0, 8]
    assert np.abs(corners).max() <= 3
    assert np.allclose(video.seconds, video.frames[:, [0, -1]] / 20)
    assert video.rate == pytest.approx(2 / (video.seconds[0, 1] - video.seconds[0, 0]))


@pytest.mark.parametrize(
    ("recipe", "purpose", "views", "words"),
    [
        ("demo/linear", "train", 1, []),
        ("test/knn_SlowR50_8x8", "knn", None, []),
        ("test/knn_SlowR50_8x8", "knn", None, ["TASK", "logistic"]),
    ],
)
def test_other_tasks_show_what_they_read(folder, recipe, purpose, views, words, tmp_path):
    lists = tmp_path / "labelled"
    lists.mkdir()
    for split in ("train", "val", "test"):
        (lists / f"{split}.csv").write_text("".join(f"{folder}/{n}.mp4 {n % 2}\n" for n in range(4)))
    keys = ["MODEL.NUM_CLASSES", 2] if purpose == "train" else ["TEST.CHECKPOINT_FILE_PATH", "none.pyth"]
    shown = shown_clips(configuration(recipe, lists, *keys, *words), 2)
    assert shown.purpose == purpose
    # One of each class.
    assert sorted(video.label for video in shown.videos) == [0, 1]
    assert views is None or all(len(video.clips) == views for video in shown.videos)


def test_of_a_list_that_is_sorted_by_class_all_classes_are_shown():
    """The 90 videos of the first class would fill a picture of evenly spread rows."""
    labels = np.repeat([0, 1, 2, -1], [90, 6, 3, 9])
    for seed in range(5):
        places = drawn_places(labels, 6, seed)
        assert places == sorted(set(places)) == drawn_places(labels, 6, seed)
        assert np.bincount(labels[places]).tolist() == [2, 2, 2]
    assert drawn_places(labels, 6, 0) != drawn_places(labels, 6, 1)
    # Of a class with few videos all are shown; videos without a label come last.
    assert np.bincount(labels[drawn_places(labels, 30, 0)]).tolist() == [21, 6, 3]
    assert drawn_places(labels, 200, 0) == list(range(108))
    assert (labels[drawn_places(labels, 100, 0)] == -1).sum() == 1
    assert len(drawn_places(np.full(50, -1), 4, 0)) == 4


def test_a_broken_video_is_named_and_replaced_as_in_training(folder, tmp_path):
    write_broken_video(tmp_path / "broken.mp4")
    (tmp_path / "train.csv").write_text(f"broken.mp4\n{folder}/1.mp4\n")
    cfg = configuration("demo/moco", tmp_path)
    shown = shown_clips(cfg, [0])
    assert [failure.index for failure in shown.failures] == [0] * len(shown.failures)
    (video,) = shown.videos
    assert video.path.endswith("1.mp4")
    from rhovideo.data.loading.datasets import SampleKey, build_dataset

    assert np.array_equal(video.clips, build_dataset(cfg, "train", "pretrain")[SampleKey(0, 0)].clips.numpy())
