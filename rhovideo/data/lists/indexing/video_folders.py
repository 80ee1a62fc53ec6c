"""The videos below a folder: its splits, what is no video, and videos that lie outside of the class folders."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SPLITS = ("train", "val", "test")
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "validationset"), "val"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
# Words that stand next to a split's in names of folders, such as train_256, videos_val and k400-test. A number is one.
_WITH_SPLITS = re.compile(r"videos?|clips?|data|set|split|avi|mp4|(k|kinetics)\d*|ucf\d+|hmdb\d+|ssv\d|raw|\d+p?")
# Files that systems leave behind, and those that indexing and scanning write.
_NOT_NAMED = re.compile(
    r"thumbs\.db|desktop\.ini|(train|val|test)(\.clean)?\.csv|\w+\.(broken|footage)\.jsonl|classes\.txt|missing\.csv|"
    r"official\.json",
    re.I,
)
# So many videos outside of the class folders are left out; more mean that the folders are no classes.
_MOST_STRAYS = 0.1


@dataclass
class Skipped:
    """The files below a folder that are not listed.

    Attributes:
        endings: the number of files that are no videos, by the ending of their names.
        examples: one of these files, by ending.
        left_out: videos and folders, each with the reason.
    """

    endings: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, path: Path, root: Path) -> None:
        """Count a file that is no video."""
        ending = "hidden" if path.name.startswith(".") else path.suffix.lower() or "without an ending"
        self.endings[ending] += 1
        example = os.fspath(path.relative_to(root))
        self.examples.setdefault(ending, example if "\n" not in example else repr(example))

    def note(self) -> list[str]:
        """One line on the files that are no videos; none if there are none."""
        if not self.endings:
            return []
        kinds = [f"{count} {ending} ({self.examples[ending]})" for ending, count in self.endings.most_common()]
        total = self.endings.total()
        files = f"{total} files that are no videos" if total > 1 else "a file that is no video"
        return [f"skipped {files}: {', '.join(kinds)}"]


class TwoFoldersError(ValueError):
    """Two folders look like one split; the message names them."""


def split_of(name: str) -> str | None:
    """The split that the name of a folder stands for, such as ``val`` for Validation, videos_val and val_256.

    Args:
        name: of the folder.

    Returns:
        "train", "val" or "test"; None for any other folder.
    """
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    splits = [_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS]
    others = [word for word in words if word not in _SPLIT_WORDS]
    return splits[0] if len(splits) == 1 and all(map(_WITH_SPLITS.fullmatch, others)) else None


def find_splits(folder: Path, endings: tuple[str, ...], skipped: Skipped) -> tuple[dict[str, Path], list[str]]:
    """Find the folder of each split.

    Sub-folders are splits if two or more are named so, or if no other sub-folder holds videos. Otherwise the whole
    folder is "train".

    Args:
        folder: of the videos.
        endings: of video files, in small letters.
        skipped: gets the videos that lie next to the splits.

    Returns:
        The folder of each split, and lines that say what was taken for what.

    Raises:
        TwoFoldersError: two folders look like one split.
    """
    children = [child for child in sorted(folder.iterdir()) if not child.name.startswith(".")]
    named: dict[str, Path] = {}
    others: list[Path] = []
    notes: list[str] = []
    for child in filter(Path.is_dir, children):
        split = split_of(child.name)
        if split is not None and split in named:
            raise TwoFoldersError(f"{named[split]} and {child} both look like the split {split}: keep one of them")
        if next(_videos(child, endings, Skipped()), None) is None:
            notes += [f"{child.name} is named like a split and holds no video"] if split else []
        elif split is not None:
            named[split] = child
        else:
            others.append(child)
    if not named or (len(named) == 1 and others):
        if named:
            (taken,) = named.values()
            notes.append(f"{taken.name} is taken for a class, since {_some(others)} are next to it")
        return {"train": folder}, notes
    roots = {split: named[split] for split in SPLITS if split in named}
    notes.append(f"splits: {', '.join(f'{root.name} is {split}' for split, root in roots.items())}")
    notes += [] if "train" in roots else ["there is no folder for train: train.csv is empty"]
    for other in others:
        count = sum(1 for _ in _videos(other, endings, Skipped()))
        skipped.left_out.append(f"{other}: a folder next to the splits, with {count} video{'s' * (count > 1)}")
    for child in children:
        if child.is_file() and child.name.lower().endswith(endings):
            skipped.left_out.append(f"{child}: a video next to the splits")
        elif child.is_file():
            skipped.add(child, folder)
    return roots, notes


def find_videos(root: Path, endings: tuple[str, ...], skipped: Skipped) -> list[Path]:
    """The videos below a folder, in the order of their paths.

    Args:
        root: the folder.
        endings: of video files, in small letters.
        skipped: gets the files that are not listed.

    Returns:
        Their paths, which begin with ``root``.
    """
    return sorted(_videos(root, endings, skipped), key=lambda path: os.fsencode(path.relative_to(root)))


def take_out_strays(
    found: Mapping[str, list[Path]], roots: Mapping[str, Path], skipped: Skipped
) -> dict[str, list[Path]]:
    """Leave out the few videos that lie outside of the class folders.

    Args:
        found: the videos of each split.
        roots: the folder of each split.
        skipped: gets the videos that are left out, with the reason.

    Returns:
        The videos that are left; all of them, where the folders are no classes.
    """
    loose = {split: [path for path in videos if path.parent == roots[split]] for split, videos in found.items()}
    count, total = sum(map(len, loose.values())), sum(map(len, found.values()))
    folders = {path.relative_to(roots[split]).parts[0] for split in found for path in found[split]} if count else set()
    classes = len(folders) - len({path.name for paths in loose.values() for path in paths})
    if not 0 < count <= max(_MOST_STRAYS * total, 1) or classes < 2:
        return dict(found)
    skipped.left_out += [f"{path}: not in a class folder" for paths in loose.values() for path in paths]
    return {split: [path for path in videos if path.parent != roots[split]] for split, videos in found.items()}


def class_notes(
    found: Mapping[str, list[Path]], roots: Mapping[str, Path], classes: Sequence[str], asked: bool | None
) -> list[str]:
    """Lines on what was taken for a class, and what was not.

    Args:
        found: the videos of each split.
        roots: the folder of each split.
        classes: the names; empty without labels.
        asked: False: labels were not wanted.
    """
    if asked is False:
        return []
    parts = {split: [path.relative_to(roots[split]).parts for path in videos] for split, videos in found.items()}
    every = [part for each in parts.values() for part in each]
    if not classes:
        return _why_without(every)
    notes = []
    empty = sorted({name for root in roots.values() for name in _folders(root)} - {part[0] for part in every})
    if empty:
        notes.append(f"folders without a video, which are no classes: {_some(empty)}")
    deep = [part for part in every if len(part) > 2]
    if deep:
        videos = "1 video lies" if len(deep) == 1 else f"{len(deep)} videos lie"
        notes.append(f"{videos} deeper than in a class folder, such as {'/'.join(deep[0])}: its class is {deep[0][0]}")
    trained = {part[0] for part in parts.get("train", [])}
    untrained = [name for name in classes if name not in trained]
    if trained and untrained:
        notes.append(f"classes without a training video: {_some(untrained)}")
    return notes


def _why_without(parts: Sequence[tuple[str, ...]]) -> list[str]:
    """The reason why folders are no classes, where there are folders."""
    loose = [part[0] for part in parts if len(part) == 1]
    folders = sorted({part[0] for part in parts if len(part) > 1})
    if loose and len(folders) > 1:
        where = f"{len(loose)} of {len(parts)} videos are in no folder, such as {loose[0]}"
        return [f"{_some(folders)} are no classes, since {where}"]
    inner = sorted({part[1] for part in parts if len(part) > 2})
    if not loose and len(folders) == 1 and len(inner) > 1:
        return [f"all videos are in {folders[0]}: if {_some(inner)} in it are classes, index that folder"]
    return []


def _some(names: Sequence[str | Path]) -> str:
    """A few names, and how many more there are."""
    shown = [name if name.isprintable() else repr(name) for name in (Path(name).name for name in names[:3])]
    return f"{', '.join(shown)}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def _folders(root: Path) -> Iterator[str]:
    return (child.name for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))


def _videos(root: Path, endings: tuple[str, ...], skipped: Skipped) -> Iterator[Path]:
    for path in _walk(root, skipped):
        if path.name.startswith(".") or not path.name.lower().endswith(endings):
            if not _is_of_no_interest(path, endings):
                skipped.add(path, root)
        elif any(c in str(path) for c in "\n\r\0"):
            skipped.left_out.append(f"{os.fspath(path)!r}: a list cannot hold a name with a line break")
        elif not path.is_file():
            skipped.left_out.append(f"{path}: a link to a file that does not exist")
        else:
            yield path


def _is_of_no_interest(path: Path, endings: tuple[str, ...]) -> bool:
    """True for hidden files that are not named like videos, and for those that systems and indexing write."""
    hidden = path.name.startswith(".") and not path.name.lower().endswith(endings)
    return hidden or bool(_NOT_NAMED.fullmatch(path.name))


def _walk(root: Path, skipped: Skipped) -> Iterator[Path]:
    """All files below ``root``, those of hidden folders excepted; links are followed, each folder is entered once."""
    entered: set[str] = set()

    def cannot(error: OSError) -> None:
        skipped.left_out.append(f"{error.filename}: a folder that cannot be read ({error.strerror})")

    for place, folders, files in os.walk(root, followlinks=True, onerror=cannot):
        real = os.path.realpath(place)
        if real in entered:
            skipped.left_out.append(f"{place}: the same folder as one already listed")
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files))
