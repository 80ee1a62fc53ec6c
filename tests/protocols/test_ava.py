"""``rhovideo eval --protocol ava`` as a person types it, on generated frames, boxes and videos."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml

import rhovideo
from rhovideo.cli import main
from rhovideo.metrics import ava_map
from tests.box_sets import ACTIONS, FPS, write_box_set
from tests.configured_runs import ROOT
from tests.videos import write_video

MOCO = str(ROOT / "tests/reference/moco_tiny_epoch_00200.pyth")
QUICK = [
    *("NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0, "TRAIN.BATCH_SIZE", 8, "TRAIN.EVAL_PERIOD", 0, "DATA.NUM_FRAMES", 2),
    *("SOLVER.MAX_EPOCH", 1, "SOLVER.STEPS", [0], "SOLVER.LRS", [1], "SOLVER.WARMUP_EPOCHS", 0),
    *("DATA.TARGET_FPS", FPS, "DATA.SAMPLING_RATE", 1, "AVA.START_SECOND", 0),
]
LABELS = "ava_action_list_v2.2_for_activitynet_2019.pbtxt"


def evaluate(source, data, out, *words):
    command = ["eval", source, "--data", data, "--protocol", "ava", "--out", out, *QUICK, *words]
    return main([str(word) for word in command])


@pytest.fixture(scope="module")
def box_set(tmp_path_factory):
    return write_box_set(tmp_path_factory.mktemp("boxes"), train=4, val=2)


@pytest.fixture(scope="module")
def videos(box_set, tmp_path_factory):
    """The same set as videos, indexed, with its annotations in a folder of their own."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "files").mkdir()
    for frames in sorted((box_set / "frames").iterdir()):
        images = np.stack([cv2.imread(str(image))[..., ::-1] for image in sorted(frames.iterdir())])
        write_video(folder / f"files/{frames.name}.mp4", images, fps=FPS)
    words = ["index", folder / "files", "--ava", box_set, "--out", folder / "lists"]
    assert main([str(word) for word in words]) == 0
    return folder


@pytest.fixture(scope="module")
def evaluated(box_set, tmp_path_factory):
    out = tmp_path_factory.mktemp("eval") / "moco"
    assert evaluate(MOCO, box_set, out, "AVA.FRAME_DIR", box_set / "frames") == 0
    return out


def test_the_number_is_the_map_of_the_detections(evaluated, box_set):
    found = json.loads((evaluated / "eval.json").read_text())
    files = (box_set / "ava_val_v2.2.csv", box_set / LABELS, box_set / "ava_val_excluded_timestamps_v2.2.csv")
    measured = ava_map(files[0], evaluated / "detections.csv", *files[1:])
    assert (found["metric"], found["protocol"]) == ("test_map", "ava")
    assert found["value"] == pytest.approx(100 * measured["map"], abs=1e-3)
    assert {each["name"]: each["class"] for each in found["per_class"]} == {
        name: number for number, name in enumerate(ACTIONS, 1)
    }
    written = yaml.safe_load((evaluated / "eval.yaml").read_text())
    assert written["MODEL"]["NUM_CLASSES"] == len(ACTIONS)
    assert written["SOLVER"]["BASE_LR"] == 0.3
    # The checkpoint's encoder, and what changed besides.
    assert written["TRAIN"]["CHECKPOINT_FILE_PATH"] == MOCO
    assert "not these: " in found["not_compared_because"]


def test_the_detector_began_with_the_checkpoint_s_encoder(evaluated, box_set, tmp_path):
    frames = ["AVA.FRAME_DIR", box_set / "frames"]
    assert evaluate(MOCO, box_set, tmp_path / "still", *frames, "SOLVER.BASE_LR", 0, "SOLVER.WARMUP_START_LR", 0) == 0
    detector = rhovideo.load_detector(tmp_path / "still/checkpoints/checkpoint_epoch_00001.pyth")
    encoder = rhovideo.load_pretrained(MOCO)
    trained = detector.encoder.state_dict()
    for name, value in encoder.state_dict().items():
        if name.endswith("weight") and value.ndim == 5:
            torch.testing.assert_close(trained[name], value)


def test_the_same_command_shows_the_number_again(evaluated, box_set, capsys):
    before = (evaluated / "results.json").stat().st_mtime_ns
    assert evaluate(MOCO, box_set, evaluated, "AVA.FRAME_DIR", box_set / "frames") == 0
    shown = capsys.readouterr().out
    found = json.loads((evaluated / "eval.json").read_text())
    assert f"mAP        {found['value']:6.2f} %, of" in shown
    assert f"boxes in {found['results']['test_key_frames']} key frames" in shown
    assert "one clip around each key frame" in shown
    assert (evaluated / "results.json").stat().st_mtime_ns == before
    assert main(["results", str(evaluated.parent)]) == 0
    assert "test_map" in capsys.readouterr().out


def test_indexed_videos_need_no_other_word_than_the_boxes(videos, box_set, tmp_path, capsys):
    words = ["AVA.ANNOTATION_DIR", box_set]
    assert evaluate(MOCO, videos / "lists", tmp_path / "out", *words) == 0
    written = yaml.safe_load((tmp_path / "out/eval.yaml").read_text())
    assert written["AVA"]["VIDEO_DIR"] == str(videos / "files")
    assert json.loads((tmp_path / "out/eval.json").read_text())["results"]["test_key_frames"] > 0
    # Without the boxes it says which file is not there, and what to write.
    assert evaluate(MOCO, videos / "lists", tmp_path / "none") == 2
    shown = capsys.readouterr().err
    assert "ava_train_v2.2.csv" in shown
    assert not (tmp_path / "none").exists()


def test_videos_in_two_folders_are_refused(videos, box_set, tmp_path, capsys):
    lists = tmp_path / "lists"
    shutil.copytree(videos / "lists", lists)
    (lists / "val.csv").write_text("/elsewhere/v0.mp4\n")
    assert evaluate(MOCO, lists, tmp_path / "out", "AVA.ANNOTATION_DIR", box_set) == 2
    assert "videos in 2 folders" in capsys.readouterr().err


def test_supervised_weights_get_a_warning_of_the_rate(box_set, synthetic_set, tmp_path, capsys):
    tiny = ["TASK", "finetune", "MODEL.NUM_CLASSES", 3, "RESNET.DEPTH", 18, "RESNET.WIDTH_PER_GROUP", 8, *QUICK[:8]]
    tiny += ["DATA.TRAIN_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", [36, 40], "SOLVER.MAX_EPOCH", 1]
    places = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "OUTPUT_DIR", tmp_path / "run", "TEST.ENABLE", False]
    file = tmp_path / "supervised.yaml"
    file.write_text("TASK: finetune\n")
    assert main(["run", "--cfg", str(file), *map(str, [*tiny, *places])]) == 0
    checkpoint = tmp_path / "run/checkpoints/checkpoint_epoch_00001.pyth"
    frames = ["AVA.FRAME_DIR", box_set / "frames"]
    warning = "are supervised, and SOLVER.BASE_LR 0.3 is for unsupervised ones: write SOLVER.BASE_LR 0.05"
    for source, words, expected in (
        (checkpoint, [], True),
        (checkpoint, ["SOLVER.BASE_LR", 0.05], False),
        (MOCO, [], False),
    ):
        capsys.readouterr()
        assert evaluate(source, box_set, tmp_path / "out", *frames, *words, "--dry-run") == 0
        assert (warning in capsys.readouterr().err) == expected
