"""PySlowFast's files as they are: what each word of theirs becomes, and what stops."""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path

import pytest

from rhovideo.config import ConfigError, cfg_from_released, load_cfg
from rhovideo.config.files.reading import load
from rhovideo.config.keys import get_value, leaves

# A file as PySlowFast's are: keys given twice, sections that nothing reads, numbers that YAML takes for text.
PRETRAIN = """
TASK: ssl
TRAIN:
  DATASET: kinetics
  BATCH_SIZE: 32
  MIXED_PRECISION: True
MODEL:
  NUM_CLASSES: 128
  MODEL_NAME: ContrastiveModel
  ARCH: slow_c2d
  ARCH: slow
  LOSS_FUNC: contrastive_loss
  HEAD_ACT: none
CONTRASTIVE:
  TYPE: moco
  SEQUENTIAL: True
  NUM_CLASSES_DOWNSTREAM: 400
DATA:
  PATH_TO_DATA_DIR: # to be added
BN:
  USE_PRECISE_STATS: False
  NUM_BATCHES_PRECISE: 200
  NORM_TYPE: "sync_batchnorm_apex"
  NORM_TYPE: "sync_batchnorm"
  NUM_SYNC_DEVICES: 8
SOLVER:
  BASE_LR: 0.05
  BASE_LR: 0.2
  BASE_LR_SCALE_NUM_SHARDS: True
  WEIGHT_DECAY: 1e-6
TEST:
  ENABLE: True
  DATASET: kinetics
  BATCH_SIZE: 64
NUM_GPUS: 8
OUTPUT_DIR: .
"""
EVALUATE = """
TASK: ssl_eval_ssv2
TRAIN:
  DATASET: ssv2
  CHECKPOINT_TYPE: pytorch
  CHECKPOINT_EPOCH_RESET: True
  CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)
DATA:
  DECODING_BACKEND: torchvision
  INV_UNIFORM_SAMPLE: True
  RANDOM_FLIP: False
  PATH_PREFIX: # to be added
SOLVER:
  LR_POLICY: steps_with_relative_lrs
  LRS: [1, 0.1, 0.01, 0.001]
  STEPS: [0, 14, 18, 30]
  MAX_EPOCH: 22
MODEL:
  NUM_CLASSES: 174
  MODEL_NAME: ResNet
  ARCH: slow
TEST:
  DATASET: ssv2
  BATCH_SIZE: 64
  NUM_ENSEMBLE_VIEWS: 1
  NUM_SPATIAL_CROPS: 1
NUM_GPUS: 8
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "theirs.yaml"
        path.write_text(text)
        return path

    return write_file


def problems_of(path, *overrides):
    with pytest.raises(ConfigError) as error:
        load_cfg(path, overrides)
    return error.value.problems


def test_pretraining_file_means_what_it_means_there(write):
    loaded = load(write(PRETRAIN))
    meant = {
        "TASK": "pretrain",
        "CONTRASTIVE.LOSS_FORM": "released",
        "MODEL.ARCH": "slow",
        "BN.NORM_TYPE": "sync_batchnorm",
        "SOLVER.BASE_LR": 0.2,
        "SOLVER.WEIGHT_DECAY": 1e-6,
        "SOLVER.BASE_LR_SCALE_NUM_SHARDS": True,
        "DATA.PATH_TO_DATA_DIR": "",
        "OUTPUT_DIR": ".",
        "TRAIN.MIXED_PRECISION": True,
        "TRAIN.AMP_DTYPE": "float16",
    }
    assert {key: get_value(loaded.cfg, key) for key in meant} == meant


def test_something_something_file_means_what_it_means_there(write):
    loaded = load(write(EVALUATE))
    meant = {
        "TASK": "finetune",
        "TRAIN.DATASET": "ssv2",
        "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN": ("backbone.",),
        "DATA.CLIP_SAMPLING": "segment",
        "DATA.INV_UNIFORM_SAMPLE": True,
        "DATA.RANDOM_FLIP": False,
        "DATA.REVERSE_INPUT_CHANNEL": True,
        "DATA.DECODING_BACKEND": "pyav",
        "MODEL.FROZEN_BN": False,
        "SOLVER.STEPS": [0, 14, 18],
        "SOLVER.LRS": [1.0, 0.1, 0.01],
        "TEST.BATCH_SIZE": 64,
        "TEST.NUM_ENSEMBLE_VIEWS": 1,
    }
    assert {key: get_value(loaded.cfg, key) for key in meant} == meant


def test_what_was_left_out_or_decided_is_noted_once(write):
    notes = load(write(PRETRAIN + "DEMO: {FPS: 3}\n"), ["TRAIN.CHECKPOINT_FILE_PATH", "a.pyth"]).notes
    for said in ("CONTRASTIVE.SEQUENTIAL", "DEMO.FPS", "in float16", "begins at epoch 0"):
        assert sum(said in note for note in notes) == 1, (said, notes)
    assert len(notes) == 3


@pytest.mark.parametrize(
    ("views", "crops", "batch", "videos"), [(10, 3, 64, 3), (10, 3, 8, 1), (1, 3, 9, 3), (1, 1, 64, 64)]
)
def test_a_batch_of_views_becomes_one_of_videos(write, views, crops, batch, videos):
    words = ["TRAIN.DATASET", "kinetics", "TEST.DATASET", "kinetics", "TEST.NUM_ENSEMBLE_VIEWS", views]
    words += ["TEST.NUM_SPATIAL_CROPS", crops, "TEST.BATCH_SIZE", batch]
    cfg = load_cfg(write(EVALUATE), words)
    assert cfg.TEST.BATCH_SIZE == videos
    assert load_cfg(None, ["TASK", "finetune", "TEST.BATCH_SIZE", batch]).TEST.BATCH_SIZE == batch


def test_test_clips_start_where_each_says(write):
    kinetics = ["TRAIN.DATASET", "kinetics", "TEST.DATASET", "kinetics"]
    assert load_cfg(write(EVALUATE), kinetics).DATA.USE_OFFSET_SAMPLING is False
    assert load_cfg(write(EVALUATE), [*kinetics, "DATA.USE_OFFSET_SAMPLING", True]).DATA.USE_OFFSET_SAMPLING is True
    assert load_cfg(None, ["TASK", "test"]).DATA.USE_OFFSET_SAMPLING is True


@pytest.mark.parametrize(
    ("words", "mixed", "dtype"),
    [
        (["NUM_GPUS", 0], False, "bfloat16"),
        (["NUM_GPUS", 1], True, "float16"),
        (["NUM_GPUS", -1], True, "float16"),
        (["NUM_GPUS", 0, "TRAIN.AMP_DTYPE", "bfloat16"], True, "bfloat16"),
        (["TRAIN.AMP_DTYPE", "bfloat16"], True, "bfloat16"),
        (["TASK", "pretrain"], True, "bfloat16"),
    ],
)
def test_mixed_precision_is_theirs_unless_a_type_is_given(write, words, mixed, dtype):
    cfg = load_cfg(write(PRETRAIN), ["BN.NUM_SYNC_DEVICES", 1, *words])
    assert (cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE) == (mixed, dtype)


def test_frames_are_bgr_in_their_task_and_rgb_in_ours(write):
    path = write(EVALUATE)
    assert load_cfg(path).DATA.REVERSE_INPUT_CHANNEL is True
    assert load_cfg(path, ["DATA.REVERSE_INPUT_CHANNEL", True]).DATA.REVERSE_INPUT_CHANNEL is False
    assert load_cfg(path, ["TASK", "finetune"]).DATA.REVERSE_INPUT_CHANNEL is False
    # What is written into a checkpoint or OUTPUT_DIR/config.yaml is not turned round again.
    assert cfg_from_released(load_cfg(path).dump()).DATA.REVERSE_INPUT_CHANNEL is True


def test_frames_of_charades_are_bgr_there_too():
    for reverse in (True, False):
        text = f"TASK: \nTRAIN: {{DATASET: charades}}\nDATA: {{REVERSE_INPUT_CHANNEL: {reverse}}}\n"
        assert cfg_from_released(text).DATA.REVERSE_INPUT_CHANNEL is not reverse


def test_one_clip_of_segments_is_tested_once(write, caplog):
    assert load_cfg(write(EVALUATE), ["TEST.NUM_ENSEMBLE_VIEWS", 10]).TEST.NUM_ENSEMBLE_VIEWS == 1
    assert "TEST.NUM_ENSEMBLE_VIEWS is 1" in caplog.text
    cfg = load_cfg(write(EVALUATE), ["DATA.CLIP_SAMPLING", "random", "TEST.NUM_ENSEMBLE_VIEWS", 10])
    assert (cfg.DATA.CLIP_SAMPLING, cfg.TEST.NUM_ENSEMBLE_VIEWS) == ("random", 10)


DETECTION = """
TASK: ssl_eval_ava
TRAIN:
  DATASET: ava
  CHECKPOINT_TYPE: pytorch
  CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)
DETECTION: {ENABLE: True, ALIGNED: True}
AVA:
  DETECTION_SCORE_THRESH: 0.9
  TRAIN_PREDICT_BOX_LISTS: # add
  TEST_PREDICT_BOX_LISTS: # add
  FRAME_DIR: # add
RESNET: {SPATIAL_DILATIONS: [[1], [1], [1], [2]], SPATIAL_STRIDES: [[1], [2], [2], [1]]}
MODEL: {NUM_CLASSES: 80, LOSS_FUNC: bce, HEAD_ACT: sigmoid}
SOLVER: {STEPS: [0, 16, 24, 28, 32], LRS: [1, 0.1, 0.01, 0.001], LR_POLICY: steps_with_relative_lrs, MAX_EPOCH: 32}
TEST: {DATASET: ava, BATCH_SIZE: 8}
NUM_GPUS: 8
"""
MEANT_BY_DETECTION = {
    "TASK": "detection",
    "TRAIN.DATASET": "ava",
    "DETECTION.ENABLE": True,
    "DATA.INV_UNIFORM_SAMPLE": True,
    "DATA.REVERSE_INPUT_CHANNEL": False,
    "AVA.TRAIN_PREDICT_BOX_LISTS": [],
    "AVA.TEST_PREDICT_BOX_LISTS": ["ava_val_predicted_boxes.csv"],
    "SOLVER.STEPS": [0, 16, 24, 28],
    "TEST.BATCH_SIZE": 8,
    "TEST.NUM_ENSEMBLE_VIEWS": 1,
}


def test_detection_file_means_what_it_means_there(write):
    loaded = load(write(DETECTION))
    assert {key: get_value(loaded.cfg, key) for key in MEANT_BY_DETECTION} == MEANT_BY_DETECTION
    assert not any("counts views" in note for note in loaded.notes)


def test_supervised_detection_file_has_no_task(write):
    text = DETECTION.replace("TASK: ssl_eval_ava", "").replace("CHECKPOINT_TYPE: pytorch", "CHECKPOINT_TYPE: caffe2")
    loaded = load(write(text))
    assert {key: get_value(loaded.cfg, key) for key in MEANT_BY_DETECTION} == MEANT_BY_DETECTION
    assert cfg_from_released(text).TASK == "detection"
    assert load_cfg(write(text), ["TRAIN.ENABLE", False]).TASK == "detection_test"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["MODEL.LOSS_FUNC", "cross_entropy"], "MODEL.LOSS_FUNC"),
        (["MODEL.HEAD_ACT", "softmax"], "MODEL.HEAD_ACT"),
        (["MODEL.ARCH", "mvit"], "MODEL.ARCH"),
        (["TRAIN.DATASET", "kinetics", "TEST.DATASET", "kinetics"], "TRAIN.DATASET"),
        (["RESNET.SPATIAL_STRIDES", "[[1], [2], [2], [2]]"], "DETECTION.SPATIAL_SCALE_FACTOR"),
        (["MODEL.DETACH_FINAL_FC", True], "MODEL.DETACH_FINAL_FC"),
        (
            ["DATA.TRAIN_JITTER_SCALES_RELATIVE", "[0.2, 0.7]", "DATA.TRAIN_JITTER_ASPECT_RELATIVE", "[0.7, 1.4]"],
            "DATA.TRAIN_JITTER_SCALES_RELATIVE",
        ),
        (["DATA.CLIP_SAMPLING", "segment"], "DATA.CLIP_SAMPLING"),
        (["AVA.TEST_PREDICT_BOX_LISTS", "[]"], "AVA.TEST_PREDICT_BOX_LISTS"),
        (["AVA.TRAIN_GT_BOX_LISTS", "[]"], "AVA.TRAIN_GT_BOX_LISTS"),
        (["AVA.TEST_LISTS", "[]"], "AVA.TEST_LISTS"),
        (["AVA.BGR", True], "AVA.BGR"),
        (["AVA.IMG_PROC_BACKEND", "pytorch"], "AVA.IMG_PROC_BACKEND"),
        (["AVA.TRAIN_USE_COLOR_AUGMENTATION", True], "AVA.TRAIN_USE_COLOR_AUGMENTATION"),
    ],
)
def test_what_a_detector_cannot_do_stops_by_name(write, words, key):
    (problem,) = problems_of(write(DETECTION), *words)
    assert problem.key == key
    assert problem.write


@pytest.mark.parametrize("text", ["TASK: finetune\nDETECTION: {ENABLE: True}\n", "TASK: knn\nTRAIN: {DATASET: ava}\n"])
def test_boxes_in_another_task_are_refused(write, text):
    (problem,) = problems_of(write(text))
    assert "TASK: detection" in problem.write


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("TASK: ssl_eval\nTRAIN: {DATASET: imagenet}\n", "TRAIN.DATASET", "images"),
    ],
)
def test_missing_task_is_named_wherever_it_is_asked_for(write, text, key, said):
    (problem,) = problems_of(write(text))
    assert problem.key == key
    assert said in problem.wrong
    assert problem.write


@pytest.mark.parametrize(
    ("text", "words", "key"),
    [
        (EVALUATE, ["TEST.DATASET", "kinetics"], "TEST.DATASET"),
        (
            EVALUATE,
            ["TRAIN.CHECKPOINT_EPOCH_RESET", False, "TRAIN.CHECKPOINT_FILE_PATH", "a.pyth"],
            "TRAIN.CHECKPOINT_EPOCH_RESET",
        ),
        (PRETRAIN, ["BN.USE_PRECISE_STATS", True], "BN.USE_PRECISE_STATS"),
        (PRETRAIN, ["DATA.TRAIN_JITTER_MOTION_SHIFT", True], "DATA.TRAIN_JITTER_MOTION_SHIFT"),
        (EVALUATE, ["AUG.ENABLE", True], "AUG.ENABLE"),
    ],
)
def test_what_would_change_the_result_and_is_not_there_stops_by_name(write, text, words, key):
    (problem,) = problems_of(write(text), *words)
    assert problem.key == key
    assert problem.write


@pytest.mark.parametrize("nowhere", ["[[[], []], [[], []], [[], []], [[], []]]", "[[[]], [[]], [[]], [[]]]"])
def test_no_place_for_non_local_blocks_is_none_for_any_number_of_pathways(write, nowhere):
    load_cfg(write(EVALUATE + f"NONLOCAL: {{LOCATION: {nowhere}}}\n"))
    (problem,) = problems_of(write(EVALUATE + "NONLOCAL: {LOCATION: [[[], []], [[1, 3], []], [[], []], [[], []]]}\n"))
    assert problem.key == "NONLOCAL.LOCATION"


def test_those_next_to_them_do_not_stop(write):
    load_cfg(write(EVALUATE), ["TEST.DATASET", "kinetics", "TEST.ENABLE", False])
    load_cfg(write(EVALUATE), ["TRAIN.CHECKPOINT_EPOCH_RESET", False])
    load_cfg(write(EVALUATE), ["TEST.DATASET", "Ssv2"])


# A checkout of PySlowFast, to hold its own reading of its files against ours.
CHECKOUT = os.environ.get("RHOVIDEO_PYSLOWFAST", "")
# What differs on purpose: words that are translated, and values that nothing reads in these files.
TRANSLATED = {
    "AVA.ANNOTATION_DIR",
    "AVA.FRAME_DIR",
    "AVA.FRAME_LIST_DIR",
    "TASK",
    "CONTRASTIVE.TYPE",
    "DATA.DECODING_BACKEND",
    "DATA.INV_UNIFORM_SAMPLE",
    "DATA.REVERSE_INPUT_CHANNEL",
    "DATA.USE_OFFSET_SAMPLING",
    "SOLVER.LRS",
    "SOLVER.STEPS",
    "TEST.BATCH_SIZE",
}
# What their loader of boxes never reads, and lists that a file leaves open: there None, here the default.
NOT_FOR_BOXES = {
    "AVA.TEST_PREDICT_BOX_LISTS",
    "AVA.TRAIN_PREDICT_BOX_LISTS",
    "TEST.NUM_ENSEMBLE_VIEWS",
    "TEST.NUM_SPATIAL_CROPS",
}
THEIR_FILES = sorted(Path(CHECKOUT).glob("configs/contrastive_ssl/*.yaml")) if CHECKOUT else []


@pytest.mark.skipif(not CHECKOUT, reason="RHOVIDEO_PYSLOWFAST names no checkout of PySlowFast")
def test_there_are_twelve_files():
    assert len(THEIR_FILES) == 12


@pytest.mark.parametrize("path", THEIR_FILES, ids=lambda path: path.stem)
def test_every_shared_key_has_the_value_that_pyslowfast_reads(path, monkeypatch):
    theirs = their_values(path, monkeypatch)
    ours = dict(leaves(load_cfg(path)))
    shared = [key for key in ours if key in theirs and not key.startswith("MVIT.")]
    assert len(shared) > 100
    translated = TRANSLATED | NOT_FOR_BOXES if ours["TASK"] == "detection" else TRANSLATED
    assert [key for key in shared if plain(ours[key]) != plain(theirs[key]) and key not in translated] == []


def their_values(path: Path, monkeypatch) -> dict:
    """A file as PySlowFast's own schema and loader read it, without its other imports."""
    for name in ("slowfast", "slowfast.config"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(CHECKOUT, *name.split(".")))]
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setattr(sys.modules["slowfast.config"], "defaults", None, raising=False)
    defaults = importlib.import_module("slowfast.config.defaults")
    monkeypatch.delitem(sys.modules, "slowfast.config.defaults")
    cfg = defaults.get_cfg()
    cfg.merge_from_file(str(path))
    return dict(leaves(defaults.assert_and_infer_cfg(cfg)))


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    return "" if value is None else value
