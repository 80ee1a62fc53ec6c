"""Defaults that depend on TASK, and PySlowFast's names of the tasks.

After :func:`resolve` TASK is one of ``TASKS``, CONTRASTIVE.LOSS_FORM is ``paper`` or ``released`` and
MODEL.FROZEN_BN is a bool.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.augmentation_shorthands import expand
from rhovideo.config.extension.registries import BOXES, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value, set_value
from rhovideo.config.pyslowfast import translation
from rhovideo.config.pyslowfast.translation import is_slowfast_task
from rhovideo.config.schema import definitions
from rhovideo.config.schema.job import TASKS

__all__ = [
    "CLASSIFIES",
    "DETECTS",
    "MEASURES",
    "TASKS",
    "TRAINS",
    "TRAINS_ON_LABELS",
    "is_slowfast_task",
    "resolve",
    "supply_task",
]

TRAINS = ("pretrain", "linear", "finetune", "detection")
# They take a checkpoint and train no network. Each task is in one of these two.
MEASURES = ("test", "detection_test", "knn", "logistic", "extract")
CLASSIFIES = ("linear", "finetune", "test")
DETECTS = ("detection", "detection_test")
# They train what the paper's figures are of.
TRAINS_ON_LABELS = ("linear", "finetune", "detection")
# What several labels a video need.
MULTI_LABEL = {"MODEL.LOSS_FUNC": "bce_logit", "MODEL.HEAD_ACT": "sigmoid"}


def supply_task(cfg: CfgNode, notes: list[str]) -> None:
    """Give a file for Charades without TASK that of PySlowFast's supervised files, in place: they leave it out.

    Args:
        cfg: merged, not frozen.
        notes: gets a sentence where it does.
    """
    if not cfg.TASK and translation.reads_charades(cfg):
        cfg.TASK = "ssl_eval"
        notes.append(
            f"TASK is empty and TRAIN.DATASET {cfg.TRAIN.DATASET}: a supervised file of PySlowFast's (ssl_eval)"
        )


def resolve(cfg: CfgNode, given: Collection[str], notes: list[str] | None = None) -> list[Finding]:
    """Turn PySlowFast's values into ours and fill in what the task decides, in place.

    Args:
        cfg: a configuration that is not frozen.
        given: the keys that were written in a file or on the command line.
        notes: gets a sentence for each decision that may surprise.

    Returns:
        What contradicts the task; empty where all is well.
    """
    findings = []
    notes = [] if notes is None else notes
    slowfast = translation.is_slowfast_file(cfg)
    if slowfast:
        cfg.TASK = _from_slowfast(cfg)
        translation.translate(cfg, given, notes)
    if cfg.TASK not in TASKS:
        findings.append(_unknown_task(cfg.TASK))
    if cfg.CONTRASTIVE.LOSS_FORM is None:
        cfg.CONTRASTIVE.LOSS_FORM = "released" if slowfast and cfg.TASK == "pretrain" else "paper"
    findings += _linear_and_finetune(cfg, given, slowfast)
    findings += _detection(cfg, given)
    findings += _without_training(cfg)
    if cfg.MODEL.FROZEN_BN is None:
        # The paper's features are frozen; the released loop keeps batch norm in training mode.
        cfg.MODEL.FROZEN_BN = cfg.TASK == "linear" and not slowfast
    _clips(cfg, given, notes)
    _several_labels(cfg, given)
    findings += expand(cfg, notes)
    _keys(cfg, given, notes)
    for key in definitions().values():
        if key.read_as:
            value = get_value(cfg, key.name)
            set_value(cfg, key.name, key.read_as.get(value, value))
    return findings


def _from_slowfast(cfg: CfgNode) -> str:
    if cfg.TASK == "ssl":
        return "pretrain"
    if translation.asks_for_boxes(cfg):
        return "detection"
    if cfg.TASK.startswith("ssl_eval"):
        return "linear" if cfg.MODEL.DETACH_FINAL_FC else "finetune"
    return str(cfg.TASK)


def _several_labels(cfg: CfgNode, given: Collection[str]) -> None:
    """Set what several labels a video need, where it is not written."""
    if translation.reads_charades(cfg) and "DATA.MULTI_LABEL" not in given:
        cfg.DATA.MULTI_LABEL = True
    if not cfg.DATA.MULTI_LABEL or cfg.TASK not in CLASSIFIES:
        return
    for key, value in MULTI_LABEL.items():
        if key not in given:
            set_value(cfg, key, value)


def _clips(cfg: CfgNode, given: Collection[str], notes: list[str]) -> None:
    """Set the clips: one of segments for a classifier of Something-Something; and the starts of test clips."""
    classifies = cfg.TASK in CLASSIFIES
    if translation.reads_templates(cfg) and classifies and "DATA.CLIP_SAMPLING" not in given:
        cfg.DATA.CLIP_SAMPLING = "segment"
    if cfg.DATA.CLIP_SAMPLING == "segment" and classifies and cfg.TEST.NUM_ENSEMBLE_VIEWS != 1:
        if "TEST.NUM_ENSEMBLE_VIEWS" in given:
            notes.append("TEST.NUM_ENSEMBLE_VIEWS is 1: a clip of segments spans the whole video, so others are equal")
        cfg.TEST.NUM_ENSEMBLE_VIEWS = 1
    if cfg.DATA.USE_OFFSET_SAMPLING is None:
        cfg.DATA.USE_OFFSET_SAMPLING = True


def _keys(cfg: CfgNode, given: Collection[str], notes: list[str]) -> None:
    """Note that KEYS_AT_ONCE has no effect on a method without keys; a sweep over methods may set it."""
    key, kind = "CONTRASTIVE.KEYS_AT_ONCE", cfg.CONTRASTIVE.TYPE
    if cfg.TASK == "pretrain" and key in given and cfg.CONTRASTIVE.KEYS_AT_ONCE and kind in ("simclr", "swav"):
        notes.append(f"{key} True does nothing: it is for MoCo and BYOL, and {kind} has no momentum encoder's keys")


def _unknown_task(task: str) -> Finding:
    choices = "TASK: " + ", ".join(f"{name} ({meaning})" for name, meaning in TASKS.items())
    if not task:
        remedy = f"{choices}; with a supervised file of PySlowFast's, which has none: ssl_eval, which trains all of it"
        return Finding(("TASK",), "is missing: it says what the job does", remedy)
    return Finding(("TASK",), f"there is no task {task!r}", choices + "; PySlowFast's ssl and ssl_eval_... work too")


def _without_training(cfg: CfgNode) -> list[Finding]:
    """TRAIN.ENABLE False asks for the evaluation alone, as in PySlowFast."""
    trains = cfg.TASK in TRAINS and cfg.TRAIN.ENABLE
    if not trains and not cfg.TEST.ENABLE and cfg.TASK in TASKS:
        keys = ("TEST.ENABLE", "TRAIN.ENABLE", "TASK")
        return [Finding(keys, "neither training nor testing is enabled: nothing to do", "True")]
    if not cfg.TRAIN.ENABLE:
        cfg.TASK = {"pretrain": "knn", "linear": "test", "finetune": "test", "detection": "detection_test"}.get(
            cfg.TASK, cfg.TASK
        )
    return []


# What TASK detection takes where nothing else is written: one view of a clip, res5 that dilates and does not stride.
_OF_DETECTION: dict[str, Any] = {
    "TRAIN.DATASET": BOXES,
    "MODEL.LOSS_FUNC": "bce",
    "MODEL.HEAD_ACT": "sigmoid",
    "RESNET.SPATIAL_STRIDES": [[1], [2], [2], [1]],
    "RESNET.SPATIAL_DILATIONS": [[1], [1], [1], [2]],
}


def _detection(cfg: CfgNode, given: Collection[str]) -> list[Finding]:
    """Set what TASK detection needs; find what asks for boxes in another task."""
    if cfg.TASK in DETECTS:
        for key, value in _OF_DETECTION.items():
            if key not in given:
                set_value(cfg, key, copy.deepcopy(value))
        cfg.DETECTION.ENABLE = True
        cfg.TEST.NUM_ENSEMBLE_VIEWS = cfg.TEST.NUM_SPATIAL_CROPS = 1
        return []
    findings = []
    if cfg.TASK in TASKS and reads_boxes(cfg):
        wrong = f"{cfg.TRAIN.DATASET} lists boxes, which TASK {cfg.TASK} does not read"
        findings.append(Finding(("TRAIN.DATASET", "TASK"), wrong, "kinetics for a list of videos, or TASK: detection"))
    if cfg.TASK in TASKS and cfg.DETECTION.ENABLE:
        wrong = f"True asks for boxes, which TASK {cfg.TASK} does not read"
        findings.append(Finding(("DETECTION.ENABLE", "TASK"), wrong, "False, or TASK: detection"))
    cfg.DETECTION.ENABLE = bool(cfg.DETECTION.ENABLE)
    return findings


def _linear_and_finetune(cfg: CfgNode, given: Collection[str], slowfast: bool) -> list[Finding]:
    keys = ("MODEL.DETACH_FINAL_FC", "TASK")
    if cfg.TASK == "linear" and not slowfast:
        if "MODEL.DETACH_FINAL_FC" in given and not cfg.MODEL.DETACH_FINAL_FC:
            return [
                Finding(keys, "False trains the encoder too, which TASK linear does not", "TASK: finetune, or True")
            ]
        cfg.MODEL.DETACH_FINAL_FC = True
    if cfg.TASK in ("pretrain", "finetune") and cfg.MODEL.DETACH_FINAL_FC:
        return [Finding(keys, f"True would leave the encoder untrained in TASK {cfg.TASK}", "TASK: linear, or False")]
    return []
