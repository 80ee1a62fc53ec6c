"""Names of the lists that a task reads, in DATA.PATH_TO_DATA_DIR."""

from __future__ import annotations

import re
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.pyslowfast.translation import reads_frame_lists, reads_templates

# The names of the classes, by label, next to the lists; a run keeps a copy in its folder.
CLASS_NAMES_FILE = "classes.txt"
_SPLIT = re.compile(r"split[1-9]\d*")
# The beginning of the line of a mixture's part in a list of videos (rhovideo.data.lists.mixtures).
MIXTURE_MARK = b"#mixture {"


def is_split(name: str) -> bool:
    """True for the name of the folder of one of a data set's official splits: split1, split2, ..."""
    return _SPLIT.fullmatch(name) is not None


def of_one_data_set(one: CfgNode, other: CfgNode) -> bool:
    """True if two jobs read the same folder of lists, or two splits of one data set."""
    first, second = (Path(cfg.DATA.PATH_TO_DATA_DIR).absolute() for cfg in (one, other))
    splits = is_split(first.name) and is_split(second.name) and first.parent == second.parent
    return first == second or splits


def needed_splits(cfg: CfgNode) -> tuple[str, ...]:
    """The splits that the task reads: some of train, val and test."""
    if cfg.TASK in ("test", "extract", "detection_test"):
        return ("test",)
    if cfg.TASK in ("knn", "logistic"):
        return ("train", "test")
    if cfg.TASK == "pretrain":
        evaluates = cfg.CONTRASTIVE.KNN_ON and cfg.TRAIN.EVAL_PERIOD and _has_labels(cfg)
        return ("train", "val") if evaluates else ("train",)
    return ("train", *(["val"] if cfg.TRAIN.EVAL_PERIOD else []), *(["test"] if cfg.TEST.ENABLE else []))


def list_name(cfg: CfgNode, split: str) -> str:
    """The CSV of a split; lists of frames test on val.csv, as in PySlowFast.

    Its ptvcharades tests on test.csv; where there is none, on val.csv too.
    """
    name = f"{split}.csv"
    if split != "test" or not reads_frame_lists(cfg):
        return name
    own = cfg.TRAIN.DATASET.lower() == "ptvcharades" and (Path(cfg.DATA.PATH_TO_DATA_DIR) / name).is_file()
    return name if own else "val.csv"


def label_files(split: str) -> tuple[str, str]:
    """Something-Something's JSON files that label a split: the videos' templates, and the templates' numbers."""
    part = "train" if split == "train" else "validation"
    return f"something-something-v2-{part}.json", "something-something-v2-labels.json"


def has_label_files(cfg: CfgNode, split: str) -> bool:
    """True if one of :func:`label_files` exists."""
    return any((Path(cfg.DATA.PATH_TO_DATA_DIR) / name).exists() for name in label_files(split))


def reads_label_files(cfg: CfgNode, split: str) -> bool:
    """True if JSON files label the videos; a task that needs no labels reads them only if they exist."""
    without_need = cfg.TASK == "extract" or (cfg.TASK == "pretrain" and split == "train")
    return reads_templates(cfg) and (not without_need or has_label_files(cfg, split))


def reads_plain_list(cfg: CfgNode) -> bool:
    """True if a list is a path and at most one label a line, which can be read through in seconds."""
    return not (reads_frame_lists(cfg) or lists_itself(cfg) or cfg.DATA.MULTI_LABEL)


def _has_labels(cfg: CfgNode) -> bool:
    """True if the first line of train.csv has a label; for a list of frames, if its JSON files exist.

    A registered data set has labels, unless CONTRASTIVE.KNN_ON False says that they are not needed. Several labels a
    video are none for neighbours that vote.
    """
    if cfg.DATA.MULTI_LABEL:
        return False
    if reads_templates(cfg):
        return has_label_files(cfg, "train")
    if lists_itself(cfg):
        return True
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / "train.csv"
    if not csv.is_file():  # a pipe would be waited for
        return False
    try:
        with csv.open(encoding="utf-8", errors="replace") as lines:
            for _ in range(cfg.DATA.SKIP_ROWS):
                next(lines, None)
            rows = (line.strip() for line in lines)
            first = next((row for row in rows if row and not row.startswith(MIXTURE_MARK.decode())), "")
    except OSError:
        return False
    return first.rpartition(cfg.DATA.PATH_LABEL_SEPARATOR)[2].strip().isdigit()
