"""A part of a list, drawn by a seed: balanced over the classes or as they are, and nested (figure 4 of the paper).

Every video gets a random number from the seed, its name and that of its folder, and a subset is the videos with the
smallest ones. So a smaller subset is inside each larger one of the same seed, also after other rows were taken out of
the list, and the draw is the same wherever the videos lie.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np

from rhovideo.data.curation.source_list import ListFormat, SourceList, check_output, write_part
from rhovideo.data.lists.classes.class_turns import class_turns
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.errors import JobError
from rhovideo.randomness import Stream

_PLAIN = ListFormat()


def subset_list(
    csv: str | os.PathLike[str],
    out: str | os.PathLike[str],
    number: int,
    how: ListFormat = _PLAIN,
    *,
    balanced: bool = False,
    seed: int = 0,
    force: bool = False,
) -> str:
    """Write a list of some of the videos, in their order.

    Args:
        csv: the list.
        out: the new list.
        number: of videos.
        how: both lists are written.
        balanced: as many of each class, as far as it has so many; False: drawn from all, so classes stay as they are.
        seed: of the draw.
        force: replace ``out`` if it exists.

    Returns:
        A line on the subset.

    Raises:
        JobError: the list has fewer videos, or no labels to balance, or ``out`` may not be written.
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
    """
    source = SourceList(csv, how)
    path = check_output(out, [source.csv], force=force)
    if not 1 <= number <= len(source):
        raise JobError(
            f"{source.csv} has {len(source):,} videos: write a --number from 1 to {len(source)}, not {number}"
        )
    labels = source.manifest.labels
    if balanced and (labels == NO_LABEL).any():
        without = int((labels == NO_LABEL).sum())
        raise JobError(f"{source.csv}: {without:,} of {len(source):,} videos have no label, by which --balanced draws")
    paths = (os.path.normpath(source.manifest.path(row)) for row in range(len(source)))
    keys = np.array([_random_number(seed, "/".join(path.rsplit("/", 2)[-2:])) for path in paths], np.uint64)
    taken = np.zeros(len(source), bool)
    taken[drawing_order(keys, labels if balanced else None)[:number]] = True
    write_part(path, source, taken.tolist())
    counts = np.unique(labels[taken & (labels != NO_LABEL)], return_counts=True)[1]
    classes = f"; {len(counts):,} classes, of {counts.min():,} to {counts.max():,} videos" if len(counts) else ""
    return f"{path}: {number:,} of {len(source):,} videos, drawn with seed {seed}{classes}"


def drawing_order(keys: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """The order in which videos are drawn.

    Args:
        keys: uint64 [N], random numbers.
        labels: int64 [N]: the first video of each class comes before the second one of any; None: the smallest first.

    Returns:
        int64 [N], rows.
    """
    order = np.argsort(keys, kind="stable")
    if labels is None:
        return order
    return order[np.argsort(class_turns(labels[order]), kind="stable")]


def _random_number(seed: int, name: str) -> int:
    """64 bits from a seed and a name."""
    content = f"{int(Stream.SUBSET)} {seed} ".encode() + os.fsencode(name)
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
