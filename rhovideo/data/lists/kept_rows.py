"""Rows of a list that are still there after others were taken out. Without torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# Any odd number: it tells the second row with a name from the first.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class KeptRows:
    """The rows of a list from which others were taken out.

    Attributes:
        origin: int64 [N], the row of each video in the longer list; -1 for a video that it does not have.
        before: rows of the longer list.
    """

    origin: np.ndarray
    before: int

    @property
    def added(self) -> np.ndarray:
        """The rows that the longer list does not have, int64."""
        return np.flatnonzero(self.origin < 0)

    @property
    def unchanged(self) -> bool:
        """True if it is the same list."""
        return len(self.origin) == self.before and bool((self.origin == np.arange(self.before)).all())


def common_folder(paths: Iterable[str]) -> str:
    """The deepest folder that all videos are in; empty if there is none."""
    common: str | None = None
    for path in paths:
        folder = os.path.dirname(path)
        if common is None:
            common = folder
        elif folder != common and not folder.startswith(common + os.sep):
            common = _common(common, folder)
    return common or ""


def _common(first: str, second: str) -> str:
    try:
        return os.path.commonpath([first, second])
    except ValueError:  # one is absolute and the other is not
        return ""


def row_digests(names: Iterable[str], base: str) -> np.ndarray:
    """A number for each video, from its name below a folder, so that a list may move with its videos.

    Args:
        names: paths, or paths and labels.
        base: the folder; names outside of it are taken whole.

    Returns:
        uint64 [N].
    """
    start = base + os.sep
    short = (name[len(start) :] if base and name.startswith(start) else name for name in names)
    digests = (hashlib.blake2b(os.fsencode(name), digest_size=8).digest() for name in short)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def find_kept_rows(before: np.ndarray, now: np.ndarray) -> KeptRows:
    """Find each row of a list in an earlier one; of rows with the same name the first is the first one's.

    Args:
        before: uint64 [M], digests of the earlier list.
        now: uint64 [N], digests of this one.
    """
    old, new = _distinct(before), _distinct(now)
    order = np.argsort(old)
    places = np.minimum(np.searchsorted(old[order], new), max(len(old) - 1, 0))
    found = order[places] if len(old) else np.zeros(len(new), np.int64)
    same = old[found] == new if len(old) else np.zeros(len(new), bool)
    return KeptRows(np.where(same, found, -1).astype(np.int64), len(before))


def _distinct(digests: np.ndarray) -> np.ndarray:
    """Digests in which a repeated one is changed by how often it came before."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    first = np.searchsorted(ordered, ordered)
    distinct = np.empty_like(digests)
    distinct[order] = ordered + (np.arange(len(digests)) - first).astype(np.uint64) * _STRIDE
    return distinct


def fingerprint(digests: np.ndarray) -> str:
    """A short text for a list of these rows in this order."""
    return hashlib.sha256(digests.tobytes()).hexdigest()[:16]


def names_of(paths: Sequence[str], labels: Sequence[object] | None) -> list[str]:
    """The names that :func:`row_digests` takes, with labels where a change of one matters."""
    return list(paths) if labels is None else [f"{path} {label}" for path, label in zip(paths, labels, strict=True)]
