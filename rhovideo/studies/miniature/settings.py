"""Settings that make a job tiny and keep the differences between the rows of a study.

What costs time becomes small: pixels, frames, channels, steps. What a row is about stays, or shrinks in proportion: the
network, its depth, rho, the length of the clips and their distance, epochs, layers of the heads, the method's parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.keys import get_value
from rhovideo.config.task_defaults import DETECTS

# Of the videos of a list: 240k of Kinetics-400 are 8, and 1M are 32.
VIDEO_SHARE = 1 / 30_000
# Of all lengths in time: a video of 10 seconds is one of 2.
TIME_SHARE = 1 / 5
_BATCH = 4
_CROP = 32
# Frames of the shortest clips, 8 in the paper.
_FRAME_SHARE = 1 / 4
# Epochs that become 1; each doubling is one more.
_ONE_EPOCH = 75
# Classes of the paper's data sets, and those of their miniatures (rhovideo.studies.miniature.data).
_CLASSES = {400: 4, 600: 6, 700: 8, 101: 4, 51: 3, 174: 4, 157: 6}


@dataclass(frozen=True)
class Rule:
    """The small value of a key.

    Attributes:
        key: its name.
        value: the value, or a function of the job's configuration that gives it.
        why: the reason.
        needed: whether a job has the key at all to shrink; None: every one has.
    """

    key: str
    value: Any
    why: str
    needed: Callable[[CfgNode], bool] | None = None


def shrink(settings: CfgNode) -> dict[str, Any]:
    """Overrides that make a job tiny.

    Args:
        settings: the job's resolved configuration, of a real size.

    Returns:
        Values by dotted key; keys whose value is small already are left out.
    """
    found = {}
    for rule in RULES:
        if rule.needed is not None and not rule.needed(settings):
            continue
        value = rule.value(settings) if callable(rule.value) else rule.value
        if value != get_value(settings, rule.key):
            found[rule.key] = value
    return found


def small_epochs(epochs: int) -> int:
    """The epochs of a miniature: 1 for up to 75, and one more for each doubling, so that 50, 100, 200, 400, 800 differ.

    Args:
        epochs: of the real training.
    """
    return 1 + max(0, math.ceil(math.log2(epochs / _ONE_EPOCH)))


def _epochs(cfg: CfgNode) -> int:
    return small_epochs(cfg.SOLVER.MAX_EPOCH)


def _steps(cfg: CfgNode) -> list[float]:
    share = _epochs(cfg) / cfg.SOLVER.MAX_EPOCH
    return [round(step * share, 3) for step in cfg.SOLVER.STEPS]


def _frames(cfg: CfgNode) -> int:
    return max(1, round(cfg.DATA.NUM_FRAMES * _FRAME_SHARE))


def _rate(cfg: CfgNode) -> int:
    # So that the clip spans its share of the time.
    span = cfg.DATA.NUM_FRAMES * cfg.DATA.SAMPLING_RATE * TIME_SHARE
    return max(1, round(span / _frames(cfg)))


def _pixels(cfg: CfgNode) -> list[int]:
    share = _CROP / cfg.DATA.TRAIN_CROP_SIZE
    return [max(_CROP, round(side * share)) for side in cfg.DATA.TRAIN_JITTER_SCALES]


def _times(key: str) -> Callable[[CfgNode], float]:
    """A time, in frames or seconds, in proportion; infinity and 0 stay."""
    return lambda cfg: get_value(cfg, key) * TIME_SHARE


def _multiple(key: str, share: float) -> Callable[[CfgNode], int]:
    """A number of rows in proportion, a multiple of the batch; 0 stays."""
    return lambda cfg: math.ceil(get_value(cfg, key) * share / _BATCH) * _BATCH


def _smaller(key: str, most: int) -> Callable[[CfgNode], int]:
    return lambda cfg: min(get_value(cfg, key), most)


def _pretrains(cfg: CfgNode) -> bool:
    return bool(cfg.TASK == "pretrain")


def _classifies_known(cfg: CfgNode) -> bool:
    return cfg.TASK not in ("pretrain", *DETECTS) and cfg.MODEL.NUM_CLASSES in _CLASSES


RULES: tuple[Rule, ...] = (
    Rule("NUM_GPUS", 0, "a miniature runs on any machine"),
    Rule("NUM_CPU_PROCESSES", 1, "several jobs run at once, each in one process"),
    Rule("NUM_SHARDS", 1, "one machine"),
    Rule("DATA_LOADER.NUM_WORKERS", 0, "starting a worker takes longer than decoding a few tiny videos"),
    Rule("TRAIN.BATCH_SIZE", _BATCH, "a few steps an epoch, and more than one clip for batch norm and negatives"),
    Rule("TRAIN.EVAL_PERIOD", 0, "the test after the training gives the number"),
    Rule("TRAIN.CHECKPOINT_PERIOD", 1000, "the last epoch writes one"),
    Rule("TRAIN.CHECKPOINT_MINUTES", 0.0, "the training takes seconds"),
    Rule("TRAIN.MIXED_PRECISION", False, "on a CPU it is slower"),
    Rule("MODEL.COMPILE", False, "compiling takes minutes"),
    Rule("MODEL.NUM_CLASSES", lambda cfg: _CLASSES[cfg.MODEL.NUM_CLASSES], "of the small lists", _classifies_known),
    Rule("RESNET.WIDTH_PER_GROUP", _smaller("RESNET.WIDTH_PER_GROUP", 4), "few channels; the depth stays"),
    Rule("X3D.WIDTH_FACTOR", 0.25, "few channels", lambda cfg: cfg.MODEL.ARCH == "x3d"),
    Rule("MVIT.DEPTH", _smaller("MVIT.DEPTH", 4), "few blocks", lambda cfg: cfg.MODEL.ARCH == "mvit"),
    Rule("DATA.NUM_FRAMES", _frames, "2 of 8 and 4 of 16: longer clips stay longer"),
    Rule("DATA.SAMPLING_RATE", _rate, "the clip spans a fifth of its time, as the videos last a fifth"),
    Rule("DATA.TRAIN_JITTER_SCALES", _pixels, "in proportion to the crop: equal to it stays equal"),
    Rule("DATA.TRAIN_CROP_SIZE", _CROP, "the least that five strides of 2 leave something of"),
    Rule("DATA.TEST_CROP_SIZE", _CROP, "as in training"),
    Rule("DATA.MAX_BAD_VIDEO_SHARE", 0.0, "a generated video can always be read"),
    Rule("CONTRASTIVE.DIM", _smaller("CONTRASTIVE.DIM", 16), "of the embedding"),
    Rule("CONTRASTIVE.MLP_DIM", _smaller("CONTRASTIVE.MLP_DIM", 32), "narrow heads; their layers stay"),
    Rule("CONTRASTIVE.QUEUE_LEN", _multiple("CONTRASTIVE.QUEUE_LEN", 1 / 4096), "65536 negatives are 16", _pretrains),
    Rule("CONTRASTIVE.SWAV_QEUE_LEN", _multiple("CONTRASTIVE.SWAV_QEUE_LEN", 1 / 256), "in proportion", _pretrains),
    Rule("CONTRASTIVE.SWAV_NUM_PROTOTYPES", _smaller("CONTRASTIVE.SWAV_NUM_PROTOTYPES", 10), "for few clips"),
    Rule(
        "CONTRASTIVE.SWAV_FREEZE_EPOCHS",
        lambda cfg: min(cfg.CONTRASTIVE.SWAV_FREEZE_EPOCHS, 0.5),
        "the prototypes are to move in a training of one epoch too",
    ),
    Rule("CONTRASTIVE.KNN_ON", False, "its neighbours mean nothing here"),
    *(
        Rule(f"CONTRASTIVE.{name}", _times(f"CONTRASTIVE.{name}"), "in proportion to the length of the videos")
        for name in ("DELTA_SECONDS_MIN", "DELTA_SECONDS_MAX", "DELTA_CLIPS_MIN", "DELTA_CLIPS_MAX")
    ),
    Rule("SOLVER.MAX_EPOCH", _epochs, "1 to 5; more epochs stay more"),
    Rule("SOLVER.STEPS", _steps, "at the same shares of the training"),
    Rule("SOLVER.WARMUP_EPOCHS", 0.0, "a training of a few steps would be warm-up alone"),
    Rule("TEST.BATCH_SIZE", 8, "all videos in a step or two"),
    Rule("TEST.NUM_ENSEMBLE_VIEWS", 1, "one clip of a video"),
    Rule("TEST.NUM_SPATIAL_CROPS", 1, "one crop of a clip"),
    Rule("KNN.K", _smaller("KNN.K", 3), "there are few neighbours"),
    Rule("KNN.NUM_CLIPS", 1, "one clip of a video"),
)
