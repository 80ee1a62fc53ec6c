"""Whether the files that a configuration names are there. For a job about to start; loading does not look."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value, nearest_file
from rhovideo.config.pyslowfast import reads_frame_lists
from rhovideo.config.registries import lists_itself

_WEIGHTS = (".pyth", ".pth", ".pt", ".pkl", ".ckpt")


def check_inputs(cfg: CfgNode, made_before: tuple[str, ...] = ()) -> list[Finding]:
    """What the job needs and cannot find.

    Args:
        cfg: a loaded configuration.
        made_before: output folders of jobs that run before this one; files in them are taken for granted.
    """
    return [*_lists(cfg), *_checkpoints(cfg, made_before), *_output(Path(cfg.OUTPUT_DIR))]


def _output(folder: Path) -> Iterator[Finding]:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        yield Finding(("OUTPUT_DIR",), f"{there} is a file, not a folder", "a folder; it is made if missing")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield Finding(("OUTPUT_DIR",), f"you may not write to {there}", "a folder of yours; it is made if missing")


def needed_splits(cfg: CfgNode) -> tuple[str, ...]:
    """Which of train.csv, val.csv and test.csv the task reads."""
    if cfg.TASK in ("test", "extract"):
        return ("test",)
    if cfg.TASK == "knn":
        return ("train", "test")
    if cfg.TASK == "pretrain":
        evaluates = cfg.CONTRASTIVE.KNN_ON and cfg.TRAIN.EVAL_PERIOD and _has_labels(cfg)
        return ("train", "val") if evaluates else ("train",)
    return ("train", *(["val"] if cfg.TRAIN.EVAL_PERIOD else []), *(["test"] if cfg.TEST.ENABLE else []))


def label_files(split: str) -> tuple[str, str]:
    """Something-Something's JSON files that label a split: the videos' templates, and the templates' numbers."""
    part = "train" if split == "train" else "validation"
    return f"something-something-v2-{part}.json", "something-something-v2-labels.json"


def list_name(cfg: CfgNode, split: str) -> str:
    """The CSV of a split; lists of frames (TRAIN.DATASET ssv2) test on val.csv, as in PySlowFast."""
    return "val.csv" if split == "test" and reads_frame_lists(cfg) else f"{split}.csv"


def has_label_files(cfg: CfgNode, split: str) -> bool:
    """Whether one of :func:`label_files` is there."""
    return any((Path(cfg.DATA.PATH_TO_DATA_DIR) / name).exists() for name in label_files(split))


def reads_label_files(cfg: CfgNode, split: str) -> bool:
    """Whether the JSON files label a list of frames; where nothing needs labels, only if they are there."""
    needless = cfg.TASK == "extract" or (cfg.TASK == "pretrain" and split == "train")
    return reads_frame_lists(cfg) and (not needless or has_label_files(cfg, split))


def _lists(cfg: CfgNode) -> Iterator[Finding]:
    if lists_itself(cfg):
        return
    key = "DATA.PATH_TO_DATA_DIR"
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR)
    how = "the folder of train.csv, val.csv and test.csv, which `rhovideo index FOLDER` makes from a folder of videos"
    if reads_frame_lists(cfg):
        how = "the folder of train.csv, val.csv and something-something-v2-{train,validation,labels}.json"
    if not cfg.DATA.PATH_TO_DATA_DIR:
        yield Finding((key,), "is empty: where are the lists of videos?", how)
    elif not folder.is_dir():
        yield Finding((key,), f"there is no folder {folder}", how)
    else:
        for split in needed_splits(cfg):
            for name in (list_name(cfg, split), *(label_files(split) if reads_label_files(cfg, split) else ())):
                if not (folder / name).is_file():
                    wrong = f"{folder} holds no {name}, which TASK {cfg.TASK} reads"
                    yield Finding((key,), wrong, _without(cfg, split, name))


def _without(cfg: CfgNode, split: str, name: str) -> str:
    """How to do without a list, or to make it."""
    make = "the list with a path and a label a line"
    if split == "train":
        folder = shlex.quote(cfg.DATA.PATH_TO_DATA_DIR)
        make = f"the folder of the lists; of videos `rhovideo index {folder} --out data/mine` makes them, in data/mine"
    if reads_frame_lists(cfg):
        make = f"a folder with {name}, as PySlowFast's DATASET.md describes it"
    if split == "val":
        return f"{make}, or TRAIN.EVAL_PERIOD 0 to evaluate nothing on the way"
    return f"{make}, or TEST.ENABLE False" if split == "test" and cfg.TASK in ("linear", "finetune") else make


def _has_labels(cfg: CfgNode) -> bool:
    """Whether the first line of train.csv ends with a number, or frames have their JSON files.

    A registered data set counts as labelled, CONTRASTIVE.KNN_ON False says that it is not.
    """
    if reads_frame_lists(cfg):
        return has_label_files(cfg, "train")
    if lists_itself(cfg):
        return True
    try:
        with (Path(cfg.DATA.PATH_TO_DATA_DIR) / "train.csv").open(encoding="utf-8", errors="replace") as lines:
            for _ in range(cfg.DATA.SKIP_ROWS):
                next(lines, None)
            first = next((line.strip() for line in lines if line.strip()), "")
    except OSError:
        return False
    return first.rpartition(cfg.DATA.PATH_LABEL_SEPARATOR)[2].strip().isdigit()


def _checkpoints(cfg: CfgNode, made_before: tuple[str, ...]) -> Iterator[Finding]:
    for key in ("TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"):
        value = get_value(cfg, key)
        path = Path(value)
        made = any(Path(folder).resolve() in path.resolve().parents for folder in made_before)
        if value and "://" not in value and path.suffix in _WEIGHTS and not path.is_file() and not made:
            remedy = nearest_file(path, ".pyth") or "the path of a checkpoint, such as OUTPUT_DIR/checkpoints/*.pyth"
            yield Finding((key,), f"there is no file {value}", remedy)
