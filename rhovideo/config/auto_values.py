"""The rules for keys whose value is ``auto``: from the number of training videos and the devices to numbers.

The recipes ``small/*`` use them. All rules are in :func:`auto_values`; docs/recipes.md gives the reason of
each. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.fitted import (
    BATCH,
    QUEUE,
    WARMUP,
    WHITENING,
    batches_of_machine,
    fitting_queue,
    processes_of_machine,
    videos_of_mlp_statistics,
    whitening_that_fits,
)
from rhovideo.config.keys import get_value
from rhovideo.config.schema import definitions
from rhovideo.config.schema.definition import AUTO

EPOCHS = "SOLVER.MAX_EPOCH"
MOMENTUM = "CONTRASTIVE.MOMENTUM"
PROTOTYPES = "CONTRASTIVE.SWAV_NUM_PROTOTYPES"
# In the order in which they are found: each may depend on those before it.
AUTO_KEYS = (BATCH, EPOCHS, WARMUP, MOMENTUM, QUEUE, PROTOTYPES, WHITENING)

# Contrast, batch norm and Sinkhorn-Knopp need several videos at once; an epoch needs several steps.
_FEWEST_IN_BATCH = 16
_STEPS_OF_EPOCH = 8
# Videos of a step: of a machine without a GPU, and of each GPU.
_MOST_ON_CPU = 32
_MOST_ON_GPU = 64
# Steps of a training, on a CPU and on GPUs: minutes and hours.
_STEPS = {"pretrain": (640, 20_000), "linear": (160, 2_000), "finetune": (320, 5_000), "detection": (320, 5_000)}
# A pre-training that goes on with a checkpoint's weights takes this share of them.
_STEPS_AFTER_A_CHECKPOINT = 0.25
_MOST_EPOCHS = 400
_WARMUP_SHARE = 0.025
# The momentum encoder averages over this share of all steps, but never over more than the paper's 1 / (1 - 0.996).
_AVERAGED_SHARE = 1 / 32
_MOST_AVERAGED = 250
# What was measured, see docs/diagnosis.md; a batch of 16 still has twice as many clips.
_MOST_WHITENED = 8
_FEWEST_PROTOTYPES, _MOST_PROTOTYPES = 128, 1024


def automatic_keys(settings: Mapping[str, Setting]) -> set[str]:
    """The keys that may be ``auto`` and are."""
    known = definitions()
    return {key for key, setting in settings.items() if key in known and known[key].auto and setting.value == AUTO}


def auto_values(cfg: CfgNode, videos: int, keys: Collection[str]) -> dict[str, Any]:
    """The values of the keys that are ``auto``.

    Args:
        cfg: a resolved configuration, with all other keys as they will be used.
        videos: in the training list, at least 1.
        keys: those of ``AUTO_KEYS`` to find.

    Returns:
        Keys and values, in the order of ``AUTO_KEYS``.
    """
    values = {key: get_value(cfg, key) for key in AUTO_KEYS}
    if BATCH in keys:
        values[BATCH] = _batch(cfg, videos)
    # What the user wrote may be out of range; the check of the keys, which comes later, says so.
    step = max(values[BATCH] * cfg.NUM_SHARDS, 1)
    steps_of_epoch = max(videos // step, 1)
    if EPOCHS in keys:
        values[EPOCHS] = min(max(round(_steps(cfg) / steps_of_epoch), 1), _MOST_EPOCHS)
    if WARMUP in keys:
        values[WARMUP] = round(_WARMUP_SHARE * max(values[EPOCHS], 0), 2)
    if MOMENTUM in keys:
        averaged = min(_AVERAGED_SHARE * values[EPOCHS] * steps_of_epoch, _MOST_AVERAGED)
        values[MOMENTUM] = round(max(1 - 1 / max(averaged, 1), 0.5), 4)
    if QUEUE in keys:
        values[QUEUE] = fitting_queue(cfg, videos, step)
    if PROTOTYPES in keys:
        values[PROTOTYPES] = _prototypes(cfg, videos)
    if WHITENING in keys:
        alike = videos_of_mlp_statistics(cfg, values[BATCH], processes_of_machine(cfg))
        values[WHITENING] = whitening_that_fits(cfg.CONTRASTIVE.DIM, alike, _MOST_WHITENED)
    return {key: values[key] for key in AUTO_KEYS if key in keys}


def _batch(cfg: CfgNode, videos: int) -> int:
    """The batch of a machine: as many videos as its devices take, but several steps an epoch.

    A list of very few videos gets the fewest that make a step, and at most half the list where that is enough.
    """
    machines = max(cfg.NUM_SHARDS, 1)
    # NUM_GPUS -1 takes all of a machine that is not known here: the batch is that of one.
    most = _MOST_ON_GPU * max(cfg.NUM_GPUS, 1) if cfg.NUM_GPUS else _MOST_ON_CPU
    wanted = min(max(videos // _STEPS_OF_EPOCH // machines, _FEWEST_IN_BATCH), max(videos // 2 // machines, 1), most)
    possible = list(batches_of_machine(cfg))
    return max((batch for batch in possible if batch <= wanted), default=possible[0])


def _steps(cfg: CfgNode) -> float:
    """The optimizer steps of a training."""
    steps = _STEPS.get(cfg.TASK, _STEPS["pretrain"])[bool(cfg.NUM_GPUS)]
    goes_on = cfg.TASK == "pretrain" and cfg.TRAIN.CHECKPOINT_FILE_PATH
    return steps * _STEPS_AFTER_A_CHECKPOINT if goes_on else steps


def _prototypes(cfg: CfgNode, videos: int) -> int:
    """Half as many as there are videos, at least four for each dimension; a power of two."""
    wanted = max(videos // 2, 4 * cfg.CONTRASTIVE.DIM, _FEWEST_PROTOTYPES)
    return int(min(1 << (wanted - 1).bit_length(), _MOST_PROTOTYPES))
