"""Videos that are in several lists, or several times in one: by their path, and in short lists by their content too.

Without torch.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

# Videos of all lists together whose content is compared, and whose paths are.
MOST_CONTENTS = 5_000
MOST_PATHS = 1_000_000
_FIRST, _PIECE = 2**16, 2**22


def video_ids(lists: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray] | None:
    """Number the videos of some lists, so that one video has one number wherever it is listed.

    Paths are the same if they lead to the same file. Up to 5,000 videos, two files with the same bytes are one video
    too: their sizes are compared first, and only files of one size are read. A file that is not there is known by its
    path. From a million videos on nothing is compared.

    Args:
        lists: absolute paths by the name of the list.

    Returns:
        int64 [N] for each list, equal where the video is the same; of this process alone. None if there are too many.
    """
    total = sum(map(len, lists.values()))
    if total > MOST_PATHS:
        return None
    few = total <= MOST_CONTENTS
    folders: dict[str, str] = {}
    keys = {name: [_resolved(path, folders, few) for path in paths] for name, paths in lists.items()}
    copies = _copies({key for own in keys.values() for key in own}) if few else {}
    return {
        name: np.fromiter((hash(copies.get(key, key)) for key in own), np.int64, len(own)) for name, own in keys.items()
    }


def _resolved(path: str, folders: dict[str, str], whole: bool) -> str:
    """The path without links; in long lists only the links of folders are followed, each folder once."""
    if whole:
        return os.path.realpath(path)
    folder, _, name = path.rpartition(os.sep)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or os.sep)
    return f"{folders[folder]}{os.sep}{name}"


def _copies(paths: set[str]) -> dict[str, bytes]:
    """Digests of the files that have another one with the same size and the same first bytes."""
    alike = _groups(paths, _size)
    alike = [group for one in alike for group in _groups(one, _start)]
    return {path: digest for group in alike for path in group if (digest := _digest(path))}


def _groups(paths: Iterable[str], key: Callable[[str], object]) -> list[list[str]]:
    """The paths with an equal key, which is false where a file cannot be read; without those that are alone."""
    groups: dict[object, list[str]] = defaultdict(list)
    for path in paths:
        if value := key(path):
            groups[value].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size if os.path.isfile(path) else 0
    except (OSError, ValueError):
        return 0


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read(_FIRST)).digest()
    except OSError:
        return b""


def _digest(path: str) -> bytes:
    """The digest of a file; empty if it cannot be read, which is counted where it is decoded."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError:
        return b""
    return digest.digest()
