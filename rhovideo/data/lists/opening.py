"""Opening the list of a split, as a configuration names it. Without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.list_names import label_files, list_name, reads_label_files
from rhovideo.config.pyslowfast.translation import reads_charades, reads_templates
from rhovideo.data.lists.frame_lists import FrameListManifest
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.multi_label.charades_frames import CharadesManifest
from rhovideo.data.lists.multi_label.video_lists import LabelSetManifest


def open_list(cfg: CfgNode, split: str) -> Manifest:
    """Open the list of a split, of any of the data sets that come with the package."""
    if reads_templates(cfg):
        return open_frame_list(cfg, split)
    return open_charades_list(cfg, split) if reads_charades(cfg) else open_video_list(cfg, split)


def open_frame_list(cfg: CfgNode, split: str) -> FrameListManifest:
    """Open the list of frames of a split (TRAIN.DATASET ssv2)."""
    data = cfg.DATA
    csv = Path(data.PATH_TO_DATA_DIR) / list_name(cfg, split)
    names = label_files(split) if reads_label_files(cfg, split) else ()
    labels = (csv.with_name(names[0]), csv.with_name(names[1])) if names else None
    return FrameListManifest.open(csv, labels=labels, prefix=data.PATH_PREFIX, cache_dir=data.MANIFEST_CACHE)


def open_charades_list(cfg: CfgNode, split: str) -> CharadesManifest:
    """Open the list of frames with labels of a split (TRAIN.DATASET charades, ptvcharades)."""
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split)
    return CharadesManifest.open(csv, prefix=cfg.DATA.PATH_PREFIX, cache_dir=cfg.DATA.MANIFEST_CACHE)


def open_video_list(cfg: CfgNode, split: str) -> Manifest:
    """Open the CSV of a split, of video files (TRAIN.DATASET kinetics), with one label each or DATA.MULTI_LABEL."""
    if cfg.DATA.MULTI_LABEL:
        return open_label_sets(cfg, split)
    return Manifest.open(Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split), **_how(cfg))


def open_label_sets(cfg: CfgNode, split: str) -> LabelSetManifest:
    """Open the CSV of a split, of video files with several labels each (TRAIN.DATASET kinetics, DATA.MULTI_LABEL)."""
    return LabelSetManifest.open(Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split), **_how(cfg))


def _how(cfg: CfgNode) -> dict[str, Any]:
    data = cfg.DATA
    return {
        "separator": data.PATH_LABEL_SEPARATOR,
        "prefix": data.PATH_PREFIX,
        "skip_rows": data.SKIP_ROWS,
        "cache_dir": data.MANIFEST_CACHE,
    }
