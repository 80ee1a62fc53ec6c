"""Parts of a method that depend on the number of processes, such as shuffling batch norm.

This module and :mod:`rhovideo.ssl.build` are the only ones of ``ssl/`` that read a configuration. It names the keys
that make a result depend on the number of processes, and the values that avoid this.
"""

from __future__ import annotations

import logging

from fvcore.common.config import CfgNode

from rhovideo.distributed import is_main, neighbour_group, world_size
from rhovideo.ssl.memory.momentum_keys import BatchShuffle

logger = logging.getLogger(__name__)


def batch_shuffle(cfg: CfgNode) -> BatchShuffle | None:
    """MoCo's shuffling BN over the processes of one machine (CONTRASTIVE.LOCAL_SHUFFLE_BN) or of all machines.

    None where there is nothing to shuffle, or where batch norm is synchronised over all those processes anyway.
    Every process must call it, in the same order.
    """
    total = world_size()
    return BatchShuffle(neighbour_group(_shuffle_span(cfg, total))) if _shuffles(cfg, total) else None


def warn_of_process_dependence(cfg: CfgNode) -> None:
    """Write to the log, on rank 0, what makes the result depend on the number of processes, and what would not."""
    found = process_dependence(cfg)
    if found and is_main():
        keys = dict.fromkeys(key for needed in found.values() for key in needed)
        what, independent = ", ".join(found), ", ".join(keys)
        logger.warning(
            "The result depends on the number of processes (%d): %s. To change that, write %s",
            *(world_size(), what, independent),
        )


def process_dependence(cfg: CfgNode, processes: int | None = None) -> dict[str, tuple[str, ...]]:
    """The parts of a method whose results depend on the number of processes.

    Args:
        cfg: of a pre-training.
        processes: their number; None: as many as there are now.

    Returns:
        Name of each part to the keys and values with which it would not depend on it; empty with one process.
    """
    total, node = processes or world_size(), cfg.CONTRASTIVE
    if total == 1:
        return {}
    everywhere = ("BN.NORM_TYPE sync_batchnorm", "BN.GLOBAL_SYNC True")
    found: dict[str, tuple[str, ...]] = {}
    if _encoder_norm_span(cfg, total) < total:
        found["the encoder's batch norm"] = everywhere
    if (node.BN_MLP or node.BN_EMBEDDING or node.WHITEN_EMBEDDING) and _mlp_norm_span(cfg, total) < total:
        found["the MLPs' batch norm"] = ("CONTRASTIVE.BN_SYNC_MLP True", everywhere[1])
    if node.TYPE == "moco" and _shuffles(cfg, total):
        found["shuffling batch norm"] = everywhere
    if node.TYPE == "simclr" and not node.SIMCLR_DIST_ON:
        found["negatives of one process alone"] = ("CONTRASTIVE.SIMCLR_DIST_ON True",)
    return found


def _shuffles(cfg: CfgNode, total: int) -> bool:
    """True where MoCo's keys need other processes' batch statistics than their queries."""
    return _encoder_norm_span(cfg, total) < _shuffle_span(cfg, total)


def _shuffle_span(cfg: CfgNode, total: int) -> int:
    """Processes that would exchange videos for shuffling batch norm."""
    return total // cfg.NUM_SHARDS if cfg.CONTRASTIVE.LOCAL_SHUFFLE_BN else total


def _encoder_norm_span(cfg: CfgNode, total: int) -> int:
    """Processes that share the encoder's batch statistics."""
    return _sync_span(cfg, total) if cfg.BN.NORM_TYPE.startswith("sync_batchnorm") else 1


def _mlp_norm_span(cfg: CfgNode, total: int) -> int:
    """Processes that share the batch statistics of the projection and the predictor."""
    return _sync_span(cfg, total) if cfg.CONTRASTIVE.BN_SYNC_MLP else 1


def _sync_span(cfg: CfgNode, total: int) -> int:
    """Processes in one group of synchronised batch norm."""
    return total if cfg.BN.GLOBAL_SYNC else min(max(1, cfg.BN.NUM_SYNC_DEVICES), total)
