"""A folder of AVA's lists and boxes, for protocol ava: where its videos are, and what it holds."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import truth_files
from rhovideo.config.extension.registries import BOXES
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.protocols.known_datasets import Videos
from rhovideo.protocols.recipes import Settings
from rhovideo.zoo.figures import AVA

# As TASK detection writes it: class, name, true_boxes, ap, ap_file_order.
_CLASSES_FILE = "per_class_ap.csv"


def places_of_boxes(folder: Path) -> Settings:
    """The settings for the files of a folder: its reader, and AVA.VIDEO_DIR where train.csv lists video files.

    Args:
        folder: as ``rhovideo index --ava`` writes it.

    Raises:
        ConfigError: the listed videos are in several folders.
    """
    places: Settings = {"TRAIN.DATASET": BOXES}
    listed = [folder / name for name in ("train.csv", "val.csv")]
    folders = {place for file in listed for place in _folders_of_videos(file)}
    if len(folders) > 1:
        some = ", ".join(sorted(folders)[:3])
        wrong = f"its lists name videos in {len(folders)} folders ({some}), and a detector reads them from one"
        remedy = "a folder with a link to each video, and AVA.VIDEO_DIR with this folder"
        raise ConfigError(Problem("", Origin("--data"), f"{folder}: {wrong}", remedy))
    return places | ({"AVA.VIDEO_DIR": folders.pop()} if folders else {})


def _folders_of_videos(listed: Path) -> set[str]:
    """The folders of the videos of a list; none where it lists frames, or is not there."""
    from rhovideo.data.lists.frame_lists import FIRST_WORD
    from rhovideo.data.lists.manifest import Manifest

    if not listed.is_file():  # a pipe would be waited for
        return set()
    try:
        with listed.open(encoding="utf-8-sig", errors="replace") as lines:
            if next(lines, "").startswith(FIRST_WORD):
                return set()
    except OSError:
        return set()
    videos = Manifest.open(listed)
    return {os.path.dirname(videos.path(index)) for index in range(len(videos))}


def look_at_boxes(cfg: CfgNode) -> Videos:
    """The classes of a folder's label map and true boxes. Key frames are counted by the job.

    Args:
        cfg: a configuration whose files are there.

    Raises:
        ManifestError: a file cannot be used.
    """
    from rhovideo.data.lists.boxes.key_frames import open_key_frames
    from rhovideo.data.lists.boxes.label_maps import read_label_map

    numbers = read_label_map(truth_files(cfg)["LABEL_MAP_FILE"])
    classes = max(max(numbers), open_key_frames(cfg, "train").num_classes)
    return Videos(classes, {}, AVA.dataset if classes == AVA.classes else "")


def class_precisions(run: Path) -> list[Mapping[str, Any]]:
    """The average precision of each class that a detector was tested on; empty where there is no such file.

    Each has ``class``, ``name``, ``true_boxes``, and in percent ``ap`` and ``ap_file_order``, None without a true box.
    """
    path = run / _CLASSES_FILE
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {"class": int(row["class"]), "name": row["name"], "true_boxes": int(row["true_boxes"])}
            | {key: float(row[key]) if row[key] else None for key in ("ap", "ap_file_order")}
            for row in csv.DictReader(file)
        ]
