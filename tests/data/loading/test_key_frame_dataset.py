"""Key frames, clips and boxes against PySlowFast's loader for AVA."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.data.augment.box_crops import FixedBoxCrops, Placement
from rhovideo.data.lists.boxes.key_frames import open_key_frames
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading.batches import BatchReader
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.sampling.key_frame_clips import frames_around
from tests.videos import write_video

REFERENCE = Path(__file__).parents[2] / "reference/downstream"
INPUTS = REFERENCE / "sampling_inputs"
SETTINGS = ["TASK", "detection", "MODEL.NUM_CLASSES", 80, "DATA.INV_UNIFORM_SAMPLE", True]
FILES = {
    "AVA.FRAME_LIST_DIR": INPUTS,
    "AVA.ANNOTATION_DIR": INPUTS,
    "AVA.TRAIN_LISTS": ["ava_frames.csv"],
    "AVA.TEST_LISTS": ["ava_frames.csv"],
    "AVA.TRAIN_GT_BOX_LISTS": ["ava_train_gt.csv"],
    "AVA.TRAIN_PREDICT_BOX_LISTS": ["ava_train_pred.csv"],
    "AVA.TEST_PREDICT_BOX_LISTS": ["ava_test_pred.csv"],
}


@pytest.fixture(scope="module")
def reference():
    return json.loads((REFERENCE / "ava_sampling.json").read_text())


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Frames 60 high and 80 wide: red is 4 x row, green 3 x column, blue the number of the frame."""
    folder = tmp_path_factory.mktemp("frames")
    rows, columns = np.mgrid[:60, :80]
    for line in (INPUTS / "ava_frames.csv").read_text().splitlines()[1:]:
        path = line.split()[3]
        number = int(Path(path).stem.rpartition("_")[2]) - 1
        (folder / path).parent.mkdir(exist_ok=True)
        image = np.stack([np.full_like(rows, number), 3 * columns, 4 * rows], axis=2)
        cv2.imwrite(str(folder / path), image.astype(np.uint8))
    return folder


@pytest.fixture
def configure(frames, tmp_path):
    def load(*words):
        files = [word for pair in FILES.items() for word in pair]
        folders = ["AVA.FRAME_DIR", str(frames), "DATA.MANIFEST_CACHE", str(tmp_path)]
        return load_cfg(None, [*SETTINGS, *(str(word) for word in files), *folders, *words])

    return load


def assert_item(found, expected, clip=None):
    sample = found if clip is None else clip
    assert list(sample.clips.shape[2:4]) == expected["shape"][2:]
    np.testing.assert_allclose(found.boxes.pixels, expected["boxes"], atol=1e-4)
    labels = [(np.flatnonzero(row) + 1).tolist() for row in found.boxes.targets]
    assert labels == [sorted(row) for row in expected["labels"]]


def assert_corners(clip, expected):
    """Rows and columns at the corners of the clip's first frame, in units of the colours; exact to a grey level."""
    red, green = clip[0, 0, ..., 0].numpy(), clip[0, 0, ..., 1].numpy()
    np.testing.assert_allclose(red[[0, -1], 0], expected["corner_red_rows"], atol=1)
    np.testing.assert_allclose(green[0, [0, -1]], expected["corner_green_columns"], atol=1)


@pytest.mark.parametrize(
    ("name", "split", "purpose", "words"),
    [
        ("val", "val", "eval", []),
        ("val_full", "val", "eval", ["AVA.FULL_TEST_ON_VAL", True]),
        ("test", "test", "test", []),
        ("test_force_flip", "test", "test", ["AVA.TEST_FORCE_FLIP", True]),
    ],
)
def test_items_of_evaluation_are_pyslowfasts(configure, reference, name, split, purpose, words):
    dataset = build_dataset(configure(*words), split, purpose)
    assert len(dataset) == len(reference[name])
    for index, expected in enumerate(reference[name]):
        key = SampleKey(0, index)
        sample = dataset.read(key)
        assert_item(sample, expected)
        assert_corners(sample.clips, expected)
        frame = dataset.manifest.key_frame(index)
        assert (frame.video, frame.second) == (expected["video"], expected["second"])
        np.testing.assert_array_equal(dataset.manifest.boxes(index), expected["ori_boxes"])
        times, fps = dataset.times_of(key, sample)
        assert (times.tolist(), fps) == ([expected["frames"]], 30)


class Drawn:
    """Crops of which all draws are given."""

    def __init__(self, item):
        self.item = item
        self.side = 224

    def place(self, height, width, rng):
        whole = Placement.scaled_to((height, width), self.item["short_side"])
        assert max(whole.scaled) == self.item["scaled_width"]
        return whole.cut(self.item["crop_y"], self.item["crop_x"], 224, self.item["flipped"])

    def draw_operations(self, rng):
        return []


def test_training_items_with_the_draws_of_pyslowfast(configure, reference):
    dataset = build_dataset(configure(), "train", "train")
    assert len(dataset) == len({(item["video"], item["second"]) for item in reference["train"]})
    for item in reference["train"]:
        dataset.crops = Drawn(item)
        sample = dataset.read(SampleKey(0, item["index"]))
        assert_item(sample, item)
        assert_corners(sample.clips, item)
        times, _ = dataset.times_of(SampleKey(0, item["index"]), sample)
        assert times.tolist() == [item["frames"]]


def test_frames_of_a_clip(reference):
    for name, (frames, rate) in {"T8_tau8": (8, 8), "T4_tau16": (4, 16), "T32_tau2": (32, 2)}.items():
        for centre, expected in reference["get_sequence"][name].items():
            length = 27031 if int(centre) > 1000 else 130
            found = frames_around(int(centre) / 30, frames, rate, target_fps=30, fps=30, length=length)
            assert found.tolist() == expected, (name, centre)


@pytest.mark.parametrize("fps", [24, 25, 29.97, 60])
def test_frames_of_another_rate_are_those_that_are_visible(fps):
    found = frames_around(5, 8, 8, target_fps=30, fps=fps, length=1000)
    times = 5 + (np.arange(8) - 4) * 8 / 30
    assert (found == np.floor(times * fps + 1e-6)).all()


def test_batch_of_clips_of_different_sizes(configure, reference):
    """Clips of a test keep their shape: a batch holds each in its corner, with its size."""
    dataset = build_dataset(configure(), "test", "test")
    batch = BatchReader(dataset).__getitems__([SampleKey(0, 2), SampleKey(0, 3)])
    expected = reference["collate_of_test_items_2_and_3"]
    np.testing.assert_allclose(batch.boxes.pixels, expected["boxes"], atol=1e-4)
    assert batch.boxes.sizes.tolist() == [[256, 341], [256, 341]]
    half = batch.select(torch.tensor([False, True]))
    np.testing.assert_allclose(half.boxes.pixels[:, 1:], np.array(expected["boxes"])[1:, 1:], atol=1e-4)
    assert half.boxes.pixels[:, 0].tolist() == [0, 0]


def test_a_sample_depends_on_its_address_alone(configure):
    dataset = build_dataset(configure(), "train", "train")
    again = build_dataset(configure(), "train", "train")
    again.read(SampleKey(3, 0))
    for epoch in range(3):
        first, second = dataset.read(SampleKey(epoch, 1)), again.read(SampleKey(epoch, 1))
        assert torch.equal(first.clips, second.clips)
        np.testing.assert_array_equal(first.boxes.pixels, second.boxes.pixels)
    other = dataset.read(SampleKey(4, 1))
    assert not np.array_equal(other.boxes.pixels, first.boxes.pixels)


def test_law_of_the_training_crops(configure):
    """Short sides by the inverse of a uniform number from 256 to 320, offsets uniform, half of the clips mirrored."""
    crops = build_dataset(configure(), "train", "train").crops
    rng = np.random.default_rng(0)
    drawn = [crops.place(60, 80, rng) for _ in range(4000)]
    short = np.array([min(placement.scaled) for placement in drawn])
    assert (short.min(), short.max()) == (256, 320)
    inverse = (1 / short - 1 / 320) / (1 / 256 - 1 / 320)
    assert abs(inverse.mean() - 0.5) < 0.02
    assert abs(np.mean([placement.flip for placement in drawn]) - 0.5) < 0.03
    places = np.array([placement.left / (max(placement.scaled) - 224) for placement in drawn])
    assert abs(places.mean() - 0.5) < 0.02
    assert (places.min(), places.max()) == (0, 1)
    assert all(placement.size == (224, 224) for placement in drawn)


def test_boxes_follow_the_pixels():
    """A bright square stays in its box, whatever is drawn."""
    frame = np.zeros((120, 200, 3), np.uint8)
    frame[30:60, 100:150] = 255
    shares = np.array([[100 / 200, 30 / 120, 150 / 200, 60 / 120]])
    rng = np.random.default_rng(1)
    for _ in range(50):
        whole = Placement.scaled_to((120, 200), int(rng.integers(64, 90)))
        top, left = (int(rng.integers(0, side - 63)) for side in whole.scaled)
        placement = whole.cut(top, left, 64, bool(rng.integers(2)))
        clip = np.zeros((64, 64, 3), np.uint8)
        placement.paste(frame, clip)
        rows, columns = np.nonzero(clip[..., 0] > 127)
        x1, y1, x2, y2 = placement.boxes(shares)[0]
        if not len(rows):
            assert x2 - x1 <= 1 or y2 - y1 <= 1
            continue
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=2)


def test_upright_frames_are_scaled_by_their_width():
    placement = FixedBoxCrops(64, whole=True).place(200, 120, np.random.default_rng(0))
    assert placement.scaled == (106, 64)
    boxes = placement.boxes(np.array([[0.1, 0.2, 0.5, 0.9], [0, 0, 1, 1]]))
    np.testing.assert_allclose(boxes, [[6.36, 21.2, 31.8, 95.4], [0, 0, 63, 105]])


# -- videos themselves, and files of one's own ------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Two videos with boxes at the seconds 1 and 2, and a configuration for them."""
    for name, fps in (("street", 25), ("park", 30)):
        write_video(tmp_path / f"videos/{name}.mp4", num_frames=4 * fps, fps=fps)
    (tmp_path / "boxes.csv").write_text("park,1,0.1,0.1,0.5,0.9,2,0\nstreet,2,0.5,0.5,1,1,1,0\nstreet,1,0,0,1,1,3,1\n")
    words = ["TASK", "detection", "MODEL.NUM_CLASSES", 3, "DATA.PATH_TO_DATA_DIR", str(tmp_path)]
    words += ["AVA.VIDEO_DIR", str(tmp_path / "videos"), "AVA.TRAIN_GT_BOX_LISTS", "[boxes.csv]"]
    return tmp_path, [*words, "DATA.TRAIN_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", "[36, 44]"]


def test_videos_by_their_ids(own):
    _, words = own
    dataset = build_dataset(load_cfg(None, words), "train", "train")
    frames = [dataset.manifest.key_frame(index) for index in range(len(dataset))]
    assert [(frame.video, frame.second) for frame in frames] == [("park", 1), ("street", 1), ("street", 2)]
    sample = dataset.read(SampleKey(0, 2))
    assert sample.valid
    assert sample.clips.shape == (1, 8, 32, 32, 3)
    times, fps = dataset.times_of(SampleKey(0, 2), sample)
    assert fps == 25
    # The clip's middle is second 2.
    assert times[0, 4] == 50
    assert sample.boxes.targets.tolist() == [[1, 0, 0]]


def test_videos_that_begin_later(own):
    _, words = own
    dataset = build_dataset(load_cfg(None, [*words, "AVA.START_SECOND", 1]), "train", "train")
    times, _ = dataset.times_of(SampleKey(0, 2), dataset.read(SampleKey(0, 2)))
    assert times[0, 4] == 25


def test_unreadable_video_is_replaced_in_training_and_marked_in_tests(own):
    folder, words = own
    (folder / "videos/street.mp4").write_bytes(b"no video")
    (folder / "found.csv").write_text("street,1,0,0,1,1,3,0.95\n")
    dataset = build_dataset(load_cfg(None, words), "train", "train")
    sample = dataset.read(SampleKey(0, 1))
    assert (sample.valid, sample.index) == (True, 0)
    assert "street.mp4 at second 1" in sample.failures[0].path
    tested = build_dataset(load_cfg(None, [*words, "AVA.TEST_PREDICT_BOX_LISTS", "[found.csv]"]), "test", "test")
    sample = tested.read(SampleKey(0, 0))
    assert not sample.valid
    assert len(sample.boxes.pixels) == 0
    batch = BatchReader(tested).__getitems__([SampleKey(0, 0)])
    assert len(batch.boxes.pixels) == 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("park,1,10,10,50,90,2,0", "not pixels"),
        ("park,1,0,0,1,1,4,0", "MODEL.NUM_CLASSES 4"),
        ("park,1,0,0,1,1,0,0", "counted from 1"),
        ("park,one,0,0,1,1,2,0", "whole number"),
    ],
)
def test_rows_that_cannot_be_used_are_named(own, row, said):
    folder, words = own
    (folder / "boxes.csv").write_text(f"park,1,0,0,1,1,1,0\n{row}\n")
    with pytest.raises(ManifestError, match=rf"boxes\.csv, line 2: .*{said}"):
        open_key_frames(load_cfg(None, words), "train")


def test_what_leaves_no_box_is_named(own):
    folder, words = own
    (folder / "boxes.csv").write_text("plaza,1,0,0,1,1,1,0\n")
    with pytest.raises(ManifestError, match=r"boxes of plaza.*park"):
        open_key_frames(load_cfg(None, words), "train")
    (folder / "found.csv").write_text("park,1,0,0,1,1,1,0.5\n")
    cfg = load_cfg(None, [*words, "AVA.TEST_PREDICT_BOX_LISTS", "[found.csv]"])
    with pytest.raises(ManifestError, match=r"AVA\.DETECTION_SCORE_THRESH 0\.9"):
        open_key_frames(cfg, "test")
    (folder / "boxes.csv").write_text("park,1,0,0,1,1,1,0\n")
    with pytest.raises(ManifestError, match=r"AVA\.START_SECOND"):
        open_key_frames(load_cfg(None, [*words, "AVA.START_SECOND", 2]), "train")
