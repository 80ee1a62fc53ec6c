"""A configuration of this package in PySlowFast's keys, as its loader takes it.

Keys that have another meaning there are translated back, with the table in
:mod:`rhovideo.config.pyslowfast.translation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.config.keys import leaves
from rhovideo.config.pyslowfast.translation import BGR_THERE, reads_frame_lists
from rhovideo.config.schema import definitions
from rhovideo.config.task_defaults import DETECTS
from rhovideo.models.networks.resnet import STAGE_DEPTHS
from rhovideo.optim.schedules import rate_factor

# Sections that have no meaning for the networks that can be exported.
_UNUSED_SECTIONS = ("X3D", "MVIT", "TENSORBOARD")
_OF_DETECTORS = ("AVA", "DETECTION")
# Keys of ours that change no result, or that are translated, or that have their own remark. Sections end with a point.
_NO_LOSS = {
    "": "DIST_TIMEOUT_MINUTES NUM_CPU_PROCESSES PLUGINS KNN. SLURM.",
    "TRAIN.": "AMP_DTYPE CHECKPOINT_ENCODER CHECKPOINT_KEEP CHECKPOINT_MINUTES",
    "MODEL.": "CHANNELS_LAST COMPILE",
    "RESNET.": "BASIC_EXPANSION",
    "CONTRASTIVE.": "KEYS_AT_ONCE LOSS_FORM SWAV_NUM_PROTOTYPES",
    "DATA.": "AUG_DEVICE MANIFEST_CACHE MAX_BAD_VIDEO_SHARE",
    "DATA_LOADER.": "PREFETCH_FACTOR",
    "SOLVER.": "BASE_LR_BATCH",
}
# The keys that SOLVER.BASE_LR_BATCH scales.
_RATES = ("BASE_LR", "WARMUP_START_LR", "COSINE_END_LR")
# Lists with one entry for each pathway.
_BY_PATHWAY = ("NUM_BLOCK_TEMP_KERNEL", "SPATIAL_STRIDES", "SPATIAL_DILATIONS")


def own_keys() -> frozenset[str]:
    """The keys that PySlowFast does not have, so that its loader would fail."""
    return frozenset(key.name for key in definitions().values() if key.ours)


def _is_lost(key: str) -> bool:
    """True if the result of a training depends on this key, and PySlowFast does not have it."""
    harmless = [section + name for section, names in _NO_LOSS.items() for name in names.split()]
    return key in own_keys() and not any(key == name or key.startswith(name) for name in harmless)


def released_cfg(cfg: CfgNode, method: bool) -> str:
    """The YAML text that a released checkpoint carries.

    Args:
        cfg: that of a checkpoint of this package.
        method: True if it holds a pre-training method, False for a classifier or an encoder.
    """
    flat = {key: value for key, value in leaves(cfg) if _is_theirs(key) and value is not None}
    if cfg.TASK not in DETECTS:
        flat = {key: value for key, value in flat.items() if key.partition(".")[0] not in _OF_DETECTORS}
    flat["MODEL.FROZEN_BN"] = bool(flat.get("MODEL.FROZEN_BN"))
    # PySlowFast does not have torchcodec; the frames are the same.
    flat["DATA.DECODING_BACKEND"] = "pyav"
    if cfg.NUM_GPUS < 0:
        del flat["NUM_GPUS"]
    # PySlowFast raises an error if a number is larger than that of the stage's blocks.
    flat["RESNET.NUM_BLOCK_TEMP_KERNEL"] = [
        [min(reach, depth) for reach in stage]
        for stage, depth in zip(cfg.RESNET.NUM_BLOCK_TEMP_KERNEL, STAGE_DEPTHS[cfg.RESNET.DEPTH], strict=True)
    ]
    slowfast = cfg.MODEL.ARCH == "slowfast"
    if slowfast:
        _two_pathways(flat)
    if cfg.RESNET.DEPTH == 18:
        flat["RESNET.TRANS_FUNC"] = "basic_transform"
    flat |= _rates(cfg)
    flat["TEST.DATASET"] = cfg.TRAIN.DATASET
    if method:
        flat |= _method_keys(cfg)
    else:
        flat |= {"TASK": "ssl_eval", "MODEL.MODEL_NAME": "SlowFast" if slowfast else "ResNet"}
        flat |= _classification_keys(cfg)
    return yaml.safe_dump(_nested(flat))


def what_is_lost(cfg: CfgNode, method: bool) -> Iterator[str]:
    """Sentences on what PySlowFast does differently, because it does not have the key."""
    if method and cfg.CONTRASTIVE.LOSS_FORM == "paper":
        yield (
            "PySlowFast trains with the released form of the loss, a sum over the queries; this one was trained with "
            "the paper's (CONTRASTIVE.LOSS_FORM paper), whose SOLVER.BASE_LR is for an average"
        )
    if cfg.TRAIN.MIXED_PRECISION and cfg.TRAIN.AMP_DTYPE != "float16":
        yield f"PySlowFast's mixed precision is in float16; this one's was in {cfg.TRAIN.AMP_DTYPE}"
    defaults = {key: definition.default for key, definition in definitions().items()}
    if reads_frame_lists(cfg):
        defaults["DATA.CLIP_SAMPLING"] = "segment"  # as PySlowFast's loader does
    lost = [f"{key} {value}" for key, value in leaves(cfg) if _is_lost(key) and value != defaults[key]]
    if lost:
        yield f"PySlowFast has no key for {', '.join(lost)}"


def _rates(cfg: CfgNode) -> dict[str, float]:
    """Learning rates for the batch that was used, since PySlowFast has no SOLVER.BASE_LR_BATCH."""
    if not cfg.SOLVER.BASE_LR_BATCH:
        return {}
    factor = rate_factor(cfg, cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS)
    return {f"SOLVER.{name}": cfg.SOLVER[name] * factor for name in _RATES}


def _classification_keys(cfg: CfgNode) -> dict[str, Any]:
    """Batches of views instead of videos, and the order of colours that REVERSE_INPUT_CHANNEL starts from there."""
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
    turned = cfg.TRAIN.DATASET.lower() in BGR_THERE
    return {
        "TEST.BATCH_SIZE": cfg.TEST.BATCH_SIZE * views,
        "DATA.REVERSE_INPUT_CHANNEL": bool(cfg.DATA.REVERSE_INPUT_CHANNEL) != turned,
    }


def _is_theirs(key: str) -> bool:
    return key not in own_keys() and key.partition(".")[0] not in _UNUSED_SECTIONS


def _method_keys(cfg: CfgNode) -> dict[str, Any]:
    """Keys as in the released pre-training files, where the embedding is the output of a classifier's head."""
    keys = {
        "TASK": "ssl",
        "MODEL.MODEL_NAME": "ContrastiveModel",
        "MODEL.NUM_CLASSES": cfg.CONTRASTIVE.DIM,
        "MODEL.LOSS_FUNC": "contrastive_loss",
        "MODEL.HEAD_ACT": "none",
        "MODEL.DROPOUT_RATE": 0.0,
        "MODEL.DETACH_FINAL_FC": False,
    }
    if cfg.CONTRASTIVE.TYPE != "swav":
        keys["CONTRASTIVE.SEQUENTIAL"] = True
    return keys


def _two_pathways(flat: dict[str, Any]) -> None:
    for name in _BY_PATHWAY:
        key = f"RESNET.{name}"
        flat[key] = [[*stage, stage[-1]][:2] for stage in flat[key]]
    flat["DATA.INPUT_CHANNEL_NUM"] = [3, 3]
    flat["NONLOCAL.LOCATION"] = [[[], []] for _ in range(4)]
    flat["NONLOCAL.GROUP"] = [[1, 1] for _ in range(4)]
    flat["NONLOCAL.POOL"] = [[[1, 2, 2], [1, 2, 2]] for _ in range(4)]


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = list(value) if isinstance(value, tuple) else value
    return tree
