"""The first seconds of a job, before it waits in a queue: its lists' first rows, some files, and its network.

The network is built on torch's meta device, which keeps shapes and no numbers: a second at most, whatever its size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.config.inputs import label_files, list_name, needed_splits, reads_label_files
from rhovideo.config.names import leaves
from rhovideo.config.problems import Finding
from rhovideo.config.released import reads_frame_lists
from rhovideo.data.csv_parsing import ManifestError, Rows, read_rows
from rhovideo.data.frame_lists import read_frame_list
from rhovideo.data.frame_lists_labels import read_labels
from rhovideo.data.manifest import root_of
from rhovideo.engine.lists import check_labels
from rhovideo.models.build import build_classifier
from rhovideo.ssl.build import build_method

# Bytes of a list that are parsed: some hundred rows.
_FIRST_BYTES = 2**16
_FILES = 16
# Where more of them are missing, the folder is wrong, not the videos. A few bad ones are what training can bear.
_MISSING_SHARE = 0.5
# Sections and keys that make no difference to how a network is built.
_NOT_SHAPING = (
    *("TASK", "OUTPUT_DIR", "RNG_SEED", "LOG_PERIOD", "SLURM", "TENSORBOARD"),
    *("TRAIN", "TEST", "KNN", "SOLVER", "DATA_LOADER"),
)
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)+")


class Rehearsal:
    """Rehearses jobs one after the other; what several of them share (a list, a network) is tried once."""

    def __init__(self) -> None:
        self._lists: dict[tuple, list[Finding]] = {}
        self._networks: dict[str, list[Finding]] = {}

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """What would end the job in its first seconds.

        Args:
            cfg: loaded, with its files checked by :func:`rhovideo.config.inputs.check_inputs`.
        """
        findings = []
        for split in needed_splits(cfg):
            key = _list_key(cfg, split)
            if key not in self._lists:
                self._lists[key] = list(_try_list(cfg, split))
            findings += self._lists[key]
        key = _network_key(cfg)
        if key not in self._networks:
            self._networks[key] = list(_try_building(cfg))
        return findings + self._networks[key]


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
    )


def _network_key(cfg: CfgNode) -> str:
    """The task's kind of network, and all sections but those that shape none."""
    pretrains = cfg.TASK == "pretrain"
    shaping = cfg.clone()
    shaping.defrost()
    for name in (*_NOT_SHAPING, *([] if pretrains else ["CONTRASTIVE"])):
        shaping.pop(name)
    return f"{pretrains}\n{shaping.dump()}"


def _try_list(cfg: CfgNode, split: str) -> Iterator[Finding]:
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split)
    if reads_frame_lists(cfg):
        yield from _try_frame_list(cfg, split, csv)
        return
    try:
        rows = next(read_rows(csv, cfg.DATA.PATH_LABEL_SEPARATOR, cfg.DATA.SKIP_ROWS, _FIRST_BYTES), None)
        if rows is None:
            raise ManifestError(f"{csv} lists no video: write `path label` or `path` on each line")
        check_labels(cfg, split, csv, int(rows.labels.max()) + 1)
    except (ManifestError, OSError) as error:
        yield Finding((_key_in(cfg, str(error), "DATA.PATH_TO_DATA_DIR"),), str(error))
        return
    yield from _look_for_files(cfg, csv, _some_paths(rows))


def _try_frame_list(cfg: CfgNode, split: str, csv: Path) -> Iterator[Finding]:
    try:
        videos = read_frame_list(csv, _FIRST_BYTES)
        if reads_label_files(cfg, split):
            labels = read_labels(*(csv.with_name(name) for name in label_files(split)))
            check_labels(cfg, split, csv, max(labels.values()) + 1)
    except (ManifestError, OSError) as error:
        yield Finding((_key_in(cfg, str(error), "DATA.PATH_TO_DATA_DIR"),), str(error))
        return
    yield from _look_for_files(cfg, csv, [(video.line, video.runs[0].path(0)) for video in videos.values()])


def _look_for_files(cfg: CfgNode, csv: Path, names: list[tuple[int, str]]) -> Iterator[Finding]:
    """What is wrong if most of the files, given with their lines, are not there."""
    root = root_of(csv, cfg.DATA.PATH_PREFIX)
    missing = [(line, name) for line, name in names if not os.path.exists(os.path.join(root, name))]
    if len(missing) <= max(_MISSING_SHARE, cfg.DATA.MAX_BAD_VIDEO_SHARE) * len(names):
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


def _try_building(cfg: CfgNode) -> Iterator[Finding]:
    build = build_method if cfg.TASK == "pretrain" else build_classifier
    try:
        with torch.device("meta"):
            build(cfg)
    except Exception as error:
        # Whatever stops PyTorchVideo's builders here stops them on the nodes.
        said = str(error) or type(error).__name__
        key = _key_in(cfg, said, "MODEL.ARCH")
        yield Finding((key, "MODEL.ARCH"), f"MODEL.ARCH {cfg.MODEL.ARCH} cannot be built as configured: {said}")


def _key_in(cfg: CfgNode, text: str, otherwise: str) -> str:
    """The first key that a message names."""
    known = {key for key, _ in leaves(cfg)}
    return next((word for word in _KEY.findall(text) if word in known), otherwise)
