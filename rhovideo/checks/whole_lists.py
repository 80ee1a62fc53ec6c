"""The check of whole lists at the start of a job. The checks before the start read the first rows only."""

from __future__ import annotations

import logging

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.checks.list_warnings import warn_of_settings
from rhovideo.checks.lists import check_labels
from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.list_names import needed_splits
from rhovideo.config.pyslowfast.translation import reads_frame_lists
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading.datasets import open_manifest

logger = logging.getLogger(__name__)


def check_whole_lists(cfg: CfgNode) -> None:
    """Read every list that the task will need and check its labels; warnings go to the log.

    Raises:
        ManifestError: a list is unusable, has no labels, or has more classes than MODEL.NUM_CLASSES.
    """
    for split in needed_splits(cfg):
        manifest = open_manifest(cfg, split)
        for finding in check_labels(cfg, split, manifest.csv, manifest.num_classes):
            raise ManifestError(str(finding), keys=finding.keys)
        if split == "train" and cfg.TASK in TRAINS and distributed.is_main():
            for finding in warn_of_settings(cfg, manifest.csv, len(manifest), manifest.num_classes):
                # Of lists of video files, the start has shown it on the terminal.
                logger.warning(finding, extra={"for_files": not (reads_frame_lists(cfg) or lists_itself(cfg))})
