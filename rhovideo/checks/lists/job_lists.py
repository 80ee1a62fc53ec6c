"""The lists of videos that a job reads: labels, number of videos, and whether the files are there. Without torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.checks.fitting import smaller_step
from rhovideo.checks.lists.box_lists import check_box_lists
from rhovideo.checks.lists.class_agreement import names_of_lists, warn_of_names
from rhovideo.checks.lists.footage_warnings import warn_of_footage
from rhovideo.checks.lists.label_numbers import check_first_label
from rhovideo.checks.lists.list_contents import ListContents, read_contents
from rhovideo.checks.lists.list_warnings import warn_of_settings
from rhovideo.checks.lists.mixture_shares import check_mixture
from rhovideo.checks.lists.shared_videos import find_shared_in_files
from rhovideo.checks.lists.training_list import check_training_list
from rhovideo.config.extension.registries import lists_itself, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import needed_splits, reads_plain_list
from rhovideo.config.pyslowfast.translation import reads_templates
from rhovideo.config.task_defaults import CLASSIFIES, DETECTS, TRAINS
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.manifest import root_of
from rhovideo.runs.first_launch import as_resumed

# Where more of the files are missing, the folder is wrong, not the videos. Training can do without a few of them.
_MISSING_SHARE = 0.5


class ListCheck:
    """Checks the lists of jobs one after the other; what several of them share is looked for once."""

    def __init__(self) -> None:
        self._missing: dict[tuple[object, ...], list[tuple[int, str]]] = {}

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """Find what is wrong with the lists that a job reads, with their labels, or with a batch that they do not fill.

        Args:
            cfg: a loaded configuration whose files are there (:func:`rhovideo.checks.files.check_files`).

        Returns:
            Errors and warnings. Where one MODEL.NUM_CLASSES is right for several lists, they are one finding.
        """
        cfg = as_resumed(cfg)
        if reads_boxes(cfg):
            return [*check_box_lists(cfg), *(check_training_list(cfg) if cfg.TASK in TRAINS else ())]
        found: dict[tuple[object, ...], Finding] = {}
        for finding in self._first_label(cfg):
            if finding.severity == "error":
                # The list of each split would be said to have a label too many.
                return [finding]
            found[_identity(finding)] = finding
        # The job opens a registered data set before its first step.
        for split in () if lists_itself(cfg) else needed_splits(cfg):
            for finding in self._check(cfg, split):
                found.setdefault(_identity(finding), finding)
        if not lists_itself(cfg) and not any(finding.severity == "error" for finding in found.values()):
            for finding in find_shared_in_files(cfg).findings if reads_plain_list(cfg) else ():
                found.setdefault(_identity(finding), finding)
        return list(found.values())

    def _first_label(self, cfg: CfgNode) -> Iterator[Finding]:
        if lists_itself(cfg) or reads_templates(cfg) or cfg.TASK == "extract":
            return
        lists = {}
        for split in needed_splits(cfg):
            # What is wrong with a list is found again where each is checked.
            with contextlib.suppress(ManifestError, OSError):
                lists[split] = read_contents(cfg, split)
        yield from check_first_label(cfg, lists, names_of_lists(cfg))

    def _check(self, cfg: CfgNode, split: str) -> Iterator[Finding]:
        try:
            contents = read_contents(cfg, split)
        except ManifestError as error:
            yield Finding(error.keys or ("DATA.PATH_TO_DATA_DIR",), str(error))
            return
        except OSError as error:
            yield Finding(("DATA.PATH_TO_DATA_DIR",), str(error))
            return
        if contents.videos == 0:
            remedy = "`path label` or `path` on each line"
            yield Finding(("DATA.PATH_TO_DATA_DIR",), f"{contents.csv} lists no video", remedy)
            return
        if wrong_labels := list(check_labels(cfg, split, contents.csv, contents.classes)):
            yield from wrong_labels
            return
        yield from check_mixture(cfg, split, contents.csv, contents.mixture)
        if cfg.TASK != "extract":
            yield from warn_of_names(cfg, contents.csv, contents.classes, contents.smallest)
        yield from _check_videos(cfg, split, contents, self._look_for_files(cfg, contents))
        yield from warn_of_footage(cfg, split, contents)
        if cfg.TASK in TRAINS and split == "train":
            yield from _check_step(cfg, contents)
            yield from warn_of_settings(cfg, contents.csv, contents.videos, contents.classes)
            yield from check_training_list(cfg)

    def _look_for_files(self, cfg: CfgNode, contents: ListContents) -> list[tuple[int, str]]:
        """Lines and whole paths of the files that are not there."""
        root = root_of(contents.csv, cfg.DATA.PATH_PREFIX)
        if (root, contents.paths) not in self._missing:
            paths = [(line, os.path.join(root, name)) for line, name in contents.paths]
            self._missing[root, contents.paths] = [(line, path) for line, path in paths if not os.path.exists(path)]
        return self._missing[root, contents.paths]


def _identity(finding: Finding) -> tuple[object, ...]:
    """Equal for findings that are to be shown once."""
    what = finding.write if finding.keys[0] == "MODEL.NUM_CLASSES" else finding.wrong
    return finding.severity, finding.keys, what


def check_labels(cfg: CfgNode, split: str, csv: str | Path, num_classes: int) -> Iterator[Finding]:
    """Find labels that are missing, or too large for MODEL.NUM_CLASSES.

    Args:
        cfg: of the job.
        split: whose list it is.
        csv: the list, for the message.
        num_classes: the largest label plus one; 0 if the list has none.
    """
    if (cfg.TASK == "pretrain" and split == "train") or cfg.TASK in ("extract", *DETECTS):
        return
    if not num_classes:
        wrong = f"{csv} has no labels, which TASK {cfg.TASK} needs"
        remedy = "class numbers in quotes" if cfg.DATA.MULTI_LABEL else "a class number"
        remedy += " at the end of each line"
        if split == "val":
            remedy += ", or TRAIN.EVAL_PERIOD 0 to do without this list"
            yield Finding(("TRAIN.EVAL_PERIOD", "DATA.PATH_TO_DATA_DIR"), wrong, remedy)
        else:
            yield Finding(("DATA.PATH_TO_DATA_DIR", "TASK"), wrong, remedy)
    elif cfg.TASK in CLASSIFIES and num_classes > cfg.MODEL.NUM_CLASSES:
        wrong = f"{csv} has the label {num_classes - 1}, but MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}"
        keys = ("MODEL.NUM_CLASSES", "DATA.PATH_TO_DATA_DIR")
        yield Finding(keys, wrong, f"MODEL.NUM_CLASSES {num_classes}, or correct the list")


def _check_step(cfg: CfgNode, contents: ListContents) -> Iterator[Finding]:
    """Find out whether the list fills a step of training."""
    step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
    if contents.videos is not None and contents.videos < step:
        count = "1 video" if contents.videos == 1 else f"{contents.videos} videos"
        wrong = f"{contents.csv} lists {count}, fewer than the {step} of one step"
        yield Finding(("TRAIN.BATCH_SIZE", "NUM_SHARDS"), wrong, smaller_step(cfg, contents.videos, "videos"))


def _check_videos(
    cfg: CfgNode, split: str, contents: ListContents, missing: list[tuple[int, str]]
) -> Iterator[Finding]:
    """Judge the files that are not there: an error where they are most of those looked for, a warning where a few."""
    if not missing:
        return
    count = len(contents.paths)
    if len(missing) <= max(_MISSING_SHARE, cfg.DATA.MAX_BAD_VIDEO_SHARE) * count:
        yield _few_missing(cfg, split, contents, missing)
        return
    line, path = missing[0]
    others = f", nor are {len(missing) - 1} of the {count - 1} others looked for" if len(missing) > 1 else ""
    wrong = f"{contents.csv}, line {line}: {path} is not there{others}"
    if "\\" in dict(contents.paths)[line]:
        yield Finding(("DATA.PATH_TO_DATA_DIR",), wrong, "/ instead of \\ in the list: folders are divided by / here")
    elif os.path.isabs(dict(contents.paths)[line]):
        remedy = "the folder of a list whose paths are right here; `rhovideo index FOLDER` makes one"
        yield Finding(("DATA.PATH_TO_DATA_DIR",), wrong, remedy)
    else:
        remedy = "the folder that the list's paths start from (empty: the list's own)"
        yield Finding(("DATA.PATH_PREFIX", "DATA.PATH_TO_DATA_DIR"), wrong, remedy)


def _few_missing(cfg: CfgNode, split: str, contents: ListContents, missing: list[tuple[int, str]]) -> Finding:
    line, path = missing[0]
    count = f"{len(missing)} of the {len(contents.paths)} videos looked for"
    which = f"{count} is not there: " if len(missing) == 1 else f"{count} are not there: the first is "
    if cfg.TASK in TRAINS and split == "train":
        instead = "training replaces such a video by another one"
    elif cfg.TASK == "extract":
        instead = "such a video gets a row of zeros"
    else:
        instead = "such a video is left out of the numbers"
    wrong = f"{contents.csv}: {which}{path} (line {line}); {instead}"
    return Finding(("DATA.PATH_TO_DATA_DIR", "DATA.PATH_PREFIX"), wrong, severity="warning")
