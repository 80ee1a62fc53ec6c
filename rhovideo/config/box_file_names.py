"""Paths of the files that TASK detection reads, as the AVA section names them."""

from __future__ import annotations

from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.list_names import needed_splits

# What an evaluation measures against: the last part of a key, and the file's part in the run.
_TRUTH = {"GROUNDTRUTH_FILE": "true boxes", "LABEL_MAP_FILE": "label map", "EXCLUSION_FILE": "exclusions"}


def box_files(cfg: CfgNode, split: str) -> list[tuple[Path, float | None]]:
    """The files of a split's boxes, each with the least score that its boxes need; None for true boxes."""
    threshold = float(cfg.AVA.DETECTION_SCORE_THRESH)
    if split != "train":
        return [(annotation_file(cfg, name), threshold) for name in cfg.AVA.TEST_PREDICT_BOX_LISTS]
    true = [(annotation_file(cfg, name), None) for name in cfg.AVA.TRAIN_GT_BOX_LISTS]
    return [*true, *((annotation_file(cfg, name), threshold) for name in cfg.AVA.TRAIN_PREDICT_BOX_LISTS)]


def frame_list_files(cfg: CfgNode, split: str) -> list[Path]:
    """The frame lists of a split; none where the videos are files."""
    if cfg.AVA.VIDEO_DIR:
        return []
    folder = Path(cfg.AVA.FRAME_LIST_DIR or cfg.DATA.PATH_TO_DATA_DIR)
    return [folder / name for name in (cfg.AVA.TRAIN_LISTS if split == "train" else cfg.AVA.TEST_LISTS)]


def annotation_file(cfg: CfgNode, name: str) -> Path:
    """The path of a file of boxes, of the label map or the like."""
    return Path(cfg.AVA.ANNOTATION_DIR or cfg.DATA.PATH_TO_DATA_DIR) / name


def truth_files(cfg: CfgNode) -> dict[str, Path]:
    """What an evaluation measures against, by the last part of its key; an empty EXCLUSION_FILE is left out."""
    return {name: annotation_file(cfg, cfg.AVA[name]) for name in _TRUTH if cfg.AVA[name]}


def all_box_files(cfg: CfgNode) -> dict[Path, tuple[str, str]]:
    """Every file that the job reads, once: its key, and its part in the run such as "train boxes"."""
    found: dict[Path, tuple[str, str]] = {}
    splits = needed_splits(cfg)
    for split in splits:
        key = "AVA.FRAME_LIST_DIR"
        for number, path in enumerate(frame_list_files(cfg, split)):
            found.setdefault(path, (key, f"{split} frames{_numbered(number)}"))
        for number, (path, _) in enumerate(box_files(cfg, split)):
            found.setdefault(path, ("AVA.ANNOTATION_DIR", f"{split} boxes{_numbered(number)}"))
    if splits != ("train",):
        for name, path in truth_files(cfg).items():
            found.setdefault(path, (f"AVA.{name}", _TRUTH[name]))
    return found


def _numbered(number: int) -> str:
    return f" {number + 1}" if number else ""
