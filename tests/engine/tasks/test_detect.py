"""TASK detection on generated frames and boxes, as a user starts it."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch

import rhovideo
from rhovideo.config import load_cfg
from rhovideo.data.lists.boxes.key_frames import open_key_frames
from rhovideo.engine.evaluation.detections import Truth, measure, write_classes, write_detections
from rhovideo.engine.run import run
from rhovideo.errors import JobError
from rhovideo.metrics import ava_map
from tests.box_sets import ACTIONS, FPS, write_box_set
from tests.configured_runs import ROOT, final_state
from tests.metrics.test_ava_map import naive_map
from tests.processes import run_processes
from tests.videos import write_video

LABELS = "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
EXCLUDED = "ava_val_excluded_timestamps_v2.2.csv"
CONFIG = f"""
TASK: detection
NUM_GPUS: 0
LOG_PERIOD: 100
MODEL: {{NUM_CLASSES: {len(ACTIONS)}, ARCH: slow, DROPOUT_RATE: 0.5}}
RESNET: {{DEPTH: 18, WIDTH_PER_GROUP: 8}}
DATA: {{TARGET_FPS: {FPS}, NUM_FRAMES: 2, SAMPLING_RATE: 1, TRAIN_CROP_SIZE: 64, TEST_CROP_SIZE: 64,
  TRAIN_JITTER_SCALES: [64, 80]}}
AVA: {{START_SECOND: 0}}
TRAIN: {{BATCH_SIZE: 8, EVAL_PERIOD: 2, CHECKPOINT_PERIOD: 1, CHECKPOINT_MINUTES: 0}}
TEST: {{BATCH_SIZE: 3}}
SOLVER: {{BASE_LR: 0.1, MAX_EPOCH: 2, WEIGHT_DECAY: 1.0e-5}}
DATA_LOADER: {{NUM_WORKERS: 0}}
"""


@pytest.fixture(scope="module")
def box_set(tmp_path_factory):
    return write_box_set(tmp_path_factory.mktemp("boxes"), train=5, val=3)


@pytest.fixture
def configure(tmp_path, box_set):
    def load(*words, output="out", folder=box_set, as_words=False):
        file = tmp_path / "detection.yaml"
        file.write_text(CONFIG)
        places = ["DATA.PATH_TO_DATA_DIR", folder, "AVA.FRAME_DIR", folder / "frames", "OUTPUT_DIR", tmp_path / output]
        places = [str(word) for word in (*places, *words)]
        return (file, places) if as_words else load_cfg(file, places)

    return load


def files_of(folder):
    return folder / "ava_val_v2.2.csv", folder / LABELS, folder / EXCLUDED


def test_run_writes_what_ava_map_measures(configure, box_set, tmp_path):
    results = run(configure())
    output = tmp_path / "out"
    truth, labels, excluded = files_of(box_set)
    official = ava_map(truth, output / "detections.csv", labels, excluded)
    theirs = ava_map(truth, output / "detections.csv", labels, excluded, matching="file_order")
    assert results["test_map"] == pytest.approx(100 * official["map"], abs=1e-9)
    assert results["test_map_file_order"] == pytest.approx(100 * theirs["map"], abs=1e-9)
    assert json.loads((output / "results.json").read_text())["test_map"] == pytest.approx(results["test_map"], abs=1e-4)
    with (output / "per_class_ap.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(ACTIONS)
    shown = {int(row["class"]): float(row["ap"]) / 100 for row in rows if row["ap"]}
    assert shown == pytest.approx(official["ap"], abs=1e-6)
    # The checkpoint is that of a detector, and measures the same again.
    checkpoint = next((output / "checkpoints").glob("*00002.pyth"))
    words = ["TRAIN.ENABLE", False, "TEST.CHECKPOINT_FILE_PATH", checkpoint, "TEST.BATCH_SIZE", 5]
    again = run(configure(*words, output="again"))
    assert again["test_map"] == pytest.approx(results["test_map"], abs=1e-6)
    # PySlowFast's form of it is a detector too.
    ours, theirs = (
        rhovideo.load_detector(path)
        for path in (checkpoint, rhovideo.export(checkpoint, tmp_path / "theirs.pyth").path)
    )
    clips, boxes = torch.rand(1, 3, 2, 64, 96), torch.tensor([[0, 3.0, 4.0, 40.0, 50.0]])
    with torch.no_grad():
        torch.testing.assert_close(ours(clips, boxes), theirs(clips, boxes))


def test_resume_in_the_middle_of_an_epoch_is_exact(configure, tmp_path):
    words = ["SOLVER.MAX_EPOCH", 2, "TRAIN.CHECKPOINT_KEEP", 0, "TRAIN.CHECKPOINT_MINUTES", 1e-9]
    run(configure(*words, output="whole"))
    part = tmp_path / "part"
    shutil.copytree(tmp_path / "whole", part)
    middle = max((part / "checkpoints").glob("*_step_*.pyth"))
    for file in (part / "checkpoints").glob("*.pyth"):
        if file.name > middle.name:
            file.unlink()
    (part / "results.json").unlink()
    run(configure(*words, output="part"))
    whole, resumed = (final_state(tmp_path / name)["model_state"] for name in ("whole", "part"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def detections_of(output):
    """Score by the rest of a row; each row once."""
    rows = [line.rpartition(",") for line in (output / "detections.csv").read_text().splitlines()]
    found = {rest: float(score) for rest, _, score in rows}
    assert len(found) == len(rows)
    return found


def run_on_rank(file, words):
    return run(load_cfg(file, words))


def test_processes_count_no_key_frame_twice(configure, box_set, tmp_path):
    """15 key frames on two processes, of which one has a frame fewer: nothing is repeated."""
    run(configure("SOLVER.MAX_EPOCH", 1, output="trained"))
    checkpoint = next((tmp_path / "trained/checkpoints").glob("*.pyth"))
    words = ["TRAIN.ENABLE", False, "TEST.CHECKPOINT_FILE_PATH", checkpoint, "TEST.BATCH_SIZE", 2]
    alone = run(configure(*words, output="alone"))
    both, _ = run_processes(run_on_rank, 2, *configure(*words, "NUM_CPU_PROCESSES", 2, output="both", as_words=True))
    assert both["test_key_frames"] == alone["test_key_frames"] == 15
    assert both["test_map"] == pytest.approx(alone["test_map"], abs=1e-9)
    one, other = (detections_of(tmp_path / name) for name in ("alone", "both"))
    assert one == pytest.approx(other, abs=1e-6)


# -- measuring scores that are known ----------------------------------------------------------------------------------


def true_scores(frames, truth):
    """Scores of a detector that is given the truth: 1 for the actions of a box, else less than any of these."""
    found = {}
    for index in range(len(frames)):
        frame = frames.key_frame(index)
        scores = np.zeros((len(frame.boxes), len(ACTIONS)), np.float32)
        for row, box in enumerate(frame.boxes):
            for video, second, true, action in zip(
                truth.videos, truth.seconds.tolist(), truth.boxes, truth.actions.tolist(), strict=True
            ):
                if (video, second) == (frame.video, frame.second) and np.allclose(true, box):
                    scores[row, action - 1] = 1
        found[index] = scores
    return found


def test_detector_that_is_given_the_truth_scores_100(configure, box_set, tmp_path):
    cfg = configure()
    frames, truth = open_key_frames(cfg, "test"), Truth.read(cfg)
    scores = true_scores(frames, truth)
    measured = measure(frames, scores, truth)
    assert measured.numbers() == {"map": 100.0, "map_file_order": 100.0}
    files = files_of(box_set)
    written = write_detections(tmp_path, frames, scores, truth)
    assert ava_map(files[0], written, *files[1:])["map"] == 1.0
    write_classes(tmp_path, measured, truth.names)
    assert "100.0000" in (tmp_path / "per_class_ap.csv").read_text()


@pytest.mark.parametrize("pixels", [1, 4, 9])
def test_shifted_boxes_score_what_the_naive_loop_says(configure, box_set, tmp_path, pixels):
    """Boxes to the right by some pixels of the frame, with scores that differ."""
    folder = tmp_path / "shifted"
    shutil.copytree(box_set, folder, ignore=shutil.ignore_patterns("frames"))
    file = folder / "ava_val_predicted_boxes.csv"
    moved = []
    for place, line in enumerate(file.read_text().splitlines()):
        row = line.split(",")
        step = pixels / 96 if place % 3 else 0
        row[2], row[4] = (repr(float(row[column]) + step) for column in (2, 4))
        moved.append(",".join(row))
    file.write_text("\n".join(moved))
    cfg = configure("AVA.FRAME_DIR", box_set / "frames", folder=folder)
    frames, truth = open_key_frames(cfg, "test"), Truth.read(cfg)
    rng = np.random.default_rng(0)
    scores = {
        index: rng.random((len(frames.key_frame(index).boxes), len(ACTIONS)), dtype=np.float32)
        for index in range(len(frames))
    }
    found = [
        ((frame.video, frame.second), box, action, float(scores[index][row, action - 1]))
        for index, frame in ((index, frames.key_frame(index)) for index in range(len(frames)))
        for row, box in enumerate(frame.boxes)
        for action in range(1, len(ACTIONS) + 1)
    ]
    true = [
        ((video, second), tuple(box), action)
        for video, second, box, action in zip(
            truth.videos, truth.seconds.tolist(), truth.boxes.tolist(), truth.actions.tolist(), strict=True
        )
    ]
    expected = naive_map(true, found, set(range(1, len(ACTIONS) + 1)), set(), 50)
    assert measure(frames, scores, truth).official["ap"] == pytest.approx(expected, abs=1e-12)


def test_key_frames_that_cannot_be_read_count_as_missed(configure, box_set, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(box_set, folder)
    for file in (folder / "frames/v0").glob("*.jpg"):
        file.write_bytes(b"no image")
    run(configure("SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 0, folder=folder))
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["test_key_frames"] == 10
    assert "5 of 15 key frames could not be read" in (tmp_path / "out/stdout.log").read_text()
    assert not any(line.startswith("v0,") for line in (tmp_path / "out/detections.csv").read_text().splitlines())


def test_clips_of_all_sizes_in_one_batch_score_as_alone(configure, tmp_path):
    """Lying and upright videos: each is scored at its own size, however they are batched."""
    for name, size in (("t0", (96, 64)), ("v0", (96, 64)), ("v1", (64, 96)), ("v2", (80, 80))):
        write_video(tmp_path / f"videos/{name}.mp4", num_frames=24, size=size, fps=4)
    (tmp_path / "boxes.csv").write_text(
        "".join(
            f"{video},{second},0.1,0.2,0.6,0.9,2,0\n{video},{second},0,0,1,1,1,1\n"
            for video in ("t0", "v0", "v1", "v2")
            for second in (2, 4)
        )
    )
    (tmp_path / "found.csv").write_text(
        "".join(
            f"{video},{second},0.1,0.2,0.6,0.9,,0.9\n{video},{second},0,0,1,1,,1\n"
            for video in ("v0", "v1", "v2")
            for second in (2, 4)
        )
    )
    words = ["AVA.VIDEO_DIR", tmp_path / "videos", "AVA.ANNOTATION_DIR", tmp_path]
    words += ["AVA.TRAIN_GT_BOX_LISTS", "[boxes.csv]", "AVA.GROUNDTRUTH_FILE", "boxes.csv", "TRAIN.BATCH_SIZE", 2]
    words += ["AVA.TEST_PREDICT_BOX_LISTS", "[found.csv]", "AVA.EXCLUSION_FILE", "", "AVA.LABEL_MAP_FILE", "map.txt"]
    (tmp_path / "map.txt").write_text("1,stand\n2,walk\n")
    words += ["SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 0]
    run(configure(*words, "TEST.BATCH_SIZE", 6, output="together"))
    run(configure(*words, "TEST.BATCH_SIZE", 1, output="alone"))
    together, alone = (detections_of(tmp_path / name) for name in ("together", "alone"))
    assert len(together) == 24
    assert together == pytest.approx(alone, abs=1e-5)


def test_boxes_that_have_changed_are_not_resumed_with(configure, box_set, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(box_set, folder, ignore=shutil.ignore_patterns("frames"))
    frames = ["AVA.FRAME_DIR", box_set / "frames"]
    run(configure(*frames, "SOLVER.MAX_EPOCH", 1, folder=folder))
    file = folder / "ava_train_v2.2.csv"
    first, *others = file.read_text().splitlines()
    fields = first.split(",")
    fields[6] = str(int(fields[6]) % len(ACTIONS) + 1)
    file.write_text("\n".join([",".join(fields), *others]))
    with pytest.raises(JobError, match="another content"):
        run(configure(*frames, "SOLVER.MAX_EPOCH", 1, folder=folder))
    with pytest.raises(JobError, match="not in the list that the run"):
        run(configure(*frames, "SOLVER.MAX_EPOCH", 2, folder=folder))


@pytest.mark.parametrize("words", [["TRAIN.DTYPE", "float64"], ["TRAIN.MIXED_PRECISION", True]])
def test_other_precisions(configure, words):
    results = run(configure("SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 0, *words))
    assert 0 <= results["test_map"] <= 100


def test_nothing_to_test_is_said(configure):
    with pytest.raises(JobError, match=r"TEST\.CHECKPOINT_FILE_PATH"):
        run(configure("TRAIN.ENABLE", False))


@pytest.mark.slow
def test_what_is_learned_depends_on_where_the_box_is(tmp_path, configure):
    """Random features find no action; trained ones over 80 mAP."""
    folder = write_box_set(tmp_path / "set", train=40, val=10, seed=1)
    words = ["MODEL.DROPOUT_RATE", 0.0, "TRAIN.EVAL_PERIOD", 0]
    random = run(configure(*words, "SOLVER.BASE_LR", 0.0, "SOLVER.MAX_EPOCH", 1, output="random", folder=folder))
    trained = run(configure(*words, "SOLVER.MAX_EPOCH", 10, output="trained", folder=folder))
    assert random["test_map"] < 50
    assert trained["test_map"] > 80


@pytest.mark.slow
def test_pretrained_encoder_becomes_a_detector_with_pyslowfasts_file(tmp_path):
    """A file with PySlowFast's keys: 30 frames a second from minute 15 on, from a released checkpoint."""
    folder = write_box_set(tmp_path / "set", train=2, val=2, frames=160, start=900, fps=30)
    file = tmp_path / "theirs.yaml"
    file.write_text(
        """
TASK: ssl_eval_ava
TRAIN:
  DATASET: ava
  BATCH_SIZE: 4
  EVAL_PERIOD: 1
  CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)
  CHECKPOINT_TYPE: pytorch
  CHECKPOINT_EPOCH_RESET: True
DATA: {NUM_FRAMES: 8, SAMPLING_RATE: 8, TRAIN_JITTER_SCALES: [36, 44], TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 36}
DETECTION: {ENABLE: True, ALIGNED: True}
AVA:
  DETECTION_SCORE_THRESH: 0.9
  TRAIN_PREDICT_BOX_LISTS: # add
  TEST_PREDICT_BOX_LISTS: # add
RESNET: {WIDTH_PER_GROUP: 4, DEPTH: 50, TRANS_FUNC: bottleneck_transform, ZERO_INIT_FINAL_BN: True,
  SPATIAL_DILATIONS: [[1], [1], [1], [2]], SPATIAL_STRIDES: [[1], [2], [2], [1]]}
SOLVER: {BASE_LR: 0.01, LR_POLICY: steps_with_relative_lrs, STEPS: [0, 1, 3], LRS: [1, 0.1, 0.01], MAX_EPOCH: 2}
MODEL: {NUM_CLASSES: 80, ARCH: slow, MODEL_NAME: ResNet, LOSS_FUNC: bce, DROPOUT_RATE: 0.5, HEAD_ACT: sigmoid}
TEST: {ENABLE: True, DATASET: ava, BATCH_SIZE: 8}
DATA_LOADER: {NUM_WORKERS: 2, PIN_MEMORY: True}
NUM_GPUS: 0
"""
    )
    checkpoint = ROOT / "tests/reference/byol_tiny_epoch_00200.pyth"
    words = ["AVA.FRAME_LIST_DIR", folder, "AVA.ANNOTATION_DIR", folder, "AVA.FRAME_DIR", folder / "frames"]
    words += ["TRAIN.CHECKPOINT_FILE_PATH", checkpoint, "OUTPUT_DIR", tmp_path / "out"]
    results = run(load_cfg(file, [str(word) for word in words]))
    assert 0 <= results["test_map"] <= 100
    assert results["test_key_frames"] == 8
    assert set(results) >= {"map", "map_file_order", "test_map_file_order", "train_key_frames"}
