"""PySlowFast's files: their values and defaults that mean something else here.

A file is PySlowFast's if its TASK is ``ssl`` or ``ssl_eval...``, or if it has no TASK and asks for boxes. Most keys
mean the same in both. What differs is shown at each key in :mod:`rhovideo.config.schema` (``released``, ``read_as``)
and translated here, so that everything behind the configuration knows one meaning only.
:mod:`rhovideo.zoo.released_format.released_cfg` translates back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import reads_boxes
from rhovideo.config.findings import Finding

FRAME_LISTS = "ssv2"
# Lists of frames that hold the labels themselves, several a frame.
CHARADES = ("charades", "ptvcharades")
# Data sets there whose frames are images, which its loader reads as BGR; REVERSE_INPUT_CHANNEL True makes them RGB.
BGR_THERE = (FRAME_LISTS, *CHARADES)

_TRAINS = ("pretrain", "linear", "finetune", "detection")
_IMAGES = ("classification of images", "kinetics, with lists of videos")
_MISSING_DATASETS = {
    "imagenet": _IMAGES,
    "imagenetprefetch": _IMAGES,
}


def is_slowfast_task(task: str) -> bool:
    """True if ``task`` is one of PySlowFast's: ``ssl`` or ``ssl_eval...``."""
    return task.startswith("ssl")


def is_slowfast_file(cfg: CfgNode) -> bool:
    """True if a configuration that is not resolved yet is PySlowFast's; its supervised detectors have no TASK."""
    return is_slowfast_task(cfg.TASK) or (not cfg.TASK and bool(cfg.DETECTION.ENABLE))


def asks_for_boxes(cfg: CfgNode) -> bool:
    """True if a file of PySlowFast's is one of action detection."""
    return bool(cfg.DETECTION.ENABLE) or reads_boxes(cfg)


def reads_frame_lists(cfg: CfgNode) -> bool:
    """True if the videos are listed as folders of images (TRAIN.DATASET ssv2, charades, ptvcharades)."""
    return reads_templates(cfg) or reads_charades(cfg)


def reads_templates(cfg: CfgNode) -> bool:
    """True if such lists have Something-Something's JSON labels (TRAIN.DATASET ssv2)."""
    return bool(cfg.TRAIN.DATASET.lower() == FRAME_LISTS)


def reads_charades(cfg: CfgNode) -> bool:
    """True if such lists hold the labels of each frame (TRAIN.DATASET charades, ptvcharades)."""
    return cfg.TRAIN.DATASET.lower() in CHARADES


def missing_task(values: Mapping[str, Any]) -> Finding | None:
    """The task of PySlowFast that a file asks for and that this package does not have.

    Args:
        values: what was written, under dotted keys, PySlowFast's own ones included.
    """
    dataset = str(values.get("TRAIN.DATASET", "")).lower()
    task = str(values.get("TASK", ""))
    found = _MISSING_DATASETS.get(dataset) or _MISSING_DATASETS.get(task.removeprefix("ssl_eval_"))
    if found is None:
        return None
    name, instead = found
    written = ["TASK"] * (task.startswith("ssl_eval_")) + ["TRAIN.DATASET"] * (dataset in _MISSING_DATASETS)
    said = values[written[0]]
    return Finding(tuple(written), f"{said} is {name}, a task that rhovideo does not have", instead)


def contradictions(cfg: CfgNode, values: Mapping[str, Any]) -> list[Finding]:
    """Find what is asked for by keys that only PySlowFast has, and is not available here.

    Args:
        cfg: resolved.
        values: as of :func:`missing_task`.
    """
    findings = []
    tests = values.get("TEST.DATASET")
    if tests and cfg.TEST.ENABLE and str(tests).lower() != cfg.TRAIN.DATASET.lower():
        keys = ("TEST.DATASET", "TRAIN.DATASET")
        wrong = f"{tests} is not TRAIN.DATASET {cfg.TRAIN.DATASET}: one job reads one kind of lists here"
        findings.append(Finding(keys, wrong, f"{cfg.TRAIN.DATASET}, and test on the other data in another job"))
    goes_on = str(values.get("TRAIN.CHECKPOINT_EPOCH_RESET", "")).lower() == "false"
    if goes_on and cfg.TRAIN.CHECKPOINT_FILE_PATH and cfg.TASK in _TRAINS:
        keys = ("TRAIN.CHECKPOINT_EPOCH_RESET", "TRAIN.CHECKPOINT_FILE_PATH")
        wrong = "False would go on at the checkpoint's epoch with its optimizer; here it gives weights alone"
        remedy = "True; to go on with a run of rhovideo, give its OUTPUT_DIR and TRAIN.AUTO_RESUME True"
        findings.append(Finding(keys, wrong, remedy))
    return findings


def translate(cfg: CfgNode, given: Collection[str], notes: list[str]) -> None:
    """Turn a file of PySlowFast, whose TASK is ours already, into one that means the same here, in place.

    Args:
        cfg: merged, not frozen.
        given: the keys that were written.
        notes: gets a sentence for each change that a reader may not expect.
    """
    _trim_steps(cfg)
    _mixed_precision(cfg, given, notes)
    if cfg.TASK == "pretrain":
        return
    if cfg.DATA.USE_OFFSET_SAMPLING is None:
        cfg.DATA.USE_OFFSET_SAMPLING = False
    if cfg.TASK == "detection":
        # Its loader of boxes always does.
        cfg.DATA.INV_UNIFORM_SAMPLE = True
        return
    _test_batch(cfg, notes)
    if cfg.TRAIN.DATASET.lower() in BGR_THERE:
        cfg.DATA.REVERSE_INPUT_CHANNEL = not cfg.DATA.REVERSE_INPUT_CHANNEL
        order = "BGR" if cfg.DATA.REVERSE_INPUT_CHANNEL else "RGB"
        notes.append(f"the network sees frames in {order}, as PySlowFast's {cfg.TRAIN.DATASET.lower()} shows them")


def note_epoch_reset(cfg: CfgNode, values: Mapping[str, Any], notes: list[str]) -> None:
    """Say that training begins at epoch 0 where PySlowFast, left to its default, would go on."""
    if cfg.TASK in _TRAINS and cfg.TRAIN.CHECKPOINT_FILE_PATH and "TRAIN.CHECKPOINT_EPOCH_RESET" not in values:
        notes.append(
            "TRAIN.CHECKPOINT_FILE_PATH gives weights alone and training begins at epoch 0, "
            "as with TRAIN.CHECKPOINT_EPOCH_RESET True"
        )


def _trim_steps(cfg: CfgNode) -> None:
    """Released files list stretches after the last epoch and factors beyond the last stretch, which have no effect."""
    cfg.SOLVER.STEPS = [step for step in cfg.SOLVER.STEPS if step < cfg.SOLVER.MAX_EPOCH]
    cfg.SOLVER.LRS = cfg.SOLVER.LRS[: len(cfg.SOLVER.STEPS)]


def _mixed_precision(cfg: CfgNode, given: Collection[str], notes: list[str]) -> None:
    if not cfg.TRAIN.MIXED_PRECISION or "TRAIN.AMP_DTYPE" in given:
        return
    if cfg.NUM_GPUS == 0:
        cfg.TRAIN.MIXED_PRECISION = False
        notes.append("TRAIN.MIXED_PRECISION is off on the CPU, as in PySlowFast; TRAIN.AMP_DTYPE bfloat16 turns it on")
    else:
        cfg.TRAIN.AMP_DTYPE = "float16"
        notes.append("TRAIN.MIXED_PRECISION is in float16, as in PySlowFast; TRAIN.AMP_DTYPE bfloat16 changes that")


def _test_batch(cfg: CfgNode, notes: list[str]) -> None:
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
    if views > 1:
        videos = max(1, -(-cfg.TEST.BATCH_SIZE // views))
        notes.append(f"TEST.BATCH_SIZE {cfg.TEST.BATCH_SIZE} counts views, as in PySlowFast: {videos} videos here")
        cfg.TEST.BATCH_SIZE = videos
