"""Charades from the owners' annotations: videos with all their classes, or frames with the classes of their moment."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary
from rhovideo.data.lists.indexing.official.annotations import check_order, first_there, read_lines, read_table
from rhovideo.data.lists.indexing.official.frame_folders import FrameFolders, write_frame_lists
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, VideoFiles

# Of the owners' Charades_v1_rgb.
FRAMES_A_SECOND = 24.0

_SOURCE = "Charades.zip"
_HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
_CLASS = re.compile(r"c(\d{3})\s+(\S.*)")
_ACTION = re.compile(r"c(\d{3})\s+(\d+(?:\.\d+)?)\s+(\d+(?:\.\d+)?)")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d*)?")
_RATE_SHARE = 0.05


class _Action(NamedTuple):
    """A class and the seconds in which it is seen."""

    label: int
    start: float
    end: float


class _Row(NamedTuple):
    """A video of the annotations."""

    video: OfficialVideo
    actions: tuple[_Action, ...]
    seconds: float


def index_charades(
    videos: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> IndexSummary:
    """Write lists of the videos of Charades, or of its frames, with the numbers of their classes: ``"3,9,21"``.

    A row of a video has the classes of the whole video; val.csv and test.csv list the owners' test videos. A row of a
    frame has the classes whose interval holds its moment; there is no test.csv then, as in PySlowFast.

    Args:
        videos: folder of the files ``46GP8.mp4``, or of folders of frames ``46GP8/46GP8-000001.jpg``.
        annotations: the unpacked Charades.zip: Charades_v1_{train,test}.csv, Charades_v1_classes.txt.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The summary.

    Raises:
        IndexingError: a file is missing or wrong, or no video of it is there.
    """
    folder, root = Path(annotations), Path(videos)
    classes = _classes(first_there(folder, ["Charades_v1_classes.txt"], _SOURCE))
    parts: list[OfficialSplit] = []
    rows: dict[str, _Row] = {}
    for split, owners in (("train", "train"), ("val", "test")):
        own = list(_rows(first_there(folder, [f"Charades_v1_{owners}.csv"], _SOURCE), len(classes)))
        rows |= {row.video.name: row for row in own}
        parts.append(OfficialSplit(split, owners, [row.video for row in own]))
    folders = FrameFolders(root)
    if not folders.holds(row.video for row in rows.values()):
        official = OfficialSet("Charades", parts, classes, same={"test": "val"})
        return write_official_lists(official, VideoFiles(root), out_dir, force=force)
    rate = _rate(folders, rows)
    asked = f"frames: {rate:g} a second" + (
        "" if rate == FRAMES_A_SECOND else f", not {FRAMES_A_SECOND:g} as the owners'"
    )

    def labels(video: OfficialVideo, frames: int) -> Iterator[Sequence[int]]:
        for place in range(frames):
            actions = rows[video.name].actions
            yield sorted({action.label for action in actions if action.start <= place / rate <= action.end})

    return write_frame_lists(OfficialSet("Charades", parts, classes, [asked]), folders, out_dir, labels, force=force)


def _classes(file: Path) -> list[str]:
    found: dict[int, str] = {}
    for line, text in read_lines(file, _SOURCE):
        match = _CLASS.fullmatch(text)
        if match is None or int(match[1]) != len(found):
            raise IndexingError(f"{file}, line {line}: {text[:80]!r}: write `c{len(found):03d} NAME` of the next class")
        found[int(match[1])] = match[2]
    if not found:
        raise IndexingError(f"{file}: names no class: download it again")
    return list(found.values())


def _rows(file: Path, classes: int) -> Iterator[_Row]:
    empty = True
    for line, row in read_table(file, ("id", "actions", "length"), _HEADER, "an annotation list of Charades"):
        empty = False
        if not row["id"] or "/" in row["id"]:
            raise IndexingError(f"{file}, line {line}: the id is {row['id']!r}: write one such as 46GP8")
        actions = []
        for text in filter(None, (part.strip() for part in row["actions"].split(";"))):
            match = _ACTION.fullmatch(text)
            if match is None or int(match[1]) >= classes:
                raise IndexingError(
                    f"{file}, line {line}: the action {text[:80]!r} is not a class of c000 to c{classes - 1:03d} and "
                    "its seconds: write `c092 11.90 21.20`"
                )
            action = _Action(int(match[1]), float(match[2]), float(match[3]))
            check_order(action.start, action.end, file, f"line {line}", f"the action {text!r}")
            actions.append(action)
        if not _SECONDS.fullmatch(row["length"]):
            raise IndexingError(
                f"{file}, line {line}: the length is {row['length'][:40]!r}: write seconds, such as 24.83"
            )
        seconds = float(row["length"])
        labels = tuple(sorted({action.label for action in actions}))
        yield _Row(OfficialVideo(row["id"], labels=labels), tuple(actions), seconds)
    if empty:
        raise IndexingError(f"{file}: lists no video: download it again")


def _rate(folders: FrameFolders, rows: Mapping[str, _Row]) -> float:
    """The frames a second: the owners' 24, or what the numbers of frames say where they are others."""
    rates = []
    for row in rows.values():
        frames, wrong = folders.frames(row.video)
        if not wrong and row.seconds > 1:
            rates.append(len(frames) / row.seconds)
        if len(rates) == 99:
            break
    found = statistics.median(rates) if rates else FRAMES_A_SECOND
    return FRAMES_A_SECOND if abs(found / FRAMES_A_SECOND - 1) <= _RATE_SHARE else round(found, 2)
