"""Lists of frames, as PySlowFast reads them, of official videos that lie there as folders of images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rhovideo.atomic_files import written_whole
from rhovideo.data.lists.classes.class_names import write_class_names
from rhovideo.data.lists.frame_lists import HEADER
from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary, refuse_to_overwrite
from rhovideo.data.lists.indexing.official.lists import OfficialSet, count_notes, write_missing
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo
from rhovideo.runs.official_counts import OfficialCount, add_official_counts
from rhovideo.terminal import stage

_IMAGE = re.compile(r".*?(\d+)\.(?:jpe?g|png)", re.I)

# The classes of each frame of a video, from the video and its number of frames.
LabelsOfFrames = Callable[[OfficialVideo, int], Iterable[Sequence[int]]]


class FrameFolders:
    """Folders of images, each named like a video, in a folder or in one of its sub-folders.

    Args:
        folder: of these folders.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        self._roots = [folder, *below]

    def holds(self, videos: Iterable[OfficialVideo]) -> bool:
        """True if the folder of one of these videos is there, with an image in it."""
        return any(self.frames(video)[0] for video in videos)

    def frames(self, video: OfficialVideo) -> tuple[list[Path], str]:
        """The images of a video in the order of their numbers, and what is wrong with them; empty text: nothing."""
        place = next((root / video.name for root in self._roots if (root / video.name).is_dir()), None)
        if place is None:
            return [], "no folder"
        numbered = sorted(
            (int(match[1]), path.name) for path in os.scandir(place) if (match := _IMAGE.fullmatch(path.name))
        )
        numbers = [number for number, _ in numbered]
        gaps = [(one, two) for one, two in pairwise(numbers) if two != one + 1]
        if not numbered:
            return [], "no image in its folder"
        if gaps:
            one, two = gaps[0]
            wrong = (
                f"two images have the number {one}" if one == two else f"frames {one + 1} to {two - 1} are not there"
            )
            return [place / name for _, name in numbered], wrong
        return [place / name for _, name in numbered], ""


def write_frame_lists(
    official: OfficialSet,
    folders: FrameFolders,
    out_dir: str | os.PathLike[str],
    labels: LabelsOfFrames,
    *,
    force: bool,
) -> IndexSummary:
    """Write a list of frames for each split, missing.csv, official.json and classes.txt.

    The paths start from the folder of the frames (DATA.PATH_PREFIX). A video without some frames in between is left
    out, since later ones would stand for other moments.

    Args:
        official: the annotations.
        folders: of the frames.
        out_dir: folder of the lists, made if missing.
        labels: gives the classes of each frame.
        force: overwrite lists that exist.

    Returns:
        The summary, which is also printed.

    Raises:
        IndexingError: no video has its frames there, a path has a blank, or the lists exist already.
    """
    out_dir = Path(out_dir)
    refuse_to_overwrite(out_dir, force)
    if all(folders.frames(video)[1] for part in official.splits for video in part.distinct):
        first = official.splits[0].videos[0]
        raise IndexingError(
            f"no official video of {official.name} has all its frames below {folders.folder}: {first.name}: "
            f"{folders.frames(first)[1]}"
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    counts: dict[str, OfficialCount] = {}
    missing: dict[str, list[tuple[OfficialVideo, str]]] = {}
    for part in official.splits:
        stage(f"index: reading the folders of frames of {part.owners}")
        missing[part.split] = []
        with written_whole(out_dir / f"{part.split}.csv") as file:
            file.write(f"{HEADER}\n".encode())
            for number, video in enumerate(part.distinct):
                frames, wrong = folders.frames(video)
                if wrong:
                    missing[part.split].append((video, wrong))
                    continue
                for line in _lines(video, number, frames, labels(video, len(frames)), folders.folder):
                    file.write(line.encode())
        there = len(part.distinct) - len(missing[part.split])
        counts[part.split] = OfficialCount(official.name, part.owners, there, len(part.distinct))
    for split, count in counts.items():
        if not count.listed:
            (out_dir / f"{split}.csv").unlink()
    write_class_names(out_dir, official.classes)
    write_missing(out_dir, missing)
    add_official_counts({out_dir / f"{split}.csv": count for split, count in counts.items() if count.listed})
    notes = [*count_notes(counts), *official.notes, f"lists of frames; their paths start from {folders.folder}"]
    summary = IndexSummary(
        out_dir, {split: count.listed for split, count in counts.items()}, official.classes, [], notes
    )
    print(summary)
    return summary


def _lines(
    video: OfficialVideo, number: int, frames: Sequence[Path], labels: Iterable[Sequence[int]], root: Path
) -> Iterator[str]:
    for place, (frame, own) in enumerate(zip(frames, labels, strict=True)):
        path = os.fspath(frame.relative_to(root))
        if len(path.split()) != 1 or len(video.name.split()) != 1:
            raise IndexingError(
                f"{frame}: a list of frames cannot hold a name with a blank: rename the file or the folder"
            )
        yield f'{video.name} {number} {place} {path} "{",".join(map(str, own))}"\n'
