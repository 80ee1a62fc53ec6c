"""Words at the start of a job on the CPU: how long a step may take there, and what is off.

Recipes are for GPUs. A step of the paper's network takes minutes on a few cores, and the person should know it before.
"""

from __future__ import annotations

import logging
import time

import torch
from fvcore.common.config import CfgNode
from torch.nn import functional

from rhovideo import distributed
from rhovideo.checks.machine import has_mps
from rhovideo.config.task_defaults import TRAINS
from rhovideo.engine.device_inputs import job_device, mixed_precision
from rhovideo.models.network_size import encoder_size

logger = logging.getLogger(__name__)

# Steps of more seconds are long for a first try.
_LONG_STEP = 20.0
# Fewer multiply-adds take a second at most, and this CPU's speed need not be measured.
_FEW = 5e9
# Forward passes that take as long as a step of one clip: forward and backward, and the keys of a momentum encoder.
_PASSES = {"pretrain": 4, "finetune": 3, "detection": 3}


def note_cpu(cfg: CfgNode) -> None:
    """Log that a job runs on the CPU because there is no GPU, and what a step is expected to take.

    With NUM_GPUS 0 a person has asked for the CPU, and only long steps are spoken of.
    """
    if job_device(cfg).type != "cpu":
        return
    seconds = _seconds_of_step(cfg)
    what = "a step" if cfg.TASK in TRAINS else "a batch"
    expected = f"expect {_about(seconds)} for {what}" if seconds is not None else ""
    if expected and seconds is not None and seconds > _LONG_STEP:
        expected += (
            ". The recipes that `rhovideo configs demo` lists are for small machines; a smaller DATA.TRAIN_CROP_SIZE, "
            "DATA.NUM_FRAMES or TRAIN.BATCH_SIZE makes steps shorter"
            if cfg.TASK in TRAINS
            else ". A smaller list makes a first try quick"
        )
    if cfg.NUM_GPUS < 0:
        mps = " (Apple's MPS is not used)" if has_mps() else ""
        logger.info("no GPU found%s: CPU%s", mps, f", {expected}" if expected else "")
    elif seconds is not None and seconds > _LONG_STEP:
        logger.info("On this CPU %s", expected)


def note_mixed_precision(cfg: CfgNode) -> None:
    """Log that mixed precision, which is meant for GPUs, is off on this CPU; warn where it is on."""
    device = job_device(cfg)
    if not cfg.TRAIN.MIXED_PRECISION or device.type != "cpu":
        return
    if mixed_precision(cfg, device):
        logger.warning(
            "TRAIN.MIXED_PRECISION is True in %s on the CPU, where it can make a step ten times slower: write "
            "TRAIN.MIXED_PRECISION False, unless you want its rounding",
            cfg.TRAIN.AMP_DTYPE,
        )
    else:
        logger.info(
            "TRAIN.MIXED_PRECISION in %s is for GPUs, and there is none: it is off. To use it on a CPU, add NUM_GPUS 0",
            cfg.TRAIN.AMP_DTYPE,
        )


def _about(seconds: float) -> str:
    """A rough time in words."""
    for length, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= length:
            count = round(seconds / length)
            return f"about {count} {unit}" + ("" if count == 1 else "s")
    return "a second or less"


def _seconds_of_step(cfg: CfgNode) -> float | None:
    """The time of a step or batch of this process, to a factor of two; None where it cannot be foreseen."""
    if mixed_precision(cfg, torch.device("cpu")) or cfg.TRAIN.DTYPE != "float32":
        return None
    trains = cfg.TASK in TRAINS
    crop = cfg.DATA.TRAIN_CROP_SIZE if trains else cfg.DATA.TEST_CROP_SIZE
    of_clip = encoder_size(cfg, crop).multiply_adds
    if of_clip is None:
        return None
    batch = cfg.TRAIN.BATCH_SIZE if cfg.TASK not in ("test", "detection_test") else cfg.TEST.BATCH_SIZE
    clips = batch * cfg.NUM_SHARDS / distributed.world_size()
    clips *= cfg.DATA.TRAIN_CROP_NUM_TEMPORAL if cfg.TASK == "pretrain" else 1
    work = of_clip * clips * _PASSES.get(cfg.TASK, 1)
    return 0.0 if work < _FEW else work / _multiply_adds_a_second()


def _multiply_adds_a_second() -> float:
    """The speed of this CPU in a convolution of a residual network, in float32."""
    clips, weights = torch.zeros(2, 256, 8, 14, 14), torch.zeros(256, 256, 1, 3, 3)
    work = clips.numel() * weights.numel() / len(weights)
    best = float("inf")
    with torch.no_grad():
        for _ in range(3):
            started = time.perf_counter()
            functional.conv3d(clips, weights, padding=(0, 1, 1))
            best = min(best, time.perf_counter() - started)
    return work / best
