"""The rules by which some keys are fitted to a small training list or to the CPU, where the user has not written them.

The values of the recipes are meant for hundreds of thousands of videos, and for GPUs. All rules are in
:func:`fitted_values` and :func:`without_a_gpu`. A list that is long enough for a value never changes it. Imports no
torch.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.keys import get_value
from rhovideo.config.task_defaults import TRAINS

BATCH = "TRAIN.BATCH_SIZE"
QUEUE = "CONTRASTIVE.QUEUE_LEN"
WHITENING = "CONTRASTIVE.WHITEN_EMBEDDING"
NEIGHBOURS = "KNN.K"
WARMUP = "SOLVER.WARMUP_EPOCHS"
PRECISION = "TRAIN.MIXED_PRECISION"
# In the order in which they are fitted: the queue and the whitening depend on the batch.
KEYS_OF_LIST = (BATCH, QUEUE, WHITENING, NEIGHBOURS, WARMUP)
KEYS = (*KEYS_OF_LIST, PRECISION)

# The share of the released pre-training that is its warm-up: 35 of 200 epochs.
_WARMUP_SHARE = 0.175


def fitted_values(cfg: CfgNode, videos: int | None, free: Collection[str]) -> dict[str, Any]:
    """The values that a training list needs, of the keys that must change.

    Args:
        cfg: a resolved configuration.
        videos: the number of videos in its training list; None where it is not known, and then only the warm-up is
            fitted, which depends on SOLVER.MAX_EPOCH alone.
        free: the keys that may change: those that the user has not written.

    Returns:
        Keys and new values, in the order of ``KEYS_OF_LIST``.
    """
    values = {key: get_value(cfg, key) for key in KEYS_OF_LIST}
    before = dict(values)
    if videos:
        _fit_to_videos(values, cfg, videos, free)
    if cfg.TASK in TRAINS and WARMUP in free and values[WARMUP] > cfg.SOLVER.MAX_EPOCH:
        values[WARMUP] = round(_WARMUP_SHARE * max(cfg.SOLVER.MAX_EPOCH, 0), 2)
    return {key: value for key, value in values.items() if value != before[key]}


def without_a_gpu(cfg: CfgNode, free: Collection[str]) -> dict[str, Any]:
    """The values that NUM_GPUS 0 needs, of the keys that must change.

    Recipes are for GPUs, where mixed precision makes a step faster; on a CPU it makes one many times slower.

    Args:
        cfg: a resolved configuration.
        free: as of :func:`fitted_values`.
    """
    return {PRECISION: False} if cfg.NUM_GPUS == 0 and cfg.TRAIN.MIXED_PRECISION and PRECISION in free else {}


def _fit_to_videos(values: dict[str, Any], cfg: CfgNode, videos: int, free: Collection[str]) -> None:
    if cfg.TASK in TRAINS and BATCH in free:
        values[BATCH] = _batch(cfg, videos, 0 if QUEUE in free else values[QUEUE])
    step = values[BATCH] * cfg.NUM_SHARDS
    if cfg.TASK == "pretrain" and cfg.CONTRASTIVE.TYPE == "moco" and QUEUE in free and 0 < step <= videos:
        values[QUEUE] = fitting_queue(cfg, videos, step)
    if cfg.TASK == "pretrain" and WHITENING in free and values[BATCH] < cfg.TRAIN.BATCH_SIZE:
        alike = videos_of_mlp_statistics(cfg, values[BATCH], processes_of_machine(cfg))
        if alike <= values[WHITENING]:
            values[WHITENING] = whitening_that_fits(cfg.CONTRASTIVE.DIM, alike, values[WHITENING])
    # A logistic regression asks no neighbours.
    if NEIGHBOURS in free and values[NEIGHBOURS] > videos and cfg.TASK != "logistic":
        # As many as a class of a small set may have: with all videos as neighbours every query has the same ones.
        values[NEIGHBOURS] = max(1, math.isqrt(videos))


def keys_of_an_epoch(cfg: CfgNode, videos: int) -> int:
    """The number of keys that an epoch of MoCo puts into the queue."""
    return videos * (cfg.DATA.TRAIN_CROP_NUM_TEMPORAL if cfg.CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE else 1)


def fitting_queue(cfg: CfgNode, videos: int, step: int) -> int:
    """The length of MoCo's queue for a list: that of the configuration, or half an epoch's keys if they are fewer.

    Args:
        cfg: of a pre-training with MoCo.
        videos: in the list, at least ``step``.
        step: the videos of a step over all machines, of which the length is a multiple.
    """
    keys = keys_of_an_epoch(cfg, videos)
    length = int(cfg.CONTRASTIVE.QUEUE_LEN)
    # A longer queue holds older keys of the same few videos, and a video's own among them.
    return max(keys // 2 // step, 1) * step if keys < length else length


def _batch(cfg: CfgNode, videos: int, queue: int) -> int:
    """The batch of a machine: the configuration's, or the largest that makes two steps or more of a shorter list.

    Args:
        cfg: the configuration.
        videos: in the list.
        queue: a length that must be a multiple of the whole step; 0 for none.
    """
    batch, machines = int(cfg.TRAIN.BATCH_SIZE), max(int(cfg.NUM_SHARDS), 1)
    if batch * machines <= videos:
        return batch
    multiples = [each for each in batches_of_machine(cfg) if each * machines <= max(videos // 2, 1) and each < batch]
    good = [each for each in multiples if not queue or queue % (each * machines) == 0]
    # Where there are not even the videos that each process needs, the check of the lists refuses the start.
    return max(good or multiples, default=batch)


def batches_of_machine(cfg: CfgNode) -> Iterator[int]:
    """The batches that a machine's processes share evenly: a power of two for each micro-batch, from the fewest on."""
    fewest = fewest_of_machine(cfg)
    return (fewest * 2**power for power in range(12))


def fewest_of_machine(cfg: CfgNode) -> int:
    """The smallest batch of a machine: a video for each micro-batch, or two where a batch norm needs them."""
    processes = processes_of_machine(cfg)
    each = 2 if needs_two_videos(cfg, processes * cfg.NUM_SHARDS) else 1
    return each * processes * _micro_batches(cfg)


def processes_of_machine(cfg: CfgNode) -> int:
    """The processes of a machine; 1 where all its GPUs are wanted (NUM_GPUS -1), whose number is known there only."""
    return max(int(cfg.NUM_GPUS or cfg.NUM_CPU_PROCESSES), 1)


def needs_two_videos(cfg: CfgNode, world: int) -> bool:
    """True if a process cannot be given one video at a time: a norm of the MLPs has no statistics of one video.

    Args:
        cfg: a resolved configuration.
        world: processes of all machines.
    """
    node = cfg.CONTRASTIVE
    hidden = node.BN_MLP and (node.NUM_MLP_LAYERS > 1 or node.PREDICTOR_DEPTHS)
    normalises = cfg.TASK == "pretrain" and (hidden or node.BN_EMBEDDING)
    return bool(normalises) and not (node.BN_SYNC_MLP and world > 1)


def _micro_batches(cfg: CfgNode) -> int:
    """Micro-batches of a step. What the user wrote may be out of range; the check of the keys, later, says so."""
    return max(int(cfg.TRAIN.ACCUMULATE_STEPS), 1)


def videos_of_mlp_statistics(cfg: CfgNode, batch: int, processes: int) -> int:
    """The videos whose embeddings share the statistics of the MLPs' norms in a step.

    Args:
        cfg: a resolved configuration.
        batch: videos of a step and machine.
        processes: of each machine.
    """
    each = batch // (processes * _micro_batches(cfg))
    if not cfg.CONTRASTIVE.BN_SYNC_MLP:
        return each
    world = processes * cfg.NUM_SHARDS
    return each * (world if cfg.BN.GLOBAL_SYNC else min(max(1, cfg.BN.NUM_SYNC_DEVICES), world))


def whitening_that_fits(dim: int, videos: int, most: int | None = None) -> int:
    """The largest group of dimensions that the statistics of ``videos`` can whiten; 0: there is none.

    Args:
        dim: dimensions of an embedding.
        videos: those that share statistics, twice as many as a group's dimensions.
        most: dimensions of a group; None: no limit.
    """
    largest = min(dim, videos // 2, most or dim)
    return next((size for size in range(largest, 1, -1) if dim % size == 0), 0)
