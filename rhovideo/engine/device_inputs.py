"""From a loader's bytes to a network's input: moved to the device, scaled and normalised there in one operation."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo import distributed
from rhovideo.data.augment.clip_augmentation import normalise
from rhovideo.data.augment.device_colour import apply_operations
from rhovideo.models.encoder import standardise

DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}


def job_device(cfg: CfgNode) -> torch.device:
    """The device of this process: its GPU, or the CPU where NUM_GPUS is 0 or the machine has no GPU.

    Args:
        cfg: NUM_GPUS.

    Raises:
        JobError: the machine gives the job fewer GPUs than processes.
    """
    if cfg.NUM_GPUS == 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", distributed.own_gpu())


def to_network_input(clips: Tensor, cfg: CfgNode, device: torch.device, operations: Tensor | None = None) -> Tensor:
    """Move uint8 clips to the device, make there the changes of colour that are left, and normalise them.

    Args:
        clips: uint8 ``[..., T, S, S, 3]``, RGB.
        cfg: DATA.MEAN, DATA.STD, DATA.STANDARDISE_CLIPS, DATA.REVERSE_INPUT_CHANNEL and TRAIN.DTYPE.
        device: where the network is.
        operations: float64 ``[..., K, 2]``, see :func:`rhovideo.data.augment.device_colour.apply_operations`.

    Returns:
        ``[..., 3, T, S, S]`` of TRAIN.DTYPE, channels last in memory.
    """
    clips = clips.to(device, non_blocking=clips.is_pinned())
    if operations is not None:
        clips = apply_operations(clips, operations)
    if cfg.DATA.REVERSE_INPUT_CHANNEL:
        clips = clips.flip(-1)
    normalised = normalise(clips, cfg.DATA.MEAN, cfg.DATA.STD, DTYPES[cfg.TRAIN.DTYPE])
    return standardise(normalised) if cfg.DATA.STANDARDISE_CLIPS else normalised


def mixed_precision(cfg: CfgNode, device: torch.device) -> bool:
    """True where TRAIN.MIXED_PRECISION is used on this device.

    It is for GPUs, and makes a step on a CPU many times slower. So it is off on a CPU, unless NUM_GPUS 0 shows that a
    CPU is wanted. (With that, a recipe's own TRAIN.MIXED_PRECISION is off as well:
    :func:`rhovideo.config.fitted.without_a_gpu`.)

    Args:
        cfg: TRAIN.MIXED_PRECISION and NUM_GPUS.
        device: of this process.
    """
    return bool(cfg.TRAIN.MIXED_PRECISION and (device.type != "cpu" or cfg.NUM_GPUS == 0))


def use_sound_kernels(cfg: CfgNode) -> None:
    """Turn oneDNN off for bfloat16: it fills some weight gradients of 3D convolutions with NaN (torch 2.15)."""
    device = job_device(cfg)
    bfloat16 = mixed_precision(cfg, device) and cfg.TRAIN.AMP_DTYPE == "bfloat16"
    torch.backends.mkldnn.enabled = not (bfloat16 and device.type == "cpu")  # type: ignore[assignment]


def autocast(cfg: CfgNode, device: torch.device) -> torch.autocast:
    """A context in TRAIN.AMP_DTYPE where :func:`mixed_precision` is True; elsewhere it does nothing.

    Args:
        cfg: the job's.
        device: of this process.
    """
    return torch.autocast(device.type, dtype=DTYPES[cfg.TRAIN.AMP_DTYPE], enabled=mixed_precision(cfg, device))
