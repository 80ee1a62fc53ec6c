"""The files of official videos below a folder, found by their names, in class folders, split folders or none."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rhovideo.data.lists.indexing.folder_index import IndexingError
from rhovideo.data.lists.indexing.video_folders import Skipped, find_videos, split_of
from rhovideo.data.lists.list_mistakes import VIDEO_ENDINGS
from rhovideo.terminal import stage


class Place(Enum):
    """The folders in which a name stands for a video."""

    ANY = "any"
    NOT_ANOTHER_CLASS = "not in the folder of another class"
    OWN_CLASS = "in the folder of its class"


@dataclass(frozen=True)
class OfficialVideo:
    """A video of an owner's annotations.

    Attributes:
        name: the owners' name, without the ending of a file.
        class_name: of its class; empty without one.
        label: its number, or -1.
        labels: the numbers of its classes, where a video has any number of them.
        names: names of files without ending that it may have, the best one first, with the folders where each counts.
            Empty: ``name`` in any folder.
    """

    name: str
    class_name: str = ""
    label: int = -1
    names: tuple[tuple[str, Place], ...] = ()
    labels: tuple[int, ...] | None = None

    @property
    def candidates(self) -> tuple[tuple[str, Place], ...]:
        """``names``, or the name alone."""
        return self.names or ((self.name, Place.ANY),)


@dataclass(frozen=True)
class Found:
    """A look for a video.

    Attributes:
        path: of its file; None if it is missing.
        reason: why it is missing; empty if it is there.
        others: other files of the same video: copies, or empty ones.
    """

    path: Path | None
    reason: str = ""
    others: tuple[Path, ...] = ()


class VideoFiles:
    """All video files below a folder, by their names without ending.

    Args:
        folder: of the videos; links are followed, hidden files left out.
        classes: names of all classes, by which folders of another class are known.

    Attributes:
        folder: as given.
        skipped: the files that are no videos.

    Raises:
        IndexingError: there is no such folder, or no video in it.
    """

    def __init__(self, folder: Path, classes: Iterable[str] = ()) -> None:
        if not folder.is_dir():
            raise IndexingError(f"{folder} is not a folder: write the folder of the videos")
        self.folder, self.skipped = folder, Skipped()
        self._by_name: dict[str, list[Path]] = {}
        stage(f"index: looking for the videos in {folder}")
        self._letters: dict[str, tuple[str, ...]] = {}
        self._classes = {letters(name) for name in classes}
        for path in find_videos(folder, VIDEO_ENDINGS, self.skipped):
            self._by_name.setdefault(_without_endings(path.name), []).append(path)
        if not self._by_name:
            others = "".join(f"; {note}" for note in self.skipped.note())
            raise IndexingError(
                f"there is no video below {folder}: its name must end in {' '.join(VIDEO_ENDINGS)}{others}"
            )

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def some_names(self, count: int = 3) -> list[str]:
        """Names of a few files below the folder, for messages."""
        first = [paths[0] for paths in self._by_name.values()][:count]
        return [os.fspath(path.relative_to(self.folder)) for path in first]

    def names(self) -> Collection[str]:
        """The names of all files, without ending."""
        return self._by_name.keys()

    def find(self, video: OfficialVideo, split: str) -> Found:
        """Look for a video; of several files the one in the folder of its split and class is taken.

        Args:
            video: an official one.
            split: "train", "val" or "test".
        """
        empty: list[Path] = []
        for name, place in video.candidates:
            paths = [path for path in self._by_name.get(name, ()) if self._counts(path, video, place)]
            filled = [path for path in paths if path.stat().st_size]
            if filled:
                best = min(filled, key=lambda path: self._preference(path, video, split)) if filled[1:] else filled[0]
                return Found(best, others=tuple(path for path in paths if path != best))
            empty += paths
        return Found(None, "empty file" if empty else "no file", tuple(empty))

    def _counts(self, path: Path, video: OfficialVideo, place: Place) -> bool:
        if place is Place.ANY:
            return True
        own, folders = letters(video.class_name), self._folders(path)
        if own in folders:
            return True
        return place is Place.NOT_ANOTHER_CLASS and not self._classes.intersection(folders)

    def _preference(self, path: Path, video: OfficialVideo, split: str) -> tuple[object, ...]:
        """Smallest for the best of several files."""
        splits = {split_of(part) for part in self._parts(path)}
        other_split = bool(splits - {None, split}) and split not in splits
        other_class = letters(video.class_name) not in self._folders(path)
        ending = VIDEO_ENDINGS.index(path.suffix.lower()) if path.suffix.lower() in VIDEO_ENDINGS else 0
        return other_split, other_class, ending, os.fsencode(path)

    def _folders(self, path: Path) -> tuple[str, ...]:
        """The letters of the names of the folders that a file is in."""
        parent = os.path.dirname(path)
        if parent not in self._letters:
            self._letters[parent] = tuple(map(letters, self._parts(path)))
        return self._letters[parent]

    def _parts(self, path: Path) -> tuple[str, ...]:
        return path.relative_to(self.folder).parts[:-1]


def letters(name: str) -> str:
    """The letters and digits of a name, in small letters: folders often have other signs than the annotations."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _without_endings(name: str) -> str:
    """The name without its ending, or without two: downloads are often called ``id.mp4.mkv``."""
    stem, _ = os.path.splitext(name)
    before, ending = os.path.splitext(stem)
    return before if ending.lower() in VIDEO_ENDINGS and before else stem


def first_of(names: Sequence[str], count: int = 3) -> str:
    """A few names and how many more there are."""
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:count])
    return f"{shown}{f' and {len(names) - count} more' if len(names) > count else ''}"
