"""AVA from the owners' annotations: lists of the videos or of their frames. The boxes stay in the owners' files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary
from rhovideo.data.lists.indexing.official.annotations import first_there
from rhovideo.data.lists.indexing.official.frame_folders import FrameFolders, write_frame_lists
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, VideoFiles
from rhovideo.data.video.footage import describe

# The annotated part of a video, seconds; frames and files that are cut out begin with the first.
FIRST_SECOND, LAST_SECOND = 900, 1800
# Frames a second in lists of frames.
RATE = 30

_SOURCE = "AVA's annotations"
_VERSIONS = ("2.2", "2.1", "2.0")
_ROW = "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1"
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?", re.I)


def index_ava(
    videos: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> IndexSummary:
    """Write train.csv and val.csv: the videos of AVA that are there, or their frames.

    A row of a video is its path alone; its name without ending is the ``video_id`` of the box files. The file is the
    whole video, or its 15 minutes from second 900 on.

    Args:
        videos: folder of the files, or of folders of frames ``-5KQ66BBWC4/-5KQ66BBWC4_000001.jpg``, 30 a second from
            second 900 on.
        annotations: folder of ``ava_train_v2.2.csv`` and ``ava_val_v2.2.csv`` (or of another version).
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The summary.

    Raises:
        IndexingError: a file is missing or wrong, or no video of it is there.
    """
    folder, root = Path(annotations), Path(videos)
    version = next((one for one in _VERSIONS if (folder / f"ava_train_v{one}.csv").is_file()), _VERSIONS[0])
    parts = []
    for split, owners in (("train", "train"), ("val", "validation")):
        file = first_there(folder, [f"ava_{split}_v{version}.csv"], _SOURCE)
        parts.append(OfficialSplit(split, owners, [OfficialVideo(name) for name in _videos(file)]))
    name = f"AVA v{version}"
    folders = FrameFolders(root)
    if folders.holds(video for part in parts for video in part.videos):
        notes = [f"index 0 of the frames is second {FIRST_SECOND}, and there are {RATE} a second"]
        official = OfficialSet(name, parts, [], [*notes, *_frame_numbers(folders, parts)])
        return write_frame_lists(official, folders, out_dir, lambda _, frames: [()] * frames, force=force)
    files = VideoFiles(root)
    found = [files.find(video, part.split).path for part in parts for video in part.distinct]
    official = OfficialSet(name, parts, [], list(_durations(path for path in found if path is not None)))
    return write_official_lists(official, files, out_dir, force=force)


def _videos(file: Path) -> list[str]:
    """The ids of a file of boxes, in the order of their first rows."""
    found: dict[str, None] = {}
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            row = line.strip().split(",")
            if row == [""]:
                continue
            if not _is_box(row):
                raise IndexingError(
                    f"{file}, line {number}: {','.join(row)[:120]!r}: write a row without a header such as `{_ROW}`: "
                    "video, second, x1, y1, x2, y2 in 0 to 1, action, person"
                )
            found[row[0]] = None
    if not found:
        raise IndexingError(f"{file}: has no box: download it again")
    return list(found)


def _is_box(row: list[str]) -> bool:
    """True for a video, a second from 0 on, four coordinates, the number of an action and a person."""
    if len(row) != 8 or not row[0] or "/" in row[0] or not all(map(_NUMBER.fullmatch, row[1:6])):
        return False
    return not row[1].startswith("-") and row[6].isdecimal()


def _durations(paths: Iterable[Path]) -> Iterator[str]:
    """A line on which files are whole videos, and which begin with second 900."""
    known = [(footage.seconds, path) for path in paths if (footage := describe(path)) is not None]
    cut = [path for seconds, path in known if seconds <= LAST_SECOND - FIRST_SECOND + RATE]
    short = [path for seconds, path in known if LAST_SECOND - FIRST_SECOND + RATE < seconds < LAST_SECOND]
    whole = len(known) - len(cut) - len(short)
    if cut:
        yield f"{len(cut)} files have 15 minutes or less: they begin with second {FIRST_SECOND}"
    if whole:
        yield f"{whole} files are whole videos"
    if short:
        yield f"{len(short)} files are neither whole nor 15 minutes long, such as {short[0]}: look at them"


def _frame_numbers(folders: FrameFolders, parts: Iterable[OfficialSplit]) -> Iterator[str]:
    """A line where a video has far fewer frames than its 15 minutes."""
    wanted = (LAST_SECOND - FIRST_SECOND) * RATE
    for part in parts:
        counts = {video.name: len(folders.frames(video)[0]) for video in part.distinct}
        short = [name for name, count in counts.items() if 0 < count < 0.95 * wanted]
        if short:
            yield (
                f"{len(short)} videos of {part.owners} have far fewer than {wanted:,} frames, such as {short[0]} with "
                f"{counts[short[0]]:,}: frames must be {RATE} a second, from second {FIRST_SECOND} on"
            )
