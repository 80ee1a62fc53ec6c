"""What is found in the files of boxes and frames before a job starts."""

from __future__ import annotations

import shutil

import pytest

from rhovideo.checks.files import check_files
from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config import load_cfg
from tests.box_sets import write_box_set
from tests.engine.tasks.test_detect import CONFIG, EXCLUDED, LABELS
from tests.videos import write_video


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_box_set(tmp_path_factory.mktemp("original"), train=3, val=2)


@pytest.fixture
def configure(tmp_path, original):
    """Loads the configuration of a copy of the set, which a test may damage."""
    folder = tmp_path / "set"
    shutil.copytree(original, folder)
    (tmp_path / "detection.yaml").write_text(CONFIG)

    def load(*words):
        places = ["DATA.PATH_TO_DATA_DIR", folder, "AVA.FRAME_DIR", folder / "frames", "OUTPUT_DIR", tmp_path / "out"]
        places += ["DATA.MANIFEST_CACHE", tmp_path]
        return load_cfg(tmp_path / "detection.yaml", [str(word) for word in (*places, *words)])

    load.folder = folder
    return load


def found(cfg):
    return [*check_files(cfg), *ListCheck()(cfg)]


def only(cfg, severity="error"):
    (finding,) = (finding for finding in ListCheck()(cfg) if finding.severity == severity)
    return finding


def test_whole_set_has_nothing_wrong(configure):
    assert found(configure()) == []
    assert found(configure("TRAIN.ENABLE", False, "AVA.EXCLUSION_FILE", "")) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("train.csv", "AVA.FRAME_LIST_DIR"),
        ("val.csv", "AVA.FRAME_LIST_DIR"),
        ("ava_train_v2.2.csv", "AVA.ANNOTATION_DIR"),
        ("ava_val_predicted_boxes.csv", "AVA.ANNOTATION_DIR"),
        ("ava_val_v2.2.csv", "AVA.GROUNDTRUTH_FILE"),
        (LABELS, "AVA.LABEL_MAP_FILE"),
        (EXCLUDED, "AVA.EXCLUSION_FILE"),
    ],
)
def test_missing_file_is_named_with_its_key(configure, name, key):
    (configure.folder / name).unlink()
    (finding,) = check_files(configure())
    assert finding.keys[0] == key
    assert name in finding.wrong
    assert finding.write


def test_missing_folder_is_named_once(configure, tmp_path):
    (finding,) = check_files(configure("AVA.ANNOTATION_DIR", tmp_path / "none"))
    assert finding.keys[0] == "AVA.ANNOTATION_DIR"
    findings = list(check_files(configure("DATA.PATH_TO_DATA_DIR", tmp_path / "none")))
    assert [finding.keys for finding in findings] == [
        ("DATA.PATH_TO_DATA_DIR", "AVA.FRAME_LIST_DIR"),
        ("DATA.PATH_TO_DATA_DIR", "AVA.ANNOTATION_DIR"),
    ]
    findings = check_files(configure("DATA.PATH_TO_DATA_DIR", "", "AVA.VIDEO_DIR", tmp_path))
    assert [finding.keys[0] for finding in findings] == ["AVA.ANNOTATION_DIR"]


UNLABELLED = "".join(f"t{video},{second},0,0,1,1,,0\n" for video in range(4) for second in range(1, 5))


@pytest.mark.parametrize(
    ("name", "text", "key", "said"),
    [
        ("ava_train_v2.2.csv", "t0,1,0,0,1,1,9,0\n", "MODEL.NUM_CLASSES", "line 1"),
        ("ava_train_v2.2.csv", "t0;1;0;0;1;1;1;0\n", "AVA.ANNOTATION_DIR", "columns"),
        ("ava_train_v2.2.csv", "", "AVA.ANNOTATION_DIR", "holds no box: write video,second"),
        (
            "ava_train_v2.2.csv",
            "t0,1,0.5,0.5,0.2,0.9,1,0\n",
            "AVA.ANNOTATION_DIR",
            "line 1: the box ends before",
        ),
        ("ava_train_v2.2.csv", UNLABELLED, "AVA.TRAIN_GT_BOX_LISTS", "no box has an action"),
        ("ava_val_predicted_boxes.csv", "v0,4,0,0,1,1,,high\n", "AVA.ANNOTATION_DIR", "score"),
        ("ava_val_v2.2.csv", "v0,4,0,0,1,1,,\n", "AVA.GROUNDTRUTH_FILE", "no box of the classes"),
        ("ava_val_v2.2.csv", "v0,4,0,0,1\n", "AVA.GROUNDTRUTH_FILE", "columns"),
        (LABELS, "nothing\n", "AVA.LABEL_MAP_FILE", "line 1"),
        (LABELS, "1,stand\n7,sit\n", "MODEL.NUM_CLASSES", "1 to 7"),
        (EXCLUDED, "v0\n", "AVA.EXCLUSION_FILE", "columns"),
        ("train.csv", "t0.mp4 0\n", "AVA.VIDEO_DIR", "line 1"),
    ],
)
def test_damaged_file_is_named_with_its_key(configure, name, text, key, said):
    (configure.folder / name).write_text(text)
    finding = only(configure())
    assert finding.keys[0] == key
    assert said in finding.wrong
    assert name in finding.wrong or "label map" in finding.wrong


def test_frames_that_are_elsewhere(configure):
    shutil.rmtree(configure.folder / "frames/t0")
    warning = only(configure(), "warning")
    assert warning.keys[0] == "AVA.FRAME_DIR"
    shutil.rmtree(configure.folder / "frames")
    assert {finding.keys[0] for finding in ListCheck()(configure())} == {"AVA.FRAME_DIR"}


def test_videos_without_frames_and_seconds_after_the_end_are_warned_of(configure):
    file = configure.folder / "ava_train_v2.2.csv"
    file.write_text(file.read_text() + "elsewhere,1,0,0,1,1,1,0\n")
    assert "elsewhere" in only(configure(), "warning").wrong
    file.write_text("".join(f"t0,{second},0,0,1,1,1,0\n" for second in range(1, 30)))
    (finding,) = (finding for finding in ListCheck()(configure()) if finding.severity == "warning")
    assert "after the last frame" in finding.wrong


def test_videos_of_training_in_the_test_are_warned_of(configure):
    for name in ("val.csv", "ava_val_predicted_boxes.csv"):
        file = configure.folder / name
        other = configure.folder / name.replace("val.csv", "train.csv").replace("val_pred", "train_pred")
        file.write_text(file.read_text() + "\n".join(other.read_text().splitlines()[1:]) + "\n")
    warnings = [finding for finding in ListCheck()(configure()) if finding.severity == "warning"]
    assert warnings
    assert all("t0" in finding.wrong for finding in warnings)


def test_batch_that_the_key_frames_do_not_fill(configure):
    finding = only(configure("TRAIN.BATCH_SIZE", 64))
    assert finding.keys[0] == "TRAIN.BATCH_SIZE"
    assert "15 key frames" in finding.wrong


def test_folder_of_videos(configure, tmp_path):
    videos = tmp_path / "videos"
    cfg = configure("AVA.VIDEO_DIR", videos)
    (finding,) = check_files(cfg)
    assert finding.keys[0] == "AVA.VIDEO_DIR"
    videos.mkdir()
    assert {finding.keys[0] for finding in ListCheck()(cfg)} == {"AVA.VIDEO_DIR"}
    for name in ("t0", "v0"):
        write_video(videos / f"{name}.mp4", num_frames=60, fps=10)
    errors = ListCheck()(configure("AVA.VIDEO_DIR", videos, "TRAIN.BATCH_SIZE", 4))
    assert {finding.severity for finding in errors} == {"warning"}
    assert any("t1" in finding.wrong for finding in errors)
