"""Charades' lists of frames: PySlowFast's frames and labels, clip by clip, and what is said of wrong lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.multi_label.charades_frames import CharadesManifest
from rhovideo.data.sampling.frame_list_samplers import FrameStepSampler

REFERENCE = Path(__file__).parents[3] / "reference" / "downstream"
CLIPS = {"8x8": (8, 8), "4x4": (4, 4), "16x2": (16, 2)}
HEADER = "original_vido_id video_id frame_id path labels"


@pytest.fixture(scope="module")
def released():
    return json.loads((REFERENCE / "charades_sampling.json").read_text())


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return CharadesManifest.open(REFERENCE / "charades_train.csv", prefix="/frames", cache_dir=cache)


@pytest.fixture(scope="module")
def videos(manifest):
    return {Path(manifest.path(index)).name: index for index in range(len(manifest))}


def number_of_frames(manifest, index):
    with manifest.open_video(index, 30) as video:
        return video.num_frames


class Drawn:
    """A generator that draws one number."""

    def __init__(self, number):
        self.number = number

    def integers(self, low, high):
        assert low <= self.number < high
        return self.number


def start_of(frames, rate, total):
    """The start from which a clip has these frames: the one of a frame that is not limited, else any that fits."""
    places = [frame - i * rate for i, frame in enumerate(frames) if 0 < frame < total - 1]
    return places[0] if places else None


@pytest.mark.parametrize("clip", CLIPS)
def test_training_clips_have_pyslowfasts_frames_and_the_labels_between_them(released, manifest, videos, clip):
    num_frames, rate = CLIPS[clip]
    sampler = FrameStepSampler(num_frames, rate)
    assert sampler.length == released[clip]["clip_length"]
    compared = 0
    for item in released[clip]["train"]:
        index = videos[item["video"]]
        total = number_of_frames(manifest, index)
        start = start_of(item["frames"], rate, total)
        if start is not None:
            assert sampler.sample(total, 30.0, Drawn(start)).tolist() == [item["frames"]]
            compared += 1
        first, last = item["frames"][0], item["frames"][-1]
        assert list(manifest.label_set(index, first, last)) == item["labels"]
    assert compared > 8


@pytest.mark.parametrize("clip", CLIPS)
def test_test_clips_have_pyslowfasts_frames_and_the_videos_labels(released, manifest, videos, clip):
    views: dict[str, list[list[int]]] = {}
    for item in released[clip]["test_10_views_3_crops"]:
        assert list(manifest.label_set(videos[item["video"]])) == item["labels"]
        views.setdefault(item["video"], []).append(item["frames"])
    sampler = FrameStepSampler(*CLIPS[clip], clips=10)
    for name, expected in views.items():
        assert sampler.sample(number_of_frames(manifest, videos[name]), 30.0).tolist() == expected
    for item in released[clip]["val"]:
        assert list(manifest.label_set(videos[item["video"]])) == item["labels"]


def test_the_list_as_it_is_stored(manifest):
    assert manifest.num_classes == 157
    assert manifest.label_numbers == sorted({label for i in range(len(manifest)) for label in manifest.label_set(i)})
    assert manifest.line(0) == 2
    assert manifest.label(0) == -1
    assert manifest.label_set(0) == (3, 5, 9, 21)
    assert (manifest.label_set(0, 24, 24), manifest.label_set(0, 25, 25)) == ((9, 21), (9,))
    assert manifest.label_set(0, 30, 35) == ()


def written(tmp_path, *lines):
    csv = tmp_path / "train.csv"
    csv.write_text("\n".join(lines) + "\n")
    return csv


def opened(tmp_path, *lines):
    return CharadesManifest.open(written(tmp_path, *lines), cache_dir=tmp_path / "cache")


def test_frames_of_several_videos_may_be_mixed(tmp_path):
    rows = ['b 1 0 b/1.jpg "4"', 'a 0 0 a/7.jpg ""', 'b 1 1 b/2.jpg "4,5"', 'a 0 1 a/9.jpg "2"']
    manifest = opened(tmp_path, HEADER, *rows)
    assert [Path(manifest.path(i)).name for i in range(2)] == ["b", "a"]
    assert [manifest.label_set(i) for i in range(2)] == [(4, 5), (2,)]
    assert [manifest.label_set(1, 0, 0), manifest.label_set(0, 1, 1)] == [(), (4, 5)]
    with manifest.open_video(1, 30) as video:
        assert [Path(video.images[i]).name for i in range(2)] == ["7.jpg", "9.jpg"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((HEADER, 'a 0 0 a/1.jpg "3"', 'a 0 1 a/2.jpg "3,q"'), "line 3: 'q' is no label"),
        ((HEADER, 'a 0 0 a/1.jpg "3, 4"'), "line 2: .*write the five fields"),
        ((HEADER, "a 0 0 a/1.jpg"), "line 2: .*write the five fields"),
        ((HEADER,), "lists no frame"),
        (('a.mp4 "3"',), "begins with the line .*For a list of video files write TRAIN.DATASET kinetics"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_write(tmp_path, lines, said):
    with pytest.raises(ManifestError, match=said):
        opened(tmp_path, *lines)


def test_labels_of_any_part_are_those_of_its_frames(tmp_path):
    rng = np.random.default_rng(0)
    labels = [tuple(sorted(set(rng.integers(0, 6, rng.integers(0, 3)).tolist()))) for _ in range(30)]
    rows = [f'v 0 {i} v/{i + 1:04d}.jpg "{",".join(map(str, each))}"' for i, each in enumerate(labels)]
    manifest = opened(tmp_path, HEADER, *rows)
    for first in range(30):
        for last in range(first, 30):
            expected = tuple(sorted({label for each in labels[first : last + 1] for label in each}))
            assert manifest.label_set(0, first, last) == expected
