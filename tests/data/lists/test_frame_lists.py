"""Something-Something's lists of frames: what is read of them, and what is said where they are wrong."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest

from rhovideo.config import load_cfg
from rhovideo.data.lists.classes.template_labels import read_labels
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.frame_lists import FrameListManifest, Run
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.datasets import SampleKey, build_dataset, open_manifest
from rhovideo.data.loading.loader import build_loader
from rhovideo.data.video.image_frames import ImageFrames
from rhovideo.data.video.reader import VideoReadError
from tests.frame_lists import HEADER, picture, write_frame_lists

LABELS = "something-something-v2-labels.json"
TRAIN = "something-something-v2-train.json"


@pytest.fixture
def lists(tmp_path):
    return write_frame_lists(tmp_path / "ssv2")


@pytest.fixture
def configure(lists, tmp_path):
    """Loads the configuration of a task on ``lists``."""

    def load(task="finetune", *overrides):
        keys = ["DATA.PATH_TO_DATA_DIR", lists, "DATA.PATH_PREFIX", lists / "frames", "DATA.NUM_FRAMES", 4]
        keys += ["DATA.MANIFEST_CACHE", tmp_path / "cache", "TRAIN.DATASET", "ssv2", "DATA.SAMPLING_RATE", 2]
        keys += ["DATA.TRAIN_CROP_SIZE", 32, "DATA.TEST_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", "[36, 44]"]
        keys += ["NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0, "TRAIN.BATCH_SIZE", 4, "DATA.RANDOM_FLIP", False]
        return load_cfg(None, ["TASK", task, *keys, *overrides])

    return load


def edit_json(path, change):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


def test_videos_come_in_the_order_of_the_labels_with_all_their_frames(lists, configure):
    edit_json(lists / TRAIN, lambda videos: videos[::-1])
    manifest = open_manifest(configure(), "train")
    assert len(manifest) == 16
    assert manifest.labels.tolist() == [i % 3 for i in range(115, 99, -1)]
    assert manifest.path(0) == str(lists / "frames/115")
    # The lines of video 115 follow the header and those of 100 to 114.
    assert manifest.line(0) == 2 + sum(12 + i % 5 for i in range(100, 115))
    with manifest.open_video(15, 30) as video:
        assert (video.num_frames, video.fps) == (12, 30)
        taken = {}
        video.each([11, 0, 0], lambda found, places: taken.update({tuple(places): found.rgb()}))
    assert taken.keys() == {(0,), (1, 2)}
    assert np.array_equal(taken[0,], picture(100, 12))
    assert np.array_equal(taken[1, 2], picture(100, 1))
    for index in (-1, 12):
        with pytest.raises(IndexError, match="of 12"):
            video.each([0, index], lambda found, places: None)
    video.each([], lambda found, places: pytest.fail("nothing was asked for"))


def test_paths_of_any_kind_come_back(tmp_path):
    names = ["a_001.png", "a_002.png", "a_004.png", "a_9.png", "a_10.png", "still.png", "b_099.png", "b_100.png"]
    lines = [HEADER, *(f"v 0 {i} {name} 1,2" for i, name in enumerate(names)), "w 1 0 /elsewhere/w0.png 3", ""]
    (tmp_path / "x.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    manifest = FrameListManifest.open(tmp_path / "x.csv", labels=None, cache_dir=tmp_path / "cache")
    video = manifest.open_video(0, 30)
    assert [video.images[place] for place in range(video.num_frames)] == [str(tmp_path / name) for name in names]
    assert manifest.open_video(1, 30).images[0] == "/elsewhere/w0.png"
    assert (manifest.has_labels, manifest.path(0), manifest.path(1)) == (False, str(tmp_path / "v"), "/elsewhere/w")


def test_numbered_frames_are_packed_as_one_run(tmp_path):
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(f"7 0 {i} 78/78_{i:06d}.jpg x" for i in range(5000))]))
    manifest = FrameListManifest.open(tmp_path / "x.csv", labels=None, cache_dir=tmp_path / "cache")
    assert len(manifest.open_video(0, 30).images) == 5000
    assert sum(file.stat().st_size for file in (tmp_path / "cache").glob("*.manifest")) < 500
    assert Run.of("78/78_000001.jpg") == Run("78/78_", 1, 6, ".jpg")


def test_packed_list_goes_to_workers_and_follows_its_files(lists, configure):
    cfg = configure()
    manifest = pickle.loads(pickle.dumps(open_manifest(cfg, "train")))
    assert manifest.open_video(3, 30).num_frames == 15
    edit_json(lists / TRAIN, lambda videos: videos[:5])
    assert open_manifest(cfg, "train").labels.tolist()[:5] == manifest.labels.tolist()[:5]
    # Videos that only the list of frames names stay, without a label.
    assert open_manifest(cfg, "train").labels.tolist()[5:] == [-1] * 11


def test_a_classifier_sees_one_frame_of_each_segment_unflipped(configure):
    cfg = configure()
    dataset = build_dataset(cfg, "test", "test")
    assert len(dataset) == 8, "the test set is val.csv"
    sample = dataset[SampleKey(0, 2)]
    assert sample.clips.shape == (cfg.TEST.NUM_SPATIAL_CROPS, 4, 32, 32, 3)
    assert sample.label == 202 % 3
    # 14 frames: segments of 3.25 with rounded, shared ends 0, 3, 6, 10, 13; their middles, counted from 1 in the names.
    assert [int(clip[0, 0, 1]) for clip in sample.clips[0]] == [picture(202, n)[0, 0, 1] for n in (2, 5, 9, 12)]
    assert sample.clips[0, 0, 0, 0].tolist() == picture(202, 2)[0, 0].tolist()


def test_training_draws_from_the_whole_of_each_segment(configure):
    dataset = build_dataset(configure(), "train", "train")
    drawn = [dataset[SampleKey(epoch, 0)].clips[0, :, 0, 0, 1].tolist() for epoch in range(60)]
    places = (np.array(drawn) - 20) // 5 - 1
    # Video 100 has 12 frames: ends 0, 3, 6 (of 5.5), 8, 11.
    assert [(column.min(), column.max()) for column in places.T] == [(0, 3), (3, 6), (6, 8), (8, 11)]


def test_pretraining_takes_clips_at_several_times_and_needs_no_labels(lists, configure):
    cfg = configure("pretrain", "DATA.TRAIN_CROP_NUM_TEMPORAL", 3, "CONTRASTIVE.QUEUE_LEN", 8)
    sample = build_dataset(cfg, "train", "pretrain")[SampleKey(0, 4)]
    assert sample.clips.shape == (3, 4, 32, 32, 3)
    greens = sample.clips[:, :, 0, 0, 1].numpy().astype(int)
    assert np.ptp(greens, axis=1).tolist() == [5 * 7] * 3, "4 frames, one in every 2, span 8 of the list"
    for file in lists.glob("*.json"):
        file.unlink()
    assert not build_dataset(cfg, "train", "pretrain").manifest.has_labels


def test_missing_frames_and_labels_are_bad_videos_that_are_replaced(lists, configure):
    for file in (lists / "frames/104").iterdir():
        file.unlink()
    for file in (lists / "frames/105").iterdir():
        file.write_bytes(b"no picture")
    videos = json.loads((lists / TRAIN).read_text())
    videos[6]["template"] = "Holding [something] nobody knows"
    videos.append({"id": "999", "template": videos[0]["template"]})
    (lists / TRAIN).write_text(json.dumps(videos))
    cfg = configure()
    loader = build_loader(cfg, "train", "train")
    batches = list(loader.epoch(0))
    assert all(batch.valid.all() and (batch.label >= 0).all() for batch in batches)
    reasons = {failure.path: failure.reason for batch in batches for failure in batch.failures}
    dataset = loader.dataset
    for index in (4, 5, 6, 16):
        reasons |= {failure.path: failure.reason for failure in dataset[SampleKey(0, index)].failures}
    bad = {str(lists / "frames" / str(name)): name for name in (104, 105, 106)} | {str(lists / "frames/999"): 999}
    assert reasons.keys() == bad.keys()
    found = {bad[path]: reason for path, reason in reasons.items()}
    assert found[104].endswith("No such file or directory")
    assert found[105].endswith("is not an image")
    assert found[106] == "has no label"
    assert found[999].endswith("train.csv lists no frame of it")
    # Pre-training needs no labels.
    pretrain = build_dataset(configure("pretrain", "CONTRASTIVE.QUEUE_LEN", 8), "train", "pretrain")
    assert pretrain[SampleKey(0, 6)].failures == []


def test_frames_of_two_sizes_are_a_bad_video(lists, configure):
    for file in sorted((lists / "frames/200").iterdir())[::2]:
        cv2.imwrite(str(file), np.zeros((20, 30, 3), np.uint8))
    sample = build_dataset(configure(), "val", "eval")[SampleKey(0, 0)]
    assert not sample.valid
    assert "not of one size: frame 4 has 30x20, those before it 64x48" in sample.failures[0].reason


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (LABELS, "[", r"labels.json: cannot be read as JSON"),
        (LABELS, "[]", r"labels.json: is not an object of templates and numbers, such as"),
        (LABELS, '{"Holding something": "many"}', r"labels.json: 'Holding something' has the number 'many'"),
        (LABELS, '{"Holding something": 1.5}', r"has the number 1.5; write a whole number"),
        (LABELS, '{"Holding something": Infinity}', r"has the number inf; write a whole number"),
        (LABELS, '{"Holding something": -2}', r"has the number -2; write a whole number"),
        (LABELS, '{"Nothing": 0}', r"has none of the templates of .*train.json"),
        (TRAIN, "{}", r"train.json: is not a list of videos such as"),
        (TRAIN, "[]", r"train.json: is not a list of videos such as"),
        (TRAIN, '[{"id": "1"}]', r"train.json: video 0 .* is {.id.: .1.}; write `id` and `template`"),
        (TRAIN, '[{"template": "Holding [something]"}]', r"video 0 of the list .*; write `id` and `template`"),
        (TRAIN, '[{"id": 7, "template": "Holding [something]"}]', r"no video in common: 100 and 7 are the first"),
        ("train.csv", "a.mp4 1\n", r"train.csv, line 1: a list of frames begins with .* TRAIN.DATASET kinetics"),
        ("train.csv", HEADER, r"train.csv lists no frame: write"),
        ("train.csv", f'{HEADER}\n100 0 0 a.jpg ""\n100 0 1 b.jpg\n', r"train.csv, line 3: .* five fields"),
        ("train.csv", b"original_vido_id \xff\xfe", r"train.csv: is not UTF-8 text"),
    ],
)
def test_wrong_file_is_told_before_training(lists, configure, file, content, said):
    (lists / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ManifestError, match=said):
        open_manifest(configure(), "train")


def test_numbers_of_templates_may_be_text_or_numbers(tmp_path):
    (tmp_path / LABELS).write_text('{"Holding something": 5, "Moving something up": "7"}')
    (tmp_path / TRAIN).write_text(
        '[{"id": 3, "template": "Moving [something] up"}, {"id": "4", "template": "Holding [something]"}]'
    )
    assert read_labels(tmp_path / TRAIN, tmp_path / LABELS) == {"3": 7, "4": 5}


def test_frame_list_read_as_videos_says_what_it_is(lists):
    with pytest.raises(ManifestError, match=r"train.csv, line 1: the file lists frames.* write TRAIN.DATASET ssv2"):
        Manifest.open(lists / "train.csv", cache_dir=lists / "cache")


def test_a_number_of_thousands_of_digits_is_a_name():
    path = f"1/{'9' * 5000}.jpg"
    assert Run.of(path).path(0) == path


def test_a_path_that_no_file_can_have_is_a_bad_video(tmp_path):
    with ImageFrames("1", ["a\0b.jpg"], 30.0) as video, pytest.raises(VideoReadError, match="frame 0"):
        video.each([0], lambda picture, places: None)
