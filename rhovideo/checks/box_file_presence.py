"""Whether the files of TASK detection are there. Without torch and NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import all_box_files
from rhovideo.config.findings import Finding


def missing_box_files(cfg: CfgNode) -> Iterator[Finding]:
    """Find the files that TASK detection reads and that are not there."""
    for path, (key, role) in all_box_files(cfg).items():
        if not path.is_file():
            wrong = f"there is no file {path}, which holds the {role}"
            remedy = "the folder where it is" if key.endswith("_DIR") else "the name of the file in AVA.ANNOTATION_DIR"
            if key == "AVA.EXCLUSION_FILE":
                remedy += ', or "" where no second is left out'
            if key == "AVA.FRAME_LIST_DIR":
                remedy += ", or AVA.VIDEO_DIR, the folder of the videos themselves"
            yield Finding((key, "DATA.PATH_TO_DATA_DIR"), wrong, remedy)
    if cfg.AVA.VIDEO_DIR and not os.path.isdir(cfg.AVA.VIDEO_DIR):
        wrong = f"there is no folder {cfg.AVA.VIDEO_DIR}"
        yield Finding(("AVA.VIDEO_DIR",), wrong, "the folder of the videos, each named by its id")
