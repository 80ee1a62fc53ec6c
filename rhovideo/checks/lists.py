"""What would end a job because of its lists, told from their first rows: before it waits for torch or in a queue."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.input_files import label_files, list_name, needed_splits, reads_label_files
from rhovideo.config.keys import leaves
from rhovideo.config.pyslowfast import reads_frame_lists
from rhovideo.config.registries import lists_itself
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS
from rhovideo.data.lists.csv_parsing import ManifestError, Rows, read_rows
from rhovideo.data.lists.frame_lists import ListedVideo, read_frame_list
from rhovideo.data.lists.manifest import root_of
from rhovideo.data.lists.template_labels import read_labels
from rhovideo.runs.first_launch import as_resumed

# Bytes of a list that are parsed: some hundred rows.
_FIRST_BYTES = 2**16
_FILES = 16
# Where more of them are missing, the folder is wrong, not the videos. A few bad ones are what training can bear.
_MISSING_SHARE = 0.5
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)+")


class FirstRows:
    """Looks into the lists of jobs one after the other; a list that several of them share is read once.

    Attributes:
        doubts: a sentence for each list of which a few files are missing, which ends no job.
    """

    def __init__(self) -> None:
        self.doubts: list[str] = []
        self._found: dict[tuple, list[Finding]] = {}

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """What is wrong with the lists that the job reads, with their labels, and with a batch that they do not fill.

        Args:
            cfg: loaded, with its files checked by :func:`rhovideo.config.input_files.check_inputs`.
        """
        findings: dict[tuple, Finding] = {}
        # The job opens a registered data set before its first step.
        for split in () if lists_itself(cfg) else needed_splits(cfg):
            key = _list_key(cfg, split)
            if key not in self._found:
                self._found[key] = list(_try_list(cfg, split, self._doubt))
            for finding in self._found[key]:
                # One word mends the number of classes for all lists; what is wrong with a list itself is told of each.
                same = finding.wrong.partition(" has ")[2] if finding.keys[0] == "MODEL.NUM_CLASSES" else finding.wrong
                findings.setdefault((finding.keys, same), finding)
        return list(findings.values())

    def _doubt(self, sentence: str) -> None:
        if sentence not in self.doubts:
            self.doubts.append(sentence)


def check_labels(cfg: CfgNode, split: str, csv: str | Path, num_classes: int) -> None:
    """Check the labels of a list.

    Args:
        cfg: of the job.
        split: whose list it is.
        csv: the list, for the message.
        num_classes: the largest label plus one; 0 if the list has none.

    Raises:
        ManifestError: the task needs labels and there are none, or MODEL.NUM_CLASSES is too small for them.
    """
    if (cfg.TASK == "pretrain" and split == "train") or cfg.TASK == "extract":
        return
    if not num_classes:
        without = ", or TRAIN.EVAL_PERIOD 0 to go without it" if split == "val" else ""
        raise ManifestError(
            f"{csv} has no labels, which TASK {cfg.TASK} needs: write a class number at the end of each line{without}"
        )
    if cfg.TASK in CLASSIFIES and num_classes > cfg.MODEL.NUM_CLASSES:
        raise ManifestError(
            f"{csv} has the label {num_classes - 1}, but MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}: "
            f"write MODEL.NUM_CLASSES {num_classes}, or mend the list"
        )


def key_in(cfg: CfgNode, text: str, otherwise: str) -> str:
    """The first key that a message names."""
    known = {key for key, _ in leaves(cfg)}
    return next((word for word in _KEY.findall(text) if word in known), otherwise)


def _list_key(cfg: CfgNode, split: str) -> tuple:
    """All that :func:`_try_list` looks at."""
    data = cfg.DATA
    reading = (data.PATH_TO_DATA_DIR, data.PATH_LABEL_SEPARATOR, data.SKIP_ROWS)
    return (
        split,
        cfg.TASK,
        cfg.TRAIN.DATASET,
        cfg.MODEL.NUM_CLASSES,
        *reading,
        data.PATH_PREFIX,
        data.MAX_BAD_VIDEO_SHARE,
        _step_videos(cfg, split),
    )


def _try_list(cfg: CfgNode, split: str, doubt: Callable[[str], None]) -> Iterator[Finding]:
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split)
    try:
        if reads_frame_lists(cfg):
            paths, count = _frames(cfg, split, csv)
        else:
            paths, count = _videos(cfg, split, csv)
    except (ManifestError, OSError) as error:
        yield Finding((key_in(cfg, str(error), "DATA.PATH_TO_DATA_DIR"),), str(error))
        return
    yield from _look_for_files(cfg, csv, paths, _without(cfg, split), doubt)
    step = _step_videos(cfg, split)
    if count is not None and count < step:
        wrong = f"{csv} lists {count} videos, fewer than the {step} of one step"
        yield Finding(("TRAIN.BATCH_SIZE", "NUM_SHARDS"), wrong, _smaller_step(cfg, count))


def _smaller_step(cfg: CfgNode, count: int) -> str:
    """What to write so that a step has no more than ``count`` videos."""
    # Where all GPUs of a machine are wanted (-1), their number is known there only.
    processes = cfg.NUM_GPUS if cfg.NUM_GPUS else cfg.NUM_CPU_PROCESSES
    shared_by = max(processes, 1) * cfg.TRAIN.ACCUMULATE_STEPS
    share = count // cfg.NUM_SHARDS // shared_by * shared_by
    if share:
        return f"{share} or less"
    return f"a list of {shared_by * cfg.NUM_SHARDS} videos or more, or ask for fewer machines or processes"


def _step_videos(cfg: CfgNode, split: str) -> int:
    """Videos that one step of training takes from a list; 0 where it takes none."""
    trains = cfg.TASK in TRAINS and split == "train"
    return as_resumed(cfg).TRAIN.BATCH_SIZE * cfg.NUM_SHARDS if trains else 0


def _videos(cfg: CfgNode, split: str, csv: Path) -> tuple[list[tuple[int, str]], int | None]:
    """Lines and paths of some videos, and how many the list has; None: enough for a step."""
    reading = (csv, cfg.DATA.PATH_LABEL_SEPARATOR, cfg.DATA.SKIP_ROWS)
    rows = next(read_rows(*reading, _FIRST_BYTES), None)
    if rows is None:
        raise ManifestError(f"{csv} lists no video: write `path label` or `path` on each line")
    check_labels(cfg, split, csv, int(rows.labels.max()) + 1)
    if len(rows.lengths) >= _step_videos(cfg, split):
        return _some_paths(rows), None
    return _some_paths(rows), sum(len(block.lengths) for block in read_rows(*reading))


def _frames(cfg: CfgNode, split: str, csv: Path) -> tuple[list[tuple[int, str]], int | None]:
    """As :func:`_videos`, of a list of frames."""
    videos, labels = read_frame_list(csv, _FIRST_BYTES), {}
    if reads_label_files(cfg, split):
        labels = read_labels(*(csv.with_name(name) for name in label_files(split)))
        check_labels(cfg, split, csv, max(labels.values()) + 1)
    paths = [(video.line, video.runs[0].path(0)) for video in videos.values()]
    return paths, _count_of_frames(csv, videos, labels)


def _count_of_frames(csv: Path, videos: Mapping[str, ListedVideo], labels: Mapping[str, int]) -> int | None:
    """How many videos there are, where all of the list was read; else nobody counts, for that takes a while."""
    whole = csv.stat().st_size < _FIRST_BYTES
    return len(videos.keys() | labels.keys()) if whole else None


def _without(cfg: CfgNode, split: str) -> str:
    """What the job does without a video of this list."""
    if cfg.TASK in TRAINS and split == "train":
        return "training replaces such a video by another one"
    return "such a video gets a row of zeros" if cfg.TASK == "extract" else "such a video is left out of the numbers"


def _look_for_files(
    cfg: CfgNode, csv: Path, names: list[tuple[int, str]], without: str, doubt: Callable[[str], None]
) -> Iterator[Finding]:
    """What is wrong if most of the files, given with their lines, are not there; a few missing ones are a doubt."""
    root = root_of(csv, cfg.DATA.PATH_PREFIX)
    missing = [(line, name) for line, name in names if not os.path.exists(os.path.join(root, name))]
    if len(missing) <= max(_MISSING_SHARE, cfg.DATA.MAX_BAD_VIDEO_SHARE) * len(names):
        if missing:
            line, name = missing[0]
            which = f"{len(missing)} of the {len(names)} videos looked for {'is' if len(missing) == 1 else 'are'}"
            first = "" if len(missing) == 1 else "the first is "
            doubt(f"{csv}: {which} not there: {first}{os.path.join(root, name)} (line {line}); {without}")
        return
    line, name = missing[0]
    others = f", nor are {len(missing) - 1} of the {len(names) - 1} others looked for" if len(missing) > 1 else ""
    wrong = f"{csv}, line {line}: {os.path.join(root, name)} is not there{others}"
    if os.path.isabs(name):
        remedy = "the folder of a list whose paths are right here; `rhovideo index FOLDER` makes one"
        yield Finding(("DATA.PATH_TO_DATA_DIR",), wrong, remedy)
    else:
        remedy = "the folder that the list's paths start from (empty: the list's own)"
        yield Finding(("DATA.PATH_PREFIX", "DATA.PATH_TO_DATA_DIR"), wrong, remedy)


def _some_paths(rows: Rows) -> list[tuple[int, str]]:
    """Lines and paths of a few rows, the first one and others spread over the rest."""
    ends = np.cumsum(rows.lengths)
    chosen = np.unique(np.linspace(0, len(ends) - 1, _FILES).astype(int))
    text = rows.paths.tobytes()
    return [(int(rows.lines[i]), os.fsdecode(text[ends[i] - rows.lengths[i] : ends[i]])) for i in chosen]
