"""The contents of a list of videos that checks need. Without torch.

A list of video files is read through: a few seconds for ten million lines. A list of frames, which has a line for each
image, takes minutes, so of a long one only the first lines are read.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.list_names import label_files, list_name, reads_label_files
from rhovideo.config.pyslowfast.translation import reads_charades, reads_frame_lists
from rhovideo.data.lists.classes.template_labels import read_labels
from rhovideo.data.lists.csv_parsing import NO_LABEL, Rows, read_rows
from rhovideo.data.lists.frame_lists import read_frame_list
from rhovideo.data.lists.mixtures import Mixture, read_mixture
from rhovideo.data.lists.multi_label.video_lists import UnlabelledManifest
from rhovideo.data.lists.opening import open_charades_list, open_label_sets
from rhovideo.runs.file_hash import file_sha256

# Bytes of a list from which paths are taken: some hundred rows.
_FIRST_BYTES = 2**16
_FIRST_ROWS = 256
_PATHS = 16
_SAMPLE = 48


@dataclass(frozen=True)
class ListContents:
    """The contents of a list.

    Attributes:
        csv: the list.
        videos: their number; None where not all lines were read.
        classes: the largest label plus one; 0 without labels.
        paths: lines, counted from 1, and paths of some of the first videos.
        smallest: the smallest label; -1 without labels.
        distinct: the number of labels that are there; 0 where they were not counted.
        sample: as ``paths``, of videos spread over the whole list; all of a short one.
        mixture: the parts of the list; None if it has none.
    """

    csv: Path
    videos: int | None
    classes: int
    paths: tuple[tuple[int, str], ...]
    smallest: int = NO_LABEL
    distinct: int = 0
    sample: tuple[tuple[int, str], ...] = ()
    mixture: Mixture | None = None


def read_contents(cfg: CfgNode, split: str) -> ListContents:
    """Read a list of DATA.PATH_TO_DATA_DIR; one that has been read and not changed since is not read again.

    Raises:
        ManifestError: a row of the list, or one of its label files, is unusable.
        OSError: a file cannot be read.
    """
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split)
    if cfg.DATA.MULTI_LABEL:
        listed = open_charades_list(cfg, split) if reads_charades(cfg) else open_label_sets(cfg, split)
        return _read_label_sets(listed, reads_charades(cfg))
    if not reads_frame_lists(cfg):
        return _read_videos(csv, cfg.DATA.PATH_LABEL_SEPARATOR, cfg.DATA.SKIP_ROWS, _version(csv))
    labels = [csv.with_name(name) for name in label_files(split)] if reads_label_files(cfg, split) else []
    return _read_frames(csv, tuple(labels), tuple(map(_version, [csv, *labels])))


def _version(file: Path) -> str:
    """A text that changes when the file's content does.

    Raises:
        OSError: it cannot be read. A pipe is not read: it would be waited for, and its rows are there only once.
    """
    if not file.is_file():
        there = "a folder, where a list is wanted: `rhovideo index` writes one" if file.is_dir() else "a pipe or device"
        raise FileNotFoundError(f"{file} is {there if file.exists() else 'not there'}")
    return file_sha256(file)


@functools.lru_cache(maxsize=64)
def _read_videos(csv: Path, separator: str, skip_rows: int, version: object) -> ListContents:
    first = next(read_rows(csv, separator, skip_rows, _FIRST_BYTES), None)
    videos, labels = 0, np.zeros(0, np.int32)
    spread: list[tuple[int, str]] = []
    for rows in read_rows(csv, separator, skip_rows):
        videos += len(rows.lengths)
        labels = np.union1d(labels, rows.labels)
        spread += _some_paths(rows, _SAMPLE)
    labels = labels[labels != NO_LABEL]
    smallest, largest = (int(labels[0]), int(labels[-1])) if len(labels) else (NO_LABEL, NO_LABEL)
    first_paths = () if first is None else _some_paths(first)
    sample = tuple(spread[place] for place in _evenly(len(spread), _SAMPLE))
    mixture = read_mixture(csv, skip_rows)
    return ListContents(csv, videos, largest + 1, first_paths, smallest, len(labels), sample, mixture)


def _evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of the places 0 to ``count - 1``, evenly spread."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(int)).tolist()
    return places


def _some_paths(rows: Rows, wanted: int = _PATHS) -> tuple[tuple[int, str], ...]:
    """Lines and paths of a few rows, the first one and others spread over the rest."""
    ends = np.cumsum(rows.lengths)
    chosen = _evenly(len(ends), wanted)
    text = rows.paths.tobytes()
    return tuple((int(rows.lines[i]), os.fsdecode(text[ends[i] - rows.lengths[i] : ends[i]])) for i in chosen)


def _read_label_sets(manifest: UnlabelledManifest, frames: bool) -> ListContents:
    """The contents of a list with several labels a video, from its packed file, which the job needs anyway.

    Args:
        manifest: the list.
        frames: the videos are images, which need no sample.
    """
    numbers = manifest.label_numbers
    smallest, largest = (numbers[0], numbers[-1]) if numbers else (NO_LABEL, NO_LABEL)

    def some(of: int, wanted: int) -> tuple[tuple[int, str], ...]:
        return tuple((manifest.line(row), manifest.written_path(row)) for row in _evenly(of, wanted))

    paths = some(min(len(manifest), _FIRST_ROWS), _PATHS)
    sample = () if frames else some(len(manifest), _SAMPLE)
    return ListContents(Path(manifest.csv), len(manifest), largest + 1, paths, smallest, len(numbers), sample)


@functools.lru_cache(maxsize=64)
def _read_frames(csv: Path, label_paths: tuple[Path, ...], version: object) -> ListContents:
    videos = read_frame_list(csv, _FIRST_BYTES)
    labels = read_labels(*label_paths) if label_paths else {}
    whole = csv.stat().st_size < _FIRST_BYTES
    count = len(videos.keys() | labels.keys()) if whole else None
    paths = tuple((video.line, video.runs[0].path(0)) for video in videos.values())
    return ListContents(csv, count, max(labels.values(), default=-1) + 1, paths)
