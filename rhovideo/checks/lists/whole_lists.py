"""The check of whole lists at the start of a job. The checks before the start read the first rows only."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.checks.lists.class_agreement import names_of_lists
from rhovideo.checks.lists.job_lists import ListCheck, check_labels
from rhovideo.checks.lists.list_warnings import warn_of_settings
from rhovideo.checks.lists.mixture_shares import check_mixture
from rhovideo.checks.lists.shared_videos import Listed, SharedVideos, find_shared, find_shared_in_files
from rhovideo.config.extension.registries import reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import needed_splits, reads_plain_list
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.mixtures import Mixture
from rhovideo.data.lists.same_videos import MOST_PATHS
from rhovideo.data.lists.video_list import VideoList
from rhovideo.data.loading.datasets import open_manifest

logger = logging.getLogger(__name__)


def check_whole_lists(cfg: CfgNode) -> dict[str, int]:
    """Read every list that the task will need and check its labels; warnings go to the log.

    Returns:
        The number of videos of each other list that are in the training list too, as ``test_in_train``; empty
        where nothing was compared.

    Raises:
        ManifestError: a list is unusable, has no labels, or has more classes than MODEL.NUM_CLASSES; or its videos are
            in the folders of other classes than classes.txt says.
    """
    lists = {split: open_manifest(cfg, split) for split in needed_splits(cfg)}
    warnings = _of_start(cfg) if distributed.is_main() else {}
    for split, manifest in lists.items():
        mixture: Mixture | None = getattr(manifest, "mixture", None)
        found = [
            *check_labels(cfg, split, manifest.csv, manifest.num_classes),
            *check_mixture(cfg, split, manifest.csv, mixture),
        ]
        for finding in found:
            if finding.severity == "warning":
                warnings.setdefault(finding, not _is_shown_at_start(cfg))
                continue
            raise ManifestError(str(finding), keys=finding.keys)
        if split == "train" and cfg.TASK in TRAINS and distributed.is_main():
            for finding in warn_of_settings(cfg, manifest.csv, len(manifest), manifest.num_classes):
                warnings.setdefault(finding, not _is_shown_at_start(cfg))
    # Rank 0 reads the files, and all processes stop where it finds an error.
    shared = distributed.gather_objects(_compare(cfg, lists) if distributed.is_main() else SharedVideos())[0]
    for finding in shared.findings:
        if finding.severity == "error":
            raise ManifestError(str(finding), keys=finding.keys)
        warnings.setdefault(finding, not _is_shown_at_start(cfg))
    if distributed.is_main():
        for finding, is_new in warnings.items():
            logger.warning(finding, extra={"for_files": not is_new})
    return {f"{split}_in_train": count for split, count in shared.in_train.items()}


def _of_start(cfg: CfgNode) -> dict[Finding, bool]:
    """The warnings that the start has printed on the terminal, for the log; False: they are not new."""
    found = [finding for finding in ListCheck()(cfg) if finding.severity == "warning"]
    # What has changed since the checkpoint of the run is logged when it is loaded.
    return {finding: False for finding in found if "OUTPUT_DIR" not in finding.keys}


def _is_shown_at_start(cfg: CfgNode) -> bool:
    """True for lists of video files with one label each, which the start has read through."""
    return reads_plain_list(cfg)


def _compare(cfg: CfgNode, lists: Mapping[str, Manifest | VideoList]) -> SharedVideos:
    if _is_shown_at_start(cfg):
        # The warnings of the start have compared these files already, and the result is kept.
        return find_shared_in_files(cfg)
    if reads_boxes(cfg):
        # Found with the warnings of the start.
        return SharedVideos()
    if sum(map(len, lists.values())) > MOST_PATHS or cfg.TASK == "extract" or list(lists) == ["train"]:
        return SharedVideos()
    listed = {
        split: Listed(manifest.csv, [manifest.path(row) for row in range(len(manifest))], manifest.labels)
        for split, manifest in lists.items()
    }
    return find_shared(cfg.TASK, listed, names_of_lists(cfg))
