"""Whether the lists of videos have what the task needs, asked before anything is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.config.inputs import needed_splits
from rhovideo.config.tasks import CLASSIFIES, TRAINS
from rhovideo.data.csv_parsing import ManifestError
from rhovideo.data.datasets import open_manifest
from rhovideo.data.manifest import Manifest

logger = logging.getLogger(__name__)


def check_lists(cfg: CfgNode) -> None:
    """Read every list that the task will need, and check their labels; the log tells what looks like a mistake.

    Raises:
        ManifestError: a list is unusable, has no labels, or has more classes than MODEL.NUM_CLASSES.
    """
    for split in needed_splits(cfg):
        manifest = open_manifest(cfg, split)
        check_labels(cfg, split, manifest.csv, manifest.num_classes)
        if split == "train" and cfg.TASK in TRAINS and distributed.is_main():
            for doubt in _doubts(cfg, manifest):
                logger.warning(doubt)


def _doubts(cfg: CfgNode, manifest: Manifest) -> Iterator[str]:
    """What of a configuration does not go with the training videos, and may be meant."""
    if cfg.TASK in CLASSIFIES and manifest.num_classes < cfg.MODEL.NUM_CLASSES:
        yield (
            f"{manifest.csv}: labels are 0 to {manifest.num_classes - 1}, and MODEL.NUM_CLASSES is "
            f"{cfg.MODEL.NUM_CLASSES}: write MODEL.NUM_CLASSES {manifest.num_classes} if these are all"
        )
    node = cfg.CONTRASTIVE
    keys = len(manifest) * (cfg.DATA.TRAIN_CROP_NUM_TEMPORAL if node.MOCO_MULTI_VIEW_QUEUE else 1)
    if cfg.TASK == "pretrain" and node.TYPE == "moco" and keys < node.QUEUE_LEN:
        step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
        yield (
            f"CONTRASTIVE.QUEUE_LEN is {node.QUEUE_LEN}, and an epoch of {manifest.csv} makes {keys} keys: most of a "
            "video's negatives are then older keys of the same few videos, its own among them; write "
            f"CONTRASTIVE.QUEUE_LEN {max(keys // 2 // step, 1) * step}"
        )


def check_labels(cfg: CfgNode, split: str, csv: str | Path, num_classes: int) -> None:
    """Check the labels of a list.

    Args:
        cfg: of the job.
        split: whose list it is.
        csv: the list, for the message.
        num_classes: the largest label plus one; 0 if the list has none.

    Raises:
        ManifestError: the task needs labels and there are none, or MODEL.NUM_CLASSES is too small for them.
    """
    if (cfg.TASK == "pretrain" and split == "train") or cfg.TASK == "extract":
        return
    if not num_classes:
        without = ", or TRAIN.EVAL_PERIOD 0 to go without it" if split == "val" else ""
        raise ManifestError(
            f"{csv} has no labels, which TASK {cfg.TASK} needs: write a class number at the end of each line{without}"
        )
    if cfg.TASK in CLASSIFIES and num_classes > cfg.MODEL.NUM_CLASSES:
        raise ManifestError(
            f"{csv} has the label {num_classes - 1}, but MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}: "
            f"write MODEL.NUM_CLASSES {num_classes}, or mend the list"
        )
