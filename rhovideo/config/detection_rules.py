"""What cannot work in TASK detection, whatever machine and files it will have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import BACKBONES, BOXES, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import needed_splits
from rhovideo.config.task_defaults import DETECTS

# Networks of rhovideo whose last map has a place for each cell of 4 times the stages' strides.
ARCHITECTURES = ("slow", "c2d", "i3d", "slowfast")


def check_detection(cfg: CfgNode) -> Iterator[Finding]:
    """Find what is impossible with boxes, in a resolved configuration."""
    if cfg.TASK not in DETECTS:
        return
    yield from _words(cfg)
    yield from _network(cfg)
    yield from _clips(cfg)
    yield from _lists(cfg)


def _words(cfg: CfgNode) -> Iterator[Finding]:
    if not reads_boxes(cfg):
        wrong = f"{cfg.TRAIN.DATASET} lists no boxes, which TASK detection needs"
        yield Finding(("TRAIN.DATASET", "TASK"), wrong, BOXES)
    if cfg.MODEL.LOSS_FUNC != "bce":
        wrong = f"{cfg.MODEL.LOSS_FUNC} is not available in TASK detection: a box may have several classes"
        yield Finding(("MODEL.LOSS_FUNC", "TASK"), wrong, "bce")
    if cfg.MODEL.HEAD_ACT != "sigmoid":
        wrong = f"{cfg.MODEL.HEAD_ACT} is not available in TASK detection: a box may have several classes"
        yield Finding(("MODEL.HEAD_ACT", "TASK"), wrong, "sigmoid")


def _network(cfg: CfgNode) -> Iterator[Finding]:
    if BACKBONES.is_builtin(cfg.MODEL.ARCH) and cfg.MODEL.ARCH not in ARCHITECTURES:
        wrong = f"the head on boxes is not built for {cfg.MODEL.ARCH}"
        yield Finding(("MODEL.ARCH", "TASK"), wrong, f"one of {', '.join(ARCHITECTURES)}")
        return
    stride = 4 * math.prod(stage[0] for stage in cfg.RESNET.SPATIAL_STRIDES)
    if cfg.MODEL.ARCH in ARCHITECTURES and stride != cfg.DETECTION.SPATIAL_SCALE_FACTOR:
        wrong = f"a cell of the network's last map has {stride} pixels (4 times RESNET.SPATIAL_STRIDES)"
        keys = ("DETECTION.SPATIAL_SCALE_FACTOR", "RESNET.SPATIAL_STRIDES")
        yield Finding(keys, f"{cfg.DETECTION.SPATIAL_SCALE_FACTOR}, but {wrong}", str(stride))
    if cfg.MODEL.DETACH_FINAL_FC:
        wrong = "True trains the head alone, which TASK detection does not have"
        yield Finding(("MODEL.DETACH_FINAL_FC", "TASK"), wrong, "False")


def _clips(cfg: CfgNode) -> Iterator[Finding]:
    keys: tuple[str, ...]
    if cfg.DATA.TRAIN_JITTER_SCALES_RELATIVE:
        keys = ("DATA.TRAIN_JITTER_SCALES_RELATIVE", "TASK")
        wrong = "crops by area change the shape of people, so TASK detection crops by the short side alone"
        yield Finding(keys, wrong, "[], with a range of DATA.TRAIN_JITTER_SCALES")
    if cfg.DATA.CLIP_SAMPLING == "segment":
        keys = ("DATA.CLIP_SAMPLING", "TASK")
        yield Finding(keys, "a clip of TASK detection lies around its key frame, not over the whole video", "random")
    if min(cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TEST_CROP_SIZE) < cfg.DETECTION.SPATIAL_SCALE_FACTOR:
        keys = ("DATA.TRAIN_CROP_SIZE", "DATA.TEST_CROP_SIZE", "DETECTION.SPATIAL_SCALE_FACTOR")
        yield Finding(keys, "a crop is smaller than a cell of the network's last map", "224, and 256 for the test")


def _lists(cfg: CfgNode) -> Iterator[Finding]:
    keys: tuple[str, ...]
    splits = needed_splits(cfg)
    if "train" in splits and not (cfg.AVA.TRAIN_GT_BOX_LISTS or cfg.AVA.TRAIN_PREDICT_BOX_LISTS):
        keys = ("AVA.TRAIN_GT_BOX_LISTS", "AVA.TRAIN_PREDICT_BOX_LISTS")
        yield Finding(keys, "both are empty: there are no boxes to train on", "[ava_train_v2.2.csv]")
    if ("val" in splits or "test" in splits) and not cfg.AVA.TEST_PREDICT_BOX_LISTS:
        keys = ("AVA.TEST_PREDICT_BOX_LISTS",)
        yield Finding(keys, "is empty: there are no boxes to score", "the CSV file of detected boxes, in brackets")
    for key, needed in (("TRAIN_LISTS", "train"), ("TEST_LISTS", "test")):
        if not cfg.AVA[key] and not cfg.AVA.VIDEO_DIR and (needed in splits or (needed == "test" and "val" in splits)):
            yield Finding((f"AVA.{key}",), "is empty: there is no list of frames", "[train.csv], or AVA.VIDEO_DIR")
