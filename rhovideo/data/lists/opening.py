"""Opening the list of a split, as a configuration names it. Without torch."""

from __future__ import annotations

from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.list_names import label_files, list_name, reads_label_files
from rhovideo.data.lists.frame_lists import FrameListManifest
from rhovideo.data.lists.manifest import Manifest


def open_frame_list(cfg: CfgNode, split: str) -> FrameListManifest:
    """Open the list of frames of a split (TRAIN.DATASET ssv2)."""
    data = cfg.DATA
    csv = Path(data.PATH_TO_DATA_DIR) / list_name(cfg, split)
    names = label_files(split) if reads_label_files(cfg, split) else ()
    labels = (csv.with_name(names[0]), csv.with_name(names[1])) if names else None
    return FrameListManifest.open(csv, labels=labels, prefix=data.PATH_PREFIX, cache_dir=data.MANIFEST_CACHE)


def open_video_list(cfg: CfgNode, split: str) -> Manifest:
    """Open the CSV of a split, of video files (TRAIN.DATASET kinetics)."""
    data = cfg.DATA
    return Manifest.open(
        Path(data.PATH_TO_DATA_DIR) / list_name(cfg, split),
        separator=data.PATH_LABEL_SEPARATOR,
        prefix=data.PATH_PREFIX,
        skip_rows=data.SKIP_ROWS,
        cache_dir=data.MANIFEST_CACHE,
    )
