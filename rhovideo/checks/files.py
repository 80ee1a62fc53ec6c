"""Checks that the files and folders of a configuration are there. Without torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.checks.box_file_presence import missing_box_files
from rhovideo.config.extension.registries import lists_itself, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value, nearest_file
from rhovideo.config.list_names import label_files, list_name, needed_splits, reads_label_files
from rhovideo.config.pyslowfast.translation import reads_frame_lists, reads_templates

# Of Linux. A run's files have longer paths than its folder, so some bytes are left for them.
_LONGEST_NAME, _LONGEST_PATH = 255, 3900
_WEIGHTS = (".pyth", ".pth", ".pt", ".pkl", ".ckpt")


def check_files(cfg: CfgNode, made_before: tuple[str, ...] = ()) -> list[Finding]:
    """Find what the job needs and what is not there: its lists, its checkpoint, a run folder that can be made.

    Args:
        cfg: a loaded configuration.
        made_before: output folders of jobs that run before this one; the files in them need not be there yet.
    """
    # Of a name that no folder can have, check_folder_name tells.
    output = [] if check_folder_name(cfg.OUTPUT_DIR) else check_output_folder(Path(cfg.OUTPUT_DIR))
    return [*check_list_files(cfg), *_checkpoints(cfg, made_before), *output]


def check_folder_name(name: str) -> str:
    """The reason why no folder can have a name; empty if one can."""
    shown = repr(name)[:60]
    if "\0" in name:
        return f"{shown} has a NUL byte in it, which no name of a folder may have"
    longest = max((len(os.fsencode(part)) for part in Path(name).parts), default=0)
    if longest > _LONGEST_NAME or len(os.fsencode(os.path.abspath(name))) > _LONGEST_PATH:
        return f"{shown} ... is longer than a name may be, {_LONGEST_NAME} bytes and {_LONGEST_PATH} with all folders"
    return ""


def check_list_files(cfg: CfgNode) -> Iterator[Finding]:
    """Find the lists and label files that the task reads and that are not there."""
    if reads_boxes(cfg):
        yield from missing_box_files(cfg)
    if lists_itself(cfg):
        return
    key = "DATA.PATH_TO_DATA_DIR"
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR)
    how = "the folder of train.csv, val.csv and test.csv, which `rhovideo index FOLDER` makes from a folder of videos"
    if reads_templates(cfg):
        how = "the folder of train.csv, val.csv and something-something-v2-{train,validation,labels}.json"
    elif reads_frame_lists(cfg):
        how = "the folder of Charades' train.csv and val.csv, lists of frames with labels"
    if not cfg.DATA.PATH_TO_DATA_DIR:
        yield Finding((key,), "is empty: where are the lists of videos?", how)
    elif not folder.is_dir():
        yield Finding((key,), f"there is no folder {folder}", how)
    else:
        for split in needed_splits(cfg):
            for name in (list_name(cfg, split), *(label_files(split) if reads_label_files(cfg, split) else ())):
                if not (folder / name).is_file():
                    wrong = f"{folder} holds no {name}, which TASK {cfg.TASK} reads"
                    yield Finding((key,), wrong, _how_to_get(cfg, split, name))


def _how_to_get(cfg: CfgNode, split: str, name: str) -> str:
    """The remedy for a missing list: how to make it, or how to do without it."""
    make = "the list with a path and a label a line"
    if split == "train":
        folder = shlex.quote(cfg.DATA.PATH_TO_DATA_DIR)
        make = f"the folder of the lists; `rhovideo index {folder} --out data/mine` makes them from a folder of videos"
    if reads_frame_lists(cfg):
        make = f"a folder with {name}, as PySlowFast's DATASET.md describes it"
    if split == "val":
        return f"{make}, or TRAIN.EVAL_PERIOD 0 to evaluate nothing during training"
    return f"{make}, or TEST.ENABLE False" if split == "test" and cfg.TASK in ("linear", "finetune") else make


def _checkpoints(cfg: CfgNode, made_before: tuple[str, ...]) -> Iterator[Finding]:
    for key in ("TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"):
        value = get_value(cfg, key)
        path = Path(value)
        made = any(Path(folder).resolve() in path.resolve().parents for folder in made_before)
        if value and "://" not in value and path.suffix in _WEIGHTS and not path.is_file() and not made:
            remedy = "the path of a checkpoint, such as OUTPUT_DIR/checkpoints/*.pyth"
            if path.exists():
                yield Finding((key,), f"{value} is {'a folder' if path.is_dir() else 'a pipe or device'}", remedy)
            else:
                yield Finding((key,), f"there is no file {value}", nearest_file(path, ".pyth") or remedy)


def check_output_folder(folder: Path) -> Iterator[Finding]:
    """Find out whether a run folder, or a study's, can be made, without making it."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        yield Finding(("OUTPUT_DIR",), f"{existing} is a file, not a folder", "a folder; it is made if missing")
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(("OUTPUT_DIR",), f"you may not write to {existing}", "a folder of yours; it is made if missing")
