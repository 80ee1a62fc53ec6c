"""Warnings about settings that do not fit the training list, such as a queue longer than the list. Without torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.fitted import fitting_queue, keys_of_an_epoch
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS


def warn_of_settings(cfg: CfgNode, csv: str | Path, videos: int | None, classes: int) -> Iterator[Finding]:
    """A warning for each setting that does not go with the training videos.

    Args:
        cfg: of the job, with the batch that it trains with.
        csv: its training list.
        videos: the number of videos in it; None where they were not counted.
        classes: the largest label plus one.
    """
    if cfg.TASK in CLASSIFIES and cfg.TASK in TRAINS and classes < cfg.MODEL.NUM_CLASSES:
        wrong = f"{csv}: labels are 0 to {classes - 1}, and MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}"
        remedy = f"MODEL.NUM_CLASSES {classes} if these are all"
        yield Finding(("MODEL.NUM_CLASSES", "DATA.PATH_TO_DATA_DIR"), wrong, remedy, "warning")
    node = cfg.CONTRASTIVE
    if cfg.TASK != "pretrain" or node.TYPE != "moco" or videos is None:
        return
    keys = keys_of_an_epoch(cfg, videos)
    step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
    # A list shorter than a step is an error already, and no queue of whole batches would suit it.
    if step <= videos and keys < node.QUEUE_LEN:
        wrong = (
            f"CONTRASTIVE.QUEUE_LEN is {node.QUEUE_LEN}, and an epoch of {csv} makes {keys} keys. So most of a video's "
            "negatives are older keys of the same few videos, and some are its own"
        )
        remedy = f"CONTRASTIVE.QUEUE_LEN {fitting_queue(cfg, videos, step)}"
        yield Finding(("CONTRASTIVE.QUEUE_LEN", "DATA.PATH_TO_DATA_DIR"), wrong, remedy, "warning")
