"""Keeping a resumed run to its first launch: the global batch, the learning rates and the seed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.config.keys import leaves
from rhovideo.optim import rate_factor
from rhovideo.runs.first_launch import (
    FirstLaunch,
    adapt,
    first_weights,
    read_first_launch,
    resumes,
    write_first_launch,
)
from rhovideo.ssl.process_dependence import process_dependence

logger = logging.getLogger(__name__)

# Keys that change no step of a training, and those that FirstLaunch takes care of.
_NO_SETTINGS = (
    *("SLURM", "NUM_SHARDS", "NUM_GPUS", "NUM_CPU_PROCESSES", "SHARD_ID", "DIST_BACKEND", "DIST_TIMEOUT_MINUTES"),
    *("OUTPUT_DIR", "LOG_PERIOD", "LOG_MODEL_INFO", "TENSORBOARD", "LOGGERS", "DATA_LOADER", "DATA.MANIFEST_CACHE"),
    *("TRAIN.CHECKPOINT_PERIOD", "TRAIN.CHECKPOINT_MINUTES", "TRAIN.CHECKPOINT_KEEP", "TRAIN.AUTO_RESUME"),
    *("TRAIN.BATCH_SIZE", "RNG_SEED", "TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"),
)


def settle(cfg: CfgNode) -> tuple[CfgNode, float]:
    """Settle the configuration that a training runs with, and the factor of its learning rates.

    On a first launch both are as configured, and rank 0 stores what a resume must keep. On a resume the global batch,
    the factor and the seed are the stored ones, and the log says what follows from them. Every process must call it.

    Args:
        cfg: the job's.

    Returns:
        The configuration, and the factor.

    Raises:
        JobError: the processes of this launch cannot share the global batch evenly.
    """
    # Rank 0 reads for all: on a network file system the others may still see an older file.
    found = read_first_launch(cfg.OUTPUT_DIR) if distributed.is_main() and resumes(cfg) else None
    first = distributed.gather_objects(found)[0]
    processes = distributed.world_size()
    if first is None:
        global_batch = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
        how = global_batch, rate_factor(cfg, global_batch), cfg.NUM_SHARDS, processes, cfg.RNG_SEED
        first = FirstLaunch(*how, *first_weights(cfg))
        if distributed.is_main():
            write_first_launch(cfg.OUTPUT_DIR, first)
        return cfg, first.learning_rate_factor
    settled, notes, warnings = adapt(cfg, first, processes)
    for note in notes:
        logger.info(note)
    if processes != first.processes:
        warnings += _changes(settled, max(processes, first.processes))
    factor = rate_factor(settled, first.global_batch)
    if factor != first.learning_rate_factor:
        logger.info("SOLVER's rates are multiplied by %g, as at first, not by %g", first.learning_rate_factor, factor)
    if distributed.is_main():
        for warning in warnings:
            logger.warning(warning)
    return settled, first.learning_rate_factor


def other_settings(before: Mapping[str, Any], cfg: CfgNode) -> list[str]:
    """The keys that change results and have new values in a resume.

    Args:
        before: the configuration in the checkpoint, as nested mappings; keys that it lacks are left out.
        cfg: the configuration of the resume.

    Returns:
        A text ``KEY old -> new`` for each.
    """
    now = dict(leaves(CfgNode(yaml.safe_load(cfg.dump()))))
    then = dict(leaves(CfgNode(before)))
    return [
        f"{key} {then[key]} -> {value}"
        for key, value in now.items()
        if key in then and then[key] != value and not {key, key.partition(".")[0]} & set(_NO_SETTINGS)
    ]


def _changes(cfg: CfgNode, processes: int) -> list[str]:
    """The warnings of what changes with the number of processes; ``processes`` is the larger of the two."""
    reasons: list[str] = []
    if cfg.TASK == "pretrain":
        reasons += process_dependence(cfg, processes)
    elif not cfg.MODEL.FROZEN_BN and not (cfg.BN.NORM_TYPE == "sync_batchnorm" and cfg.BN.GLOBAL_SYNC):
        reasons.append("batch norm, of a part of the global batch")
    if (cfg.TASK != "pretrain" and cfg.MODEL.DROPOUT_RATE) or cfg.MODEL.ARCH == "mvit":
        reasons.append("dropout, which each process draws by itself")
    if not reasons:
        return []
    return [f"From here on this differs from the run with as many processes as before: {'; '.join(reasons)}"]
