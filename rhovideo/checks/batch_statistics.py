"""Whether the encoder's batch norms get more than one value of each channel in a training step.

Only a process with one video at a time can have too few. For it, the encoder runs once on torch's meta device, which
keeps shapes and no numbers.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rhovideo.checks.network import network_builder
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import TRAINS
from rhovideo.models.sync_batchnorm import SyncBatchNorm


class _OneValueError(Exception):
    """A batch norm in training would get one value of each channel."""


def check_batch_statistics(cfg: CfgNode, processes: int) -> list[Finding]:
    """Find out whether a step's batch is too small for the encoder's batch norms.

    Args:
        cfg: a loaded configuration; its network can be built.
        processes: of each machine.

    Returns:
        One finding, or none.
    """
    share = processes * cfg.TRAIN.ACCUMULATE_STEPS
    if cfg.TASK not in TRAINS or cfg.TRAIN.BATCH_SIZE != share:
        return []
    world = processes * cfg.NUM_SHARDS
    if not _gets_one_value(cfg, world):
        return []
    wrong = (
        f"each process gets one video at a time, and of a clip of {cfg.DATA.NUM_FRAMES} frames of "
        f"{cfg.DATA.TRAIN_CROP_SIZE} x {cfg.DATA.TRAIN_CROP_SIZE} pixels the encoder's last batch norms get one value "
        "of each channel, which has no variance"
    )
    remedy = f"TRAIN.BATCH_SIZE {2 * share} or more, or a larger DATA.TRAIN_CROP_SIZE or DATA.NUM_FRAMES"
    if world > 1:
        remedy += ", or BN.NORM_TYPE sync_batchnorm with BN.GLOBAL_SYNC True"
    count_key = "NUM_GPUS" if cfg.NUM_GPUS else "NUM_CPU_PROCESSES"
    keys = ("TRAIN.BATCH_SIZE", "DATA.TRAIN_CROP_SIZE", "DATA.NUM_FRAMES", count_key, "TRAIN.ACCUMULATE_STEPS")
    return [Finding(keys, wrong, remedy)]


def _gets_one_value(cfg: CfgNode, world: int) -> bool:
    """True if a batch norm of the encoder gets one value of each channel, of one clip a process."""
    crop = cfg.DATA.TRAIN_CROP_SIZE
    with torch.device("meta"):
        network = network_builder(cfg)(cfg).train()
        clip = torch.empty(1, 3, cfg.DATA.NUM_FRAMES, crop, crop)
    for module in network.encoder.modules():
        if isinstance(module, _BatchNorm) and not (isinstance(module, SyncBatchNorm) and world > 1):
            module.register_forward_pre_hook(_refuse_one_value)
    try:
        # What else may go wrong here is no matter of batch norms, and an encoder need not run without numbers.
        with torch.no_grad(), contextlib.suppress(RuntimeError, ValueError, TypeError, NotImplementedError):
            network.encoder(clip)
    except _OneValueError:
        return True
    return False


def _refuse_one_value(module: nn.Module, arguments: tuple[Any, ...]) -> None:
    values: Tensor = arguments[0]
    if module.training and values.numel() == values.shape[1]:
        raise _OneValueError
