"""Whether the files of TASK detection are there. Without torch and NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import all_box_files
from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value

_DATA = "DATA.PATH_TO_DATA_DIR"
_FRAMES, _BOXES = "AVA.FRAME_LIST_DIR", "AVA.ANNOTATION_DIR"
_HOLDS = {_FRAMES: "the frame lists; or AVA.VIDEO_DIR, the folder of the videos themselves", _BOXES: "the boxes"}


def missing_box_files(cfg: CfgNode) -> Iterator[Finding]:
    """Find the files that TASK detection reads and that are not there; of a folder that is not there one finding."""
    told: set[str] = set()
    for path, (key, role) in all_box_files(cfg).items():
        folder_key = key if key in _HOLDS else _BOXES
        if folder_key in told:
            continue
        finding = _folder(cfg, folder_key, path)
        if finding is not None:
            told.add(folder_key)
            yield finding
        elif not path.is_file():
            yield Finding((key, _DATA), f"there is no file {path}, which holds the {role}", _remedy(key))
    if cfg.AVA.VIDEO_DIR and not os.path.isdir(cfg.AVA.VIDEO_DIR):
        wrong = f"there is no folder {cfg.AVA.VIDEO_DIR}"
        yield Finding(("AVA.VIDEO_DIR",), wrong, "the folder of the videos, each named by its id")


def _folder(cfg: CfgNode, key: str, path: Path) -> Finding | None:
    """A finding if the folder of a file is not named, or not there."""
    written = str(get_value(cfg, key) or cfg.DATA.PATH_TO_DATA_DIR)
    if not written:
        return Finding((key, _DATA), f"is empty, and so is {_DATA}", f"the folder of {_HOLDS[key]}")
    if Path(written).is_dir() or path.is_file():
        return None
    first = key if get_value(cfg, key) else _DATA
    return Finding((first, key), f"there is no folder {written}", f"the folder of {_HOLDS[key]}")


def _remedy(key: str) -> str:
    """What to write for a file that is not in its folder."""
    if key == _FRAMES:
        return "the folder where it is, or AVA.VIDEO_DIR, the folder of the videos themselves"
    if key == _BOXES:
        return "the folder where it is"
    less = ', or "" where no second is left out' if key == "AVA.EXCLUSION_FILE" else ""
    return f"the name of the file in {_BOXES}{less}"
