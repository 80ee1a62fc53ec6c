"""Impossible configurations stop, with the key to put right; possible ones next to them do not."""

from __future__ import annotations

import pytest

from rhovideo.config import ConfigError, load_cfg
from rhovideo.config.combinations import check_processes
from rhovideo.config.files.reading import load


def keys_of(*overrides):
    """The keys that are complained about."""
    try:
        load_cfg(None, overrides)
    except ConfigError as error:
        for problem in error.problems:
            assert problem.wrong
            assert problem.write, problem
        return [problem.key for problem in error.problems]
    return []


PRETRAIN = ("TASK", "pretrain", "TRAIN.BATCH_SIZE", 8, "CONTRASTIVE.QUEUE_LEN", 64)
BYOL = (*PRETRAIN, "CONTRASTIVE.TYPE", "byol", "CONTRASTIVE.PREDICTOR_DEPTHS")
STEPS = ("TASK", "finetune", "SOLVER.LR_POLICY", "steps_with_relative_lrs", "SOLVER.STEPS", "[0, 5]", "SOLVER.LRS")


@pytest.mark.parametrize(
    ("key", "wrong", "right", "others"),
    [
        ("CONTRASTIVE.QUEUE_LEN", 60, 24, PRETRAIN),
        ("CONTRASTIVE.QUEUE_LEN", 4, 8, PRETRAIN),
        ("CONTRASTIVE.QUEUE_LEN", 8, 16, (*PRETRAIN, "NUM_SHARDS", 2)),
        ("CONTRASTIVE.SWAV_QEUE_LEN", 12, 0, (*PRETRAIN, "CONTRASTIVE.TYPE", "swav")),
        ("CONTRASTIVE.PREDICTOR_DEPTHS", "[]", "[2]", BYOL[:-1]),
        ("CONTRASTIVE.PREDICTOR_DEPTHS", "[2, 2]", "[1]", BYOL[:-1]),
        ("CONTRASTIVE.TYPE", "mem", "simclr", PRETRAIN),
        ("CONTRASTIVE.DELTA_CLIPS_MIN", 31, 30, (*PRETRAIN, "CONTRASTIVE.DELTA_CLIPS_MAX", 30)),
        ("CONTRASTIVE.DELTA_CLIPS_MIN", "inf", "-inf", PRETRAIN),
        ("CONTRASTIVE.T", 0, 0.1, PRETRAIN),
        ("DATA.TRAIN_CROP_NUM_TEMPORAL", 0, 1, PRETRAIN),
        ("DATA.TRAIN_CROP_NUM_SPATIAL", 0, 1, PRETRAIN),
        ("DATA.NUM_FRAMES", 0, 1, PRETRAIN),
        ("DATA.SAMPLING_RATE", 0, 1, PRETRAIN),
        ("DATA.TARGET_FPS", 0, 25, PRETRAIN),
        ("DATA.CLIP_SAMPLING", "segment", "random", PRETRAIN),
        ("DATA.CLIP_SAMPLING", "segments", "segment", ("TASK", "finetune")),
        ("DATA.TRAIN_CROP_SIZE", 257, 256, (*PRETRAIN, "DATA.TEST_CROP_SIZE", 300)),
        ("DATA.TEST_CROP_SIZE", 128, 224, ("TASK", "linear")),
        ("DATA.TEST_CROP_SIZE", 256, 224, ("TASK", "finetune", "MODEL.ARCH", "mvit")),
        ("DATA.TRAIN_JITTER_SCALES", "[320, 256]", "[256, 256]", PRETRAIN),
        ("DATA.TRAIN_JITTER_SCALES", "[256]", "[256, 320]", PRETRAIN),
        (
            "DATA.TRAIN_JITTER_SCALES_RELATIVE",
            "[0.2, 1.2]",
            "[0.2, 1]",
            (*PRETRAIN, "DATA.TRAIN_JITTER_ASPECT_RELATIVE", "[1, 1]"),
        ),
        (
            "DATA.TRAIN_JITTER_ASPECT_RELATIVE",
            "[]",
            "[0.75, 1.33]",
            (*PRETRAIN, "DATA.TRAIN_JITTER_SCALES_RELATIVE", "[0.2, 1]"),
        ),
        ("DATA.STD", "[0.2, 0.2]", "[0.2, 0.2, 0.2]", PRETRAIN),
        ("DATA.SSL_COLOR_PROB", 1.5, 1, PRETRAIN),
        ("DATA.NUM_FRAMES", 12, 16, ("TASK", "finetune", "MODEL.ARCH", "slowfast")),
        ("DATA.AUG_DEVICE", "gpu", "cpu", (*PRETRAIN, "NUM_GPUS", 0)),
        ("TRAIN.ACCUMULATE_STEPS", 2, 1, (*PRETRAIN, "CONTRASTIVE.TYPE", "simclr")),
        ("TRAIN.BATCH_SIZE", 9, 8, ("TASK", "linear", "NUM_GPUS", 0, "NUM_CPU_PROCESSES", 4)),
        ("TRAIN.BATCH_SIZE", 12, 16, ("TASK", "linear", "NUM_GPUS", 4, "TRAIN.ACCUMULATE_STEPS", 2)),
        ("TRAIN.AMP_DTYPE", "half", "float16", PRETRAIN),
        ("TRAIN.MIXED_PRECISION", True, False, (*PRETRAIN, "TRAIN.DTYPE", "float64")),
        ("TRAIN.DATASET", "jester", "ssv2", PRETRAIN),
        (
            "BN.NUM_SYNC_DEVICES",
            4,
            3,
            (
                *PRETRAIN,
                "TRAIN.BATCH_SIZE",
                6,
                "CONTRASTIVE.QUEUE_LEN",
                60,
                "BN.NORM_TYPE",
                "sync_batchnorm",
                "NUM_GPUS",
                0,
                "NUM_CPU_PROCESSES",
                6,
            ),
        ),
        ("BN.USE_PRECISE_STATS", True, False, PRETRAIN),
        ("MODEL.ARCH", "slow_fast", "slowfast", PRETRAIN),
        ("MODEL.FROZEN_BN", True, False, PRETRAIN),
        ("MODEL.COMPILE", True, False, (*PRETRAIN, "MODEL.ACT_CHECKPOINT", True)),
        ("MODEL.COMPILE", True, False, (*PRETRAIN, "CONTRASTIVE.KEYS_AT_ONCE", True)),
        ("MODEL.DETACH_FINAL_FC", True, False, ("TASK", "finetune")),
        ("MODEL.DETACH_FINAL_FC", False, True, ("TASK", "linear")),
        ("MODEL.LOSS_FUNC", "bce", "cross_entropy", ("TASK", "finetune")),
        ("SOLVER.OPTIMIZING_METHOD", "adam", "adamw", PRETRAIN),
        ("SOLVER.LARS_ON", True, False, (*PRETRAIN, "SOLVER.OPTIMIZING_METHOD", "adamw")),
        ("SOLVER.NESTEROV", True, False, (*PRETRAIN, "SOLVER.MOMENTUM", 0)),
        ("SOLVER.LR_POLICY", "step", "cosine", PRETRAIN),
        ("SOLVER.LRS", "[1, 0.1, 0.01]", "[1, 0.1]", STEPS[:-1]),
        ("SOLVER.STEPS", "[1, 5]", "[0, 5]", (*STEPS, "[1, 0.1]")),
        ("SOLVER.STEPS", "[0, 0]", "[0, 1]", (*STEPS, "[1, 0.1]")),
        ("SOLVER.WARMUP_EPOCHS", 11, 10, (*PRETRAIN, "SOLVER.MAX_EPOCH", 10)),
        ("SOLVER.BASE_LR", "inf", 1, PRETRAIN),
        ("SOLVER.BASE_LR_BATCH", 512, 0, (*PRETRAIN, "SOLVER.BASE_LR_SCALE_NUM_SHARDS", True)),
        ("KNN.K", 0, 20, PRETRAIN),
        ("KNN.K", 200, 10, (*PRETRAIN, "KNN.BANK_MAX", 100)),
        ("KNN.RECALL_AT", "[0, 1]", "[1, 5]", ("TASK", "knn")),
        ("TEST.NUM_SPATIAL_CROPS", 2, 3, ("TASK", "test")),
        ("SHARD_ID", 2, 1, (*PRETRAIN, "NUM_SHARDS", 2)),
        ("NUM_GPUS", -2, -1, PRETRAIN),
        ("TASK", "pretrian", "pretrain", ()),
        ("TASK", "", "knn", ()),
    ],
)
def test_impossible_stops_and_possible_does_not(key, wrong, right, others):
    assert keys_of(*others, key, wrong) == [key]
    assert keys_of(*others, key, right) == []


def test_combination_is_reported_at_a_key_that_was_written(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("TASK: pretrain\nTRAIN:\n  BATCH_SIZE: 60\n")
    with pytest.raises(ConfigError) as error:
        load_cfg(path)
    (problem,) = error.value.problems
    assert (problem.key, problem.origin.line) == ("CONTRASTIVE.QUEUE_LEN", 3)
    assert "65536 is not a multiple of the global batch of 60" in problem.wrong
    assert problem.write == "65520 or 65580, a multiple of 60"


def test_value_that_cannot_be_read_gives_one_message_not_two():
    assert keys_of(*PRETRAIN, "CONTRASTIVE.QUEUE_LEN", "long") == ["CONTRASTIVE.QUEUE_LEN"]


def test_network_of_one_size_may_have_any_test_crop_where_none_is_cut():
    mvit = ("MODEL.ARCH", "mvit", "DATA.TEST_CROP_SIZE", 256)
    for task in (("TASK", "pretrain"), ("TASK", "knn"), ("TASK", "finetune", "TEST.ENABLE", False)):
        assert keys_of(*task, *mvit) == []
    assert keys_of("TASK", "test", *mvit) == ["DATA.TEST_CROP_SIZE"]


def test_methods_are_checked_only_where_they_are_used():
    assert keys_of("TASK", "linear", "CONTRASTIVE.TYPE", "byol", "TRAIN.BATCH_SIZE", 7) == []


def test_processes_found_on_the_machine_are_checked_too():
    cfg = load_cfg(None, [*PRETRAIN, "BN.NORM_TYPE", "sync_batchnorm", "BN.NUM_SYNC_DEVICES", 8])
    assert check_processes(cfg, 4) == []
    assert [finding.keys[0] for finding in check_processes(cfg, 3)] == ["TRAIN.BATCH_SIZE"]


@pytest.mark.parametrize(
    ("words", "task", "form", "frozen", "detach"),
    [
        (["TASK", "pretrain"], "pretrain", "paper", False, False),
        (["TASK", "ssl"], "pretrain", "released", False, False),
        (["TASK", "ssl", "CONTRASTIVE.LOSS_FORM", "paper"], "pretrain", "paper", False, False),
        (["TASK", "linear"], "linear", "paper", True, True),
        (["TASK", "linear", "MODEL.FROZEN_BN", "False"], "linear", "paper", False, True),
        (["TASK", "ssl_eval_k400", "MODEL.DETACH_FINAL_FC", "True"], "linear", "paper", False, True),
        (
            ["TASK", "ssl_eval_x", "MODEL.DETACH_FINAL_FC", "True", "MODEL.FROZEN_BN", "True"],
            "linear",
            "paper",
            True,
            True,
        ),
        (["TASK", "ssl_eval_ucf"], "finetune", "paper", False, False),
        (["TASK", "finetune", "MODEL.FROZEN_BN", "True"], "finetune", "paper", True, False),
        (["TASK", "linear", "TRAIN.ENABLE", "False"], "test", "paper", False, True),
        (["TASK", "ssl", "TRAIN.ENABLE", "False"], "knn", "released", False, False),
    ],
)
def test_task_decides_what_was_left_open(words, task, form, frozen, detach):
    cfg = load_cfg(None, words)
    assert (cfg.TASK, cfg.CONTRASTIVE.LOSS_FORM) == (task, form)
    assert (cfg.MODEL.FROZEN_BN, cfg.MODEL.DETACH_FINAL_FC) == (frozen, detach)


def test_nothing_to_do_is_an_error():
    assert keys_of("TASK", "finetune", "TRAIN.ENABLE", False, "TEST.ENABLE", False) == ["TEST.ENABLE"]


def test_words_of_pyslowfast_mean_ours():
    cfg = load_cfg(None, ["TASK", "ssl", "BN.NORM_TYPE", "sync_batchnorm_apex", "DATA.DECODING_BACKEND", "torchvision"])
    assert (cfg.BN.NORM_TYPE, cfg.DATA.DECODING_BACKEND) == ("sync_batchnorm", "pyav")


def test_steps_of_released_files_keep_their_meaning():
    steps = ["SOLVER.LR_POLICY", "steps_with_relative_lrs", "SOLVER.MAX_EPOCH", 22, "SOLVER.STEPS", "[0, 14, 18, 22]"]
    cfg = load_cfg(None, ["TASK", "ssl_eval_x", *steps, "SOLVER.LRS", "[1, 0.1, 0.01, 0.001, 0.0001]"])
    assert (cfg.SOLVER.STEPS, cfg.SOLVER.LRS) == ([0, 14, 18], [1.0, 0.1, 0.01])


@pytest.mark.parametrize(
    "key", ["TRAIN.BATCH_SIZE", "NUM_SHARDS", "TRAIN.ACCUMULATE_STEPS", "NUM_CPU_PROCESSES", "BN.NUM_SYNC_DEVICES"]
)
def test_nothing_is_divided_by_a_number_out_of_range(key):
    words = ["BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", False, "CONTRASTIVE.TYPE", "moco", "NUM_GPUS", 0]
    assert keys_of(*PRETRAIN, *words, key, 0) == [key]


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ((), True),
        (("CONTRASTIVE.BN_SYNC_MLP", True), False),
        (("CONTRASTIVE.BN_MLP", False), False),
        (("CONTRASTIVE.NUM_MLP_LAYERS", 1), False),
        (("CONTRASTIVE.NUM_MLP_LAYERS", 1, "CONTRASTIVE.BN_EMBEDDING", True), True),
        (("CONTRASTIVE.BN_MLP", False, "CONTRASTIVE.BN_EMBEDDING", True), True),
        (("TRAIN.BATCH_SIZE", 8), False),
        (("TRAIN.BATCH_SIZE", 8, "TRAIN.ACCUMULATE_STEPS", 2), True),
    ],
)
def test_batch_norm_in_the_projection_needs_two_videos_at_a_time(words, refused):
    head = ("TRAIN.BATCH_SIZE", 4, "CONTRASTIVE.BN_MLP", True, "CONTRASTIVE.NUM_MLP_LAYERS", 3)
    cfg = load_cfg(None, [*PRETRAIN, "NUM_GPUS", -1, *head, *words])
    assert [finding.write for finding in check_processes(cfg, 4)] == (
        [f"TRAIN.BATCH_SIZE {2 * cfg.TRAIN.BATCH_SIZE} or more"] if refused else []
    )


@pytest.mark.parametrize(("kind", "told"), [("simclr", 1), ("swav", 1), ("moco", 0)])
def test_keys_at_once_says_of_which_methods_it_is(kind, told):
    words = [*PRETRAIN, "CONTRASTIVE.TYPE", kind, "CONTRASTIVE.KEYS_AT_ONCE", True]
    notes = load(None, words).notes
    assert len([note for note in notes if "CONTRASTIVE.KEYS_AT_ONCE True does nothing" in note]) == told


@pytest.mark.parametrize("task", ["pretrain", "linear"])
def test_warm_up_that_is_too_long_may_be_left_out(task):
    with pytest.raises(ConfigError) as error:
        load(None, ["TASK", task, "SOLVER.MAX_EPOCH", 2, "SOLVER.WARMUP_EPOCHS", 8])
    [problem] = [problem for problem in error.value.problems if problem.key.startswith("SOLVER")]
    assert problem.write.startswith("SOLVER.WARMUP_EPOCHS 0, or less than 2")
    # Recipes of pre-training are no measure of a classifier's.
    assert ("35 of 200" in problem.write) == (task == "pretrain")


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ((), []),
        (("CONTRASTIVE.WHITEN_EMBEDDING", 5), ["CONTRASTIVE.WHITEN_EMBEDDING"]),
        (("CONTRASTIVE.BN_EMBEDDING", True), ["CONTRASTIVE.WHITEN_EMBEDDING"]),
        # 16 videos over 2 processes, each with its own statistics: as many clips as dimensions.
        (("NUM_CPU_PROCESSES", 2), ["CONTRASTIVE.WHITEN_EMBEDDING"]),
        (("NUM_CPU_PROCESSES", 2, "CONTRASTIVE.BN_SYNC_MLP", True, "BN.GLOBAL_SYNC", True), []),
        (("NUM_CPU_PROCESSES", 2, "CONTRASTIVE.WHITEN_EMBEDDING", 4), []),
        (("CONTRASTIVE.TYPE", "moco", "TRAIN.ACCUMULATE_STEPS", 2), ["CONTRASTIVE.WHITEN_EMBEDDING"]),
    ],
)
def test_whitening_needs_a_divisor_and_enough_videos(words, refused):
    whitened = ("NUM_GPUS", 0, "TRAIN.BATCH_SIZE", 16, "CONTRASTIVE.DIM", 32, "CONTRASTIVE.WHITEN_EMBEDDING", 8)
    queue = ("CONTRASTIVE.QUEUE_LEN", 64)
    assert keys_of(*PRETRAIN, *whitened, *queue, *words) == refused
