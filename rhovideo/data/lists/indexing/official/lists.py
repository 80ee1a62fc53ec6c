"""Lists of the official videos that are there, a file of those that are missing, and the counts of both."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.data.lists.indexing.folder_index import (
    Entry,
    IndexingError,
    IndexSummary,
    refuse_to_overwrite,
    write_index,
)
from rhovideo.data.lists.indexing.official.video_files import Found, OfficialVideo, VideoFiles, first_of
from rhovideo.runs.official_counts import OfficialCount, add_official_counts

MISSING_FILE = "missing.csv"
Why = Callable[[OfficialVideo], str]


@dataclass(frozen=True)
class OfficialSplit:
    """A split of a data set.

    Attributes:
        split: "train", "val" or "test": the name of its list.
        owners: the owners' name of it, such as "validation".
        videos: in the order of the annotations; one that is there twice counts once.
    """

    split: str
    owners: str
    videos: Sequence[OfficialVideo]

    @property
    def distinct(self) -> list[OfficialVideo]:
        """Each video once."""
        return list({(video.name, video.class_name): video for video in self.videos}.values())


@dataclass(frozen=True)
class OfficialSet:
    """What an owner's annotations say.

    Attributes:
        name: of the data set, such as "Kinetics-400".
        splits: at least one.
        classes: names by label.
        notes: for the user.
        same: lists that are copies of another one, such as ``{"test": "val"}``; without that one they are not written.
        why: a better reason for a video without a file; empty text for none.
    """

    name: str
    splits: Sequence[OfficialSplit]
    classes: list[str]
    notes: Sequence[str] = ()
    same: Mapping[str, str] = field(default_factory=dict)
    why: Why | None = None


@dataclass(frozen=True)
class _Located:
    """The videos of a split, each with what was found."""

    split: OfficialSplit
    found: list[tuple[OfficialVideo, Found]]

    def entries(self) -> list[Entry]:
        return [Entry(found.path, video.label, video.labels) for video, found in self.found if found.path is not None]

    def missing(self) -> list[tuple[OfficialVideo, str]]:
        return [(video, found.reason) for video, found in self.found if found.path is None]

    def count(self, dataset: str) -> OfficialCount:
        return OfficialCount(dataset, self.split.owners, len(self.entries()), len(self.found))


def write_official_lists(
    official: OfficialSet, files: VideoFiles, out_dir: str | os.PathLike[str], *, force: bool = False
) -> IndexSummary:
    """Write the lists of an official set, missing.csv, and official.json with the counts.

    A list without a video is not written, and one of an earlier index is removed.

    Args:
        official: the annotations.
        files: of the videos.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The summary, which is also printed.

    Raises:
        IndexingError: none of the videos is there, or the lists exist already.
    """
    out_dir = Path(out_dir)
    refuse_to_overwrite(out_dir, force)
    located = [_locate(split, files, official.why) for split in official.splits]
    if not any(part.entries() for part in located):
        raise IndexingError(_none_found(official, files))
    entries = {part.split.split: part.entries() for part in located}
    entries |= {copy: entries[source] for copy, source in official.same.items() if source in entries}
    counts = {part.split.split: part.count(official.name) for part in located}
    counts |= {copy: counts[source] for copy, source in official.same.items() if source in counts}
    notes = [*_notes(official, located, files), *official.notes, *files.skipped.note()]
    written = {split: videos for split, videos in entries.items() if videos}
    summary = write_index(out_dir, written, official.classes, files.skipped.left_out, notes)
    for split in entries.keys() - written.keys():
        (out_dir / f"{split}.csv").unlink(missing_ok=True)
    write_missing(out_dir, {part.split.split: part.missing() for part in located})
    add_official_counts({out_dir / f"{split}.csv": counts[split] for split in written})
    return summary


def write_missing(out_dir: Path, missing: Mapping[str, Sequence[tuple[OfficialVideo, str]]]) -> None:
    """Write missing.csv, or remove that of an earlier index where nothing is missing.

    Args:
        out_dir: folder of the lists.
        missing: by list, the videos and the reasons.
    """
    if not any(missing.values()):
        (out_dir / MISSING_FILE).unlink(missing_ok=True)
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["list", "video", "class", "reason"])
    for split, videos in missing.items():
        rows.writerows([split, video.name, video.class_name, reason] for video, reason in videos)
    write_text(out_dir / MISSING_FILE, text.getvalue())


def count_notes(counts: Mapping[str, OfficialCount]) -> Iterator[str]:
    """A line for each list: how many of the official videos it has."""
    for split, count in counts.items():
        gone = count.official - count.listed
        listed = f"{split}.csv: {count}" if count.listed else f"{split}.csv is not written: {count}"
        yield f"{listed}; {gone:,} missing, see {MISSING_FILE}" if gone else listed


def _locate(split: OfficialSplit, files: VideoFiles, why: Why | None) -> _Located:
    found = []
    for video in split.distinct:
        result = files.find(video, split.split)
        if result.path is None and not result.others and why is not None and (better := why(video)):
            result = Found(None, better)
        found.append((video, result))
    return _Located(split, found)


def _notes(official: OfficialSet, located: Sequence[_Located], files: VideoFiles) -> Iterator[str]:
    yield from count_notes({part.split.split: part.count(official.name) for part in located})
    for copy, source in official.same.items():
        yield f"{copy}.csv equals {source}.csv"
    for part in located:
        if twice := len(part.split.videos) - len(part.found):
            yield f"{twice} videos are twice in the annotations of {part.split.owners}, and count once"
    used = {found.path for part in located for _, found in part.found if found.path is not None}
    known = {path for part in located for _, found in part.found for path in found.others} - used
    copies = {path for part in located for _, found in part.found if found.path is not None for path in found.others}
    if copies := copies - used:
        yield f"{len(copies):,} files are copies of listed videos, such as {min(copies)}, and are left out"
    if others := len(files) - len(used) - len(known):
        yield f"{others:,} other videos below {files.folder} are not in the annotations, and are left out"
    trained = {
        label
        for part in located
        if part.split.split == "train"
        for entry in part.entries()
        for label in ((entry.label,) if entry.labels is None else entry.labels)
    }
    untrained = (
        [name for label, name in enumerate(official.classes) if name and label not in trained] if trained else []
    )
    if untrained:
        yield f"classes without a training video: {first_of(untrained)}"


def _none_found(official: OfficialSet, files: VideoFiles) -> str:
    total = sum(len(split.distinct) for split in official.splits)
    wanted = official.splits[0].videos[0].candidates[0][0]
    there = first_of(files.some_names())
    return (
        f"none of the {total:,} official videos of {official.name} is below {files.folder}: a file such as "
        f"{wanted}.mp4 was looked for, in any folder below it, and there are {there}. Write the folder of that data set"
    )
