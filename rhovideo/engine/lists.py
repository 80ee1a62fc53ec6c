"""Whether the lists of videos have what the task needs, asked before anything is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.config.inputs import needed_splits
from rhovideo.config.tasks import CLASSIFIES, TRAINS
from rhovideo.data.datasets import open_manifest
from rhovideo.data.manifest import Manifest
from rhovideo.engine.first_rows import check_labels

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
