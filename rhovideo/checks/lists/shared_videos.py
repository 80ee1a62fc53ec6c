"""Videos that make a number look better than it is: test videos that were trained on, and videos with two labels.

Without torch.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.checks.lists.class_agreement import check_folders, names_of_lists
from rhovideo.checks.lists.list_contents import read_contents
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import list_name, needed_splits, reads_plain_list
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError, read_rows
from rhovideo.data.lists.manifest import root_of
from rhovideo.data.lists.same_videos import MOST_PATHS, video_ids
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.job_checkpoint import measured_checkpoint
from rhovideo.runs.lineage import read_config

_DATA = "DATA.PATH_TO_DATA_DIR"
_LEFT_OUT = "each is left out of its own neighbours, but other parts of the same recording may still raise the number"
_HOW = {"knn": _LEFT_OUT, "pretrain": _LEFT_OUT}
_TRAINED = "the number says nothing about videos that the classifier has not seen"


@dataclass(frozen=True)
class Listed:
    """The videos of a list.

    Attributes:
        csv: the list.
        paths: of the videos.
        labels: int [N], -1 where there is none.
    """

    csv: str
    paths: Sequence[str]
    labels: np.ndarray


@dataclass
class SharedVideos:
    """The videos that lists have in common.

    Attributes:
        in_train: videos of the list of a split that are in the training list too.
        findings: what a person should know.
    """

    in_train: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def find_shared(task: str, lists: Mapping[str, Listed], names: Sequence[str] = ()) -> SharedVideos:
    """Compare the lists of a job, and the folders of the videos with the names of their classes.

    Args:
        task: its TASK.
        lists: by split.
        names: of the classes by label; empty where they are not known.

    Returns:
        What they have in common; nothing for lists of more than a million videos.
    """
    shared = SharedVideos()
    if task == "extract" or list(lists) == ["train"]:
        # Nothing is measured.
        return shared
    ids = video_ids({split: listed.paths for split, listed in lists.items()})
    if ids is None:
        return shared
    for split in (split for split in lists if split != "train" and "train" in lists):
        where = np.flatnonzero(np.isin(ids[split], ids["train"]))
        shared.in_train[split] = len(where)
        if len(where):
            shared.findings.append(_leak(task, lists[split], lists["train"], where))
    for split, listed in lists.items():
        shared.findings += _repeated(split, listed, ids[split])
        if task != "test" or split == "test":
            shared.findings += check_folders(listed.csv, listed.paths, listed.labels.tolist(), names)
    return shared


def _leak(task: str, listed: Listed, train: Listed, where: np.ndarray) -> Finding:
    count, total = len(where), len(listed.paths)
    which = f"{count} of {total} videos {_are(count)}"
    if count == total:
        which = "its only video is" if total == 1 else f"all {total} videos are"
    first = listed.paths[int(where[0])]
    trained = os.path.basename(train.csv) if os.path.dirname(train.csv) == os.path.dirname(listed.csv) else train.csv
    wrong = f"{listed.csv}: {which} in {trained} too, the first is {first}: {_HOW.get(task, _TRAINED)}"
    return Finding((_DATA,), wrong, "a folder whose lists share no video", "warning")


def _repeated(split: str, listed: Listed, ids: np.ndarray) -> Iterator[Finding]:
    """Videos of a list that are there with two labels, or twice where each is to count once."""
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if not len(same):
        return
    labels = np.asarray(listed.labels)[order]
    two = same[(labels[same] != labels[same + 1]) & (labels[same] != NO_LABEL) & (labels[same + 1] != NO_LABEL)]
    if len(two):
        videos = len(np.unique(ids[order][two]))
        first = order[two[0]], order[two[0] + 1]
        numbers = " and ".join(str(int(listed.labels[row])) for row in first)
        wrong = (
            f"{listed.csv}: {videos} video{'' if videos == 1 else 's'} {_have(videos)} two labels, the first "
            f"is {listed.paths[int(first[0])]} with {numbers}"
        )
        yield Finding((_DATA,), wrong, "one label for each video", "warning")
    elif split != "train":
        wrong = (
            f"{listed.csv}: {len(same)} of {len(ids)} rows repeat a video, the first is "
            f"{listed.paths[int(order[same[0]])]}: such a video counts as often as it is listed"
        )
        yield Finding((_DATA,), wrong, "each video once", "warning")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


class ListFile(NamedTuple):
    """A list of video files, and how it is read.

    Attributes:
        csv: its absolute path.
        separator, skip_rows, prefix: as of :meth:`rhovideo.data.lists.manifest.Manifest.open`.
        version: the hash of its content.
    """

    csv: Path
    separator: str
    skip_rows: int
    prefix: str
    version: str


def find_shared_in_files(cfg: CfgNode) -> SharedVideos:
    """Compare the lists of video files that a job reads, before it starts; they were read once and found right."""
    splits = needed_splits(cfg)
    if cfg.TASK == "extract" or splits == ("train",):
        return SharedVideos()
    if sum(read_contents(cfg, split).videos or 0 for split in splits) > MOST_PATHS:
        return SharedVideos()
    files = {split: _list_file(cfg.DATA.PATH_TO_DATA_DIR, list_name(cfg, split), cfg.DATA) for split in splits}
    if (trained := trained_on(cfg)) is not None:
        files["train"] = trained
    return _of_files(cfg.TASK, tuple(files.items()), tuple(names_of_lists(cfg)))


def trained_on(cfg: CfgNode) -> ListFile | None:
    """The training list of the classifier that TASK test measures; None where it is not known, or no longer there.

    Args:
        cfg: of the job.
    """
    checkpoint = Path(measured_checkpoint(cfg))
    if cfg.TASK != "test" or checkpoint.parent.name != "checkpoints" or not reads_plain_list(cfg):
        return None
    before = read_config(checkpoint.parent.parent)
    data, dataset = before.get("DATA"), (before.get("TRAIN") or {}).get("DATASET")
    if before.get("TASK") not in TRAINS or dataset != cfg.TRAIN.DATASET or not isinstance(data, Mapping):
        return None
    try:
        file = _list_file(data["PATH_TO_DATA_DIR"], "train.csv", data)
        next(read_rows(file.csv, file.separator, file.skip_rows), None)
    except (KeyError, OSError, ManifestError):
        return None
    return file


def _list_file(folder: str, name: str, data: Mapping[str, Any]) -> ListFile:
    csv = Path(os.path.abspath(Path(folder) / name))
    how = data["PATH_LABEL_SEPARATOR"], data["SKIP_ROWS"], data["PATH_PREFIX"]
    return ListFile(csv, *how, file_sha256(csv))


@functools.lru_cache(maxsize=16)
def _of_files(task: str, files: tuple[tuple[str, ListFile], ...], names: tuple[str, ...]) -> SharedVideos:
    lists: dict[str, Listed] = {}
    for split, file in files:
        listed = read_list(file)
        if listed is None:
            return SharedVideos()
        lists[split] = listed
    return find_shared(task, lists, names)


def read_list(file: ListFile) -> Listed | None:
    """The paths and labels of a list; None if it is too long to compare."""
    csv, separator, skip_rows, prefix, _ = file
    root = root_of(csv, prefix)
    paths: list[str] = []
    labels: list[np.ndarray] = []
    for rows in read_rows(csv, separator, skip_rows):
        text, ends = rows.paths.tobytes(), np.cumsum(rows.lengths)
        starts = ends - rows.lengths
        names = (os.fsdecode(text[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
        paths += [name if name.startswith(os.sep) else f"{root}{os.sep}{name}" for name in names]
        labels.append(rows.labels)
        if len(paths) > MOST_PATHS:
            return None
    return Listed(str(csv), paths, np.concatenate(labels) if labels else np.zeros(0, np.int32))
