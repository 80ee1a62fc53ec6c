"""Several labels a video: PySlowFast's files for Charades, what is set by itself, and what contradicts it."""

from __future__ import annotations

import pytest

from rhovideo.config import load_cfg
from rhovideo.config.files.reading import load
from rhovideo.config.findings import ConfigError
from rhovideo.config.list_names import list_name, needed_splits, reads_plain_list

# The keys of PySlowFast's Charades/SLOWFAST_16x8_R50.yaml with their values; it has no TASK.
SLOWFAST = """
TRAIN: {ENABLE: True, DATASET: charades, BATCH_SIZE: 16, EVAL_PERIOD: 6, CHECKPOINT_PERIOD: 6, AUTO_RESUME: True,
  CHECKPOINT_FILE_PATH: SLOWFAST_8x8_R50.pkl, CHECKPOINT_TYPE: caffe2}
DATA: {NUM_FRAMES: 64, SAMPLING_RATE: 2, TRAIN_JITTER_SCALES: [256, 340], TRAIN_CROP_SIZE: 224, TEST_CROP_SIZE: 256,
  INPUT_CHANNEL_NUM: [3, 3], MULTI_LABEL: True, INV_UNIFORM_SAMPLE: True, ENSEMBLE_METHOD: max,
  REVERSE_INPUT_CHANNEL: True}
SLOWFAST: {ALPHA: 4, BETA_INV: 8, FUSION_CONV_CHANNEL_RATIO: 2, FUSION_KERNEL_SZ: 7}
RESNET: {ZERO_INIT_FINAL_BN: True, TRANS_FUNC: bottleneck_transform, NUM_BLOCK_TEMP_KERNEL: [[3, 3], [4, 4], [6, 6],
  [3, 3]], SPATIAL_STRIDES: [[1, 1], [2, 2], [2, 2], [2, 2]], SPATIAL_DILATIONS: [[1, 1], [1, 1], [1, 1], [1, 1]]}
NONLOCAL: {LOCATION: [[[], []], [[], []], [[], []], [[], []]], INSTANTIATION: dot_product}
BN: {USE_PRECISE_STATS: True, NUM_BATCHES_PRECISE: 200, NORM_TYPE: sync_batchnorm, NUM_SYNC_DEVICES: 4}
SOLVER: {BASE_LR: 0.0375, LR_POLICY: steps_with_relative_lrs, LRS: [1, 0.1, 0.01, 0.001, 0.0001, 0.00001],
  STEPS: [0, 41, 49], MAX_EPOCH: 57, WEIGHT_DECAY: 1e-4, WARMUP_EPOCHS: 4.0, WARMUP_START_LR: 0.0001}
MODEL: {NUM_CLASSES: 157, ARCH: slowfast, LOSS_FUNC: bce_logit, HEAD_ACT: sigmoid, DROPOUT_RATE: 0.5}
TEST: {ENABLE: True, DATASET: charades, BATCH_SIZE: 16, NUM_ENSEMBLE_VIEWS: 10, NUM_SPATIAL_CROPS: 3}
NUM_GPUS: 8
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        (tmp_path / "file.yaml").write_text(text)
        return tmp_path / "file.yaml"

    return write_file


def problems_of(*overrides):
    with pytest.raises(ConfigError) as error:
        load_cfg(None, overrides)
    return error.value.problems


def test_a_supervised_file_of_pyslowfast_for_charades_runs_as_it_is(write):
    loaded = load(write(SLOWFAST))
    cfg = loaded.cfg
    assert (cfg.TASK, cfg.DATA.MULTI_LABEL, cfg.MODEL.LOSS_FUNC, cfg.MODEL.HEAD_ACT) == (
        "finetune",
        True,
        "bce_logit",
        "sigmoid",
    )
    # Views are counted there and videos here; frames are BGR there, which their True makes RGB.
    assert (cfg.TEST.BATCH_SIZE, cfg.DATA.REVERSE_INPUT_CHANNEL, cfg.DATA.CLIP_SAMPLING) == (1, False, "random")
    assert (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.SOLVER.LRS, cfg.BN.USE_PRECISE_STATS) == (10, [1, 0.1, 0.01], True)
    assert any("TASK is empty" in note for note in loaded.notes)
    assert any("CHECKPOINT_TYPE" in note for note in loaded.notes)


def test_pytorchvideos_lists_are_tested_on_test_csv_where_there_is_one(write, tmp_path):
    text = SLOWFAST.replace("charades", "ptvcharades")
    cfg = load_cfg(write(text), ["DATA.PATH_TO_DATA_DIR", tmp_path])
    assert needed_splits(cfg) == ("train", "val", "test")
    assert list_name(cfg, "test") == "val.csv"
    (tmp_path / "test.csv").touch()
    assert list_name(cfg, "test") == "test.csv"
    assert list_name(load_cfg(write(SLOWFAST), ["DATA.PATH_TO_DATA_DIR", tmp_path]), "test") == "val.csv"
    assert not cfg.DATA.REVERSE_INPUT_CHANNEL


@pytest.mark.parametrize("task", ["finetune", "linear", "test"])
def test_what_several_labels_need_is_set_by_itself(task):
    for overrides in (["TRAIN.DATASET", "charades"], ["DATA.MULTI_LABEL", True]):
        cfg = load_cfg(None, ["TASK", task, *overrides])
        assert (cfg.DATA.MULTI_LABEL, cfg.MODEL.LOSS_FUNC, cfg.MODEL.HEAD_ACT) == (True, "bce_logit", "sigmoid")
        assert not reads_plain_list(cfg)
        assert load_cfg(None, ["TASK", task, *overrides, "MODEL.HEAD_ACT", "none"]).MODEL.HEAD_ACT == "none"
    assert reads_plain_list(load_cfg(None, ["TASK", task]))


def test_a_pre_training_keeps_its_loss_and_has_no_neighbours_that_vote(tmp_path):
    (tmp_path / "train.csv").write_text('a.mp4 "3,9"\n')
    cfg = load_cfg(None, ["TASK", "pretrain", "DATA.MULTI_LABEL", True, "DATA.PATH_TO_DATA_DIR", tmp_path])
    assert (needed_splits(cfg), cfg.MODEL.LOSS_FUNC) == (("train",), "cross_entropy")


@pytest.mark.parametrize(
    ("overrides", "key", "write_what"),
    [
        (["TASK", "finetune", "TRAIN.DATASET", "charades", "DATA.MULTI_LABEL", False], "DATA.MULTI_LABEL", "True"),
        (["TASK", "finetune", "TRAIN.DATASET", "ssv2", "DATA.MULTI_LABEL", True], "DATA.MULTI_LABEL", "False"),
        (["TASK", "knn", "DATA.MULTI_LABEL", True], "TASK", "linear or finetune"),
        (["TASK", "logistic", "TRAIN.DATASET", "ptvcharades"], "TASK", "linear or finetune"),
        (["TASK", "finetune", "DATA.MULTI_LABEL", True, "MODEL.LOSS_FUNC", "cross_entropy"], "MODEL.LOSS_FUNC", "bce_"),
        (["TASK", "finetune", "MODEL.LOSS_FUNC", "bce_logit"], "MODEL.LOSS_FUNC", "cross_entropy, or DATA.MULTI_LABEL"),
        (["TASK", "linear", "DATA.MULTI_LABEL", True, "MODEL.HEAD_ACT", "softmax"], "MODEL.HEAD_ACT", "sigmoid"),
        (["TASK", "finetune", "BN.NUM_BATCHES_PRECISE", 0], "BN.NUM_BATCHES_PRECISE", "1"),
    ],
)
def test_what_contradicts_several_labels_is_refused(overrides, key, write_what):
    (problem,) = problems_of(*overrides)
    assert problem.key == key
    assert write_what in problem.write
