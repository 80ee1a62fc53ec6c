"""The settings that a folder of lists needs: its reader, and what a protocol does with it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rhovideo.config.extension.registries import BOXES
from rhovideo.config.task_defaults import CLASSIFIES, DETECTS
from rhovideo.protocols.box_folder import places_of_boxes
from rhovideo.protocols.known_datasets import has_label_sets, reader
from rhovideo.protocols.recipes import TASK_OF, Settings, for_several_labels


def list_settings(folder: Path, protocol: str = "", given: Collection[object] = ()) -> Settings:
    """The settings for the lists of a folder.

    Args:
        folder: of the lists, absolute.
        protocol: that measures on them; empty: a pre-training, which knows no labels.
        given: keys that the person has written.

    Raises:
        ConfigError: the videos that a detector reads are in several folders.
    """
    task = TASK_OF[protocol] if protocol else ""
    settings: Settings = {"DATA.PATH_TO_DATA_DIR": str(folder)}
    if task in DETECTS:
        return settings | ({"TRAIN.DATASET": BOXES} if "AVA.VIDEO_DIR" in given else places_of_boxes(folder))
    settings["TRAIN.DATASET"] = reader(folder)
    if protocol and has_label_sets(folder):
        settings |= for_several_labels(protocol)
    if task in CLASSIFIES and folder.is_dir() and not (folder / "val.csv").is_file():
        settings["TRAIN.EVAL_PERIOD"] = 0
    return settings
