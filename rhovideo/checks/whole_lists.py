"""Whether the lists of videos have what the task needs, asked before anything is trained."""

from __future__ import annotations

import logging

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.checks.list_warnings import Listed, doubts
from rhovideo.checks.lists import check_labels
from rhovideo.config.input_files import needed_splits
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.loading.datasets import open_manifest

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
            for doubt in doubts(cfg, Listed(manifest.csv, len(manifest), manifest.num_classes)):
                logger.warning(doubt)
