"""Videos that are listed in memory and read frame by frame, as a data set of one's own gives them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rhovideo.data import IndexedFrames, VideoDataset, VideoList, build_augmentation, build_clip_sampler
from rhovideo.data.loading.datasets import SampleKey


class Numbered(VideoList):
    """Video i has frames of which all pixels are i."""

    def open_video(self, index, image_fps, backend="pyav"):
        if self.label(index) < 0:
            raise FileNotFoundError(f"{self.path(index)} is gone")
        frames = np.full((20, 24, 32, 3), index, np.uint8)
        return IndexedFrames(self.path(index), len(frames), image_fps, frames.__getitem__)


def test_list_gives_what_a_manifest_gives():
    videos = VideoList("mine", ["a.mp4", "b.mp4", "c.mp4"], [0, 4, -1])
    assert (len(videos), videos.path(1), videos.label(1), videos.line(1), videos.csv) == (3, "b.mp4", 4, 2, "mine")
    assert (videos.num_classes, videos.has_labels, videos.labels.tolist()) == (5, True, [0, 4, -1])
    bare = VideoList("mine", ["a.mp4"])
    assert (bare.num_classes, bare.has_labels, bare.label(0)) == (0, False, -1)
    assert pickle.loads(pickle.dumps(videos)).path(2) == "c.mp4"


@pytest.mark.parametrize(
    ("paths", "labels", "said"), [([], None, "no video"), (["a"], [0, 1], "1 videos and 2 labels")]
)
def test_list_that_cannot_be_is_refused(paths, labels, said):
    with pytest.raises(ValueError, match=said):
        VideoList("mine", paths, labels)


def test_files_of_a_list_are_opened_as_any_others(video_tree):
    path = next(video_tree.rglob("*.mp4"))
    with VideoList("mine", [path]).open_video(0, 30.0) as video:
        assert video.num_frames >= 20


def test_frames_of_ones_own_become_samples_and_what_cannot_be_read_is_replaced(small_cfg):
    videos = Numbered("mine", ["v0", "v1", "v2"], [0, 1, -1])
    sampler, augmentation = build_clip_sampler(small_cfg, "eval"), build_augmentation(small_cfg, "eval")
    dataset = VideoDataset(videos, sampler, augmentation, seed=0)
    sample = dataset[SampleKey(0, 1)]
    assert (sample.label, sample.clips.unique().tolist()) == (1, [1])
    replaced = dataset[SampleKey(0, 2)]
    assert replaced.valid
    assert replaced.index in (0, 1)
    (failure, *_) = replaced.failures
    assert (failure.path, failure.line, failure.csv, failure.reason) == ("v2", 3, "mine", "v2 is gone")


def test_frames_are_read_once_each_and_handed_out_in_order():
    read, taken = [], []
    video = IndexedFrames("v", 5, 30.0, lambda index: read.append(index) or np.full((2, 2, 3), index, np.uint8))
    with video:
        video.each(np.array([3, 1, 3]), lambda picture, places: taken.append((int(picture.rgb()[0, 0, 0]), places)))
    assert (read, taken) == ([1, 3], [(1, [1]), (3, [0, 2])])
    with pytest.raises(IndexError, match="v: frames 0 to 5 of 5"):
        video.each(np.array([0, 5]), lambda picture, places: None)
