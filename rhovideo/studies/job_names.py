"""Names of the run folders of a study: the same training has the same name in each table."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePath
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.comparison import global_batch, settings_with_effect
from rhovideo.protocols.recipes import Subject, extract_recipe

# The run folder of a training in its chain's folder; those of measurements stand beside it.
TRAINING = "training"
# Letters of the name of a data set, which is a part of the names of folders.
_LONGEST = 80
_PLACES = ("DATA.PATH_TO_DATA_DIR", "RNG_SEED")


def training_name(cfg: CfgNode, data: str, seed: int) -> str:
    """The folder of a training, such as ``byol_slow50_8x8_rho2_200ep_K400_seed1_3fa9c2d1``.

    The digest at its end is of all settings that the result depends on.
    """
    kind = f"{cfg.CONTRASTIVE.TYPE}_" if cfg.TASK == "pretrain" else "supervised_"
    depth = cfg.RESNET.DEPTH if cfg.MODEL.ARCH in ("slow", "r2plus1d") else ""
    clip = f"{cfg.DATA.NUM_FRAMES}x{cfg.DATA.SAMPLING_RATE}"
    rho = f"_rho{cfg.DATA.TRAIN_CROP_NUM_TEMPORAL}" if cfg.TASK == "pretrain" else ""
    length = f"_{cfg.SOLVER.MAX_EPOCH:g}ep"
    return f"{kind}{cfg.MODEL.ARCH}{depth}_{clip}{rho}{length}_{fit_for_folder(data)}_seed{seed}_{digest(cfg, data)}"


def untrained_name(cfg: CfgNode, seed: int) -> str:
    """The folder of what is measured of random weights.

    The digest at its end is of all that a measurement takes from ``cfg``: the encoder, and its clips with their crops.
    """
    clip = f"{cfg.DATA.NUM_FRAMES}x{cfg.DATA.SAMPLING_RATE}"
    taken = extract_recipe(Subject("", "", "", cfg), clips=1)
    return f"random_{cfg.MODEL.ARCH}_{clip}_seed{seed}_{_short_hash(taken)}"


def is_training(output_dir: str) -> bool:
    """True for the run folder of a training of an encoder, False for that of a measurement."""
    return PurePath(output_dir).name == TRAINING


def measure_name(data: str, protocol: str, split: int | None, keys: dict[str, Any]) -> str:
    """The folder of a measurement, below that of its training; with a digest where it has settings of its own."""
    name = f"{fit_for_folder(data)}{f'_split{split}' if split else ''}_{protocol}"
    return f"{name}_{_short_hash(keys)}" if keys else name


def digest(cfg: CfgNode, data: str) -> str:
    """Eight letters that change with each setting that a training's result depends on."""
    return _short_hash({"keys": settings_with_effect(cfg, _PLACES), "batch": global_batch(cfg), "data": data})


def is_plain_name(text: str) -> bool:
    """True for a name of a data set that folders may have as it is, so that no two names give the same folder."""
    return text[:1].isalnum() and fit_for_folder(text) == text and len(text) <= _LONGEST


def fit_for_folder(text: str) -> str:
    """A text as a part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_")


def _short_hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]
