"""What a single key may hold: the words it knows, or the range of its number."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value, leaves

CHOICES: dict[str, tuple] = {
    "MODEL.ARCH": ("slow", "c2d", "i3d", "slowfast", "r2plus1d", "x3d", "mvit", "s3dg"),
    "MODEL.HEAD_ACT": ("softmax", "sigmoid", "none"),
    "CONTRASTIVE.TYPE": ("simclr", "moco", "byol", "swav"),
    "CONTRASTIVE.LOSS_FORM": ("paper", "released"),
    "SOLVER.OPTIMIZING_METHOD": ("sgd", "adamw"),
    "SOLVER.LR_POLICY": ("cosine", "steps_with_relative_lrs"),
    "TRAIN.AMP_DTYPE": ("bfloat16", "float16"),
    "TRAIN.DTYPE": ("float32", "float64"),
    "TRAIN.CHECKPOINT_ENCODER": ("online", "momentum"),
    "DATA.CLIP_SAMPLING": ("random", "segment"),
    "BN.NORM_TYPE": ("batchnorm", "sync_batchnorm"),
    "TEST.NUM_SPATIAL_CROPS": (1, 3),
    "DATA.DECODING_BACKEND": ("pyav", "torchcodec"),
    "DATA.AUG_DEVICE": ("cpu", "gpu"),
    "DATA.ENSEMBLE_METHOD": ("sum", "max"),
    "DIST_BACKEND": ("nccl", "gloo"),
    "RESNET.DEPTH": (18, 50, 101, 152),
}

# PySlowFast's keys that the schema has, of which only this value is built.
ONLY: dict[str, Any] = {
    "RESNET.NUM_GROUPS": 1,
    "RESNET.STRIDE_1X1": False,
    "SOLVER.LAYER_DECAY": 1.0,
}

_RANGES = {
    "at least 1": (
        lambda x: x >= 1,
        "NUM_CPU_PROCESSES NUM_SHARDS LOG_PERIOD TRAIN.BATCH_SIZE TRAIN.ACCUMULATE_STEPS TRAIN.CHECKPOINT_PERIOD "
        "TEST.BATCH_SIZE TEST.NUM_ENSEMBLE_VIEWS KNN.K KNN.NUM_CLIPS MODEL.NUM_CLASSES RESNET.WIDTH_PER_GROUP "
        "BN.NUM_SYNC_DEVICES CONTRASTIVE.DIM CONTRASTIVE.NUM_MLP_LAYERS CONTRASTIVE.MLP_DIM CONTRASTIVE.QUEUE_LEN "
        "CONTRASTIVE.SWAV_NUM_PROTOTYPES CONTRASTIVE.SWAV_SINKHORN_ITERATIONS DATA.NUM_FRAMES DATA.SAMPLING_RATE "
        "DATA.TRAIN_CROP_NUM_TEMPORAL DATA.TRAIN_CROP_NUM_SPATIAL DATA.TRAIN_CROP_SIZE DATA.TEST_CROP_SIZE "
        "DATA_LOADER.PREFETCH_FACTOR SOLVER.MAX_EPOCH",
    ),
    "0 or more": (
        lambda x: x >= 0,
        "RNG_SEED SHARD_ID TRAIN.EVAL_PERIOD TRAIN.CHECKPOINT_MINUTES TRAIN.CHECKPOINT_KEEP KNN.T KNN.BANK_MAX "
        "BN.WEIGHT_DECAY CONTRASTIVE.SWAV_QEUE_LEN CONTRASTIVE.SWAV_FREEZE_EPOCHS DATA.SKIP_ROWS DATA.TRAIN_JITTER_FPS "
        "DATA.SSL_COLOR_HUE DATA_LOADER.NUM_WORKERS SOLVER.BASE_LR SOLVER.BASE_LR_BATCH SOLVER.COSINE_END_LR "
        "SOLVER.WARMUP_EPOCHS SOLVER.WARMUP_START_LR SOLVER.WEIGHT_DECAY SOLVER.MOMENTUM SOLVER.DAMPENING "
        "SLURM.NODES SLURM.TASKS_PER_NODE SLURM.CPUS_PER_TASK SLURM.GRACE_SECONDS SLURM.MAX_FAILURES SLURM.MAX_JOBS",
    ),
    "above 0": (
        lambda x: x > 0,
        "CONTRASTIVE.T CONTRASTIVE.SWAV_EPSILON DATA.TARGET_FPS SOLVER.LARS_TRUST SOLVER.CLIP_GRAD_VAL "
        "SOLVER.CLIP_GRAD_L2NORM DIST_TIMEOUT_MINUTES",
    ),
    "from 0 to 1": (
        lambda x: 0 <= x <= 1,
        "MODEL.DROPOUT_RATE CONTRASTIVE.MOMENTUM DATA.SSL_COLOR_PROB DATA.SSL_BLUR_PROB DATA.COLOR_RND_GRAYSCALE "
        "DATA.TIME_DIFF_PROB DATA.MAX_BAD_VIDEO_SHARE DATA.TRAIN_JITTER_FPS_RELATIVE",
    ),
    "-1 (all there are), 0 (none) or more": (lambda x: x >= -1, "NUM_GPUS SLURM.GPUS_PER_NODE"),
}
RANGES = {key: (allowed, text) for text, (allowed, keys) in _RANGES.items() for key in keys.split()}

MAY_BE_INFINITE = ("CONTRASTIVE.DELTA_CLIPS_MIN", "CONTRASTIVE.DELTA_CLIPS_MAX")


def check_limits(cfg: CfgNode) -> Iterator[Finding]:
    """Every key whose own value is out of the question, whatever the others hold."""
    for key, words in CHOICES.items():
        value = get_value(cfg, key)
        if value not in words:
            yield _unknown_word(key, value, words)
    for key, only in ONLY.items():
        value = get_value(cfg, key)
        if value != only:
            yield Finding((key,), f"{value!r} is PySlowFast's, and rhovideo does not have it", repr(only))
    for key, value in leaves(cfg):
        if isinstance(value, float) and math.isinf(value) and key not in MAY_BE_INFINITE:
            yield Finding((key,), f"{value} is not finite", "a number")
        elif key in RANGES and value is not None and not RANGES[key][0](value):
            yield Finding((key,), f"{value!r} is out of range", f"a number that is {RANGES[key][1]}")


def _unknown_word(key: str, value: Any, words: tuple) -> Finding:
    close = difflib.get_close_matches(str(value).lower(), [str(word) for word in words], n=1)
    listed = ", ".join(str(word) for word in words)
    remedy = f"{close[0]} (there are: {listed})" if close else f"one of {listed}" if len(words) > 1 else listed
    return Finding((key,), f"there is no {value!r}", remedy)
