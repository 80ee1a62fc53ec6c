"""The sizes of the listed videos, by which a start finds files that were replaced under their old names. Without torch.

A result depends on the videos too, but to read them all at each start would take hours. So their sizes in bytes are
kept, and compared: OUTPUT_DIR/video_sizes.npz holds ``SPLIT_rows`` and ``SPLIT_sizes`` (int64, -1 for a file that is
not there), inputs.json what they are in sum. Of a list of more than 100,000 videos that many are looked at, drawn by
the content of the list. Lists of frames, URLs and registered data sets are not looked at.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.atomic_files import written_whole
from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.pyslowfast.translation import reads_frame_lists
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.opening import open_video_list
from rhovideo.runs.folder import VIDEO_SIZES_FILE
from rhovideo.runs.inputs import Input, VideoSizes

# Videos of a list whose sizes are looked at.
MOST_VIDEOS = 100_000
_MISSING = -1
# A network file system answers many questions at once.
_THREADS, _AT_A_TIME = 32, 512
_NAMED = 3
# Rows and sizes, as of SizesOfList.
_Recorded: TypeAlias = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class SizesOfList:
    """The sizes of a list's videos.

    Attributes:
        rows: int64 [n], the rows that were looked at, in order.
        sizes: int64 [n], in bytes; -1 for a file that is not there.
        summary: the same in sum.
    """

    rows: np.ndarray
    sizes: np.ndarray
    summary: VideoSizes


@dataclass
class Compared:
    """Inputs that are others than the recorded ones.

    Attributes:
        differences: what differs, in words.
        notes: what could not be compared.
    """

    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_at_videos(cfg: CfgNode, inputs: Sequence[Input]) -> dict[str, SizesOfList]:
    """Ask for the sizes of the videos of each list.

    Args:
        cfg: of the job that reads the lists.
        inputs: of the job; other files than lists are passed over.

    Returns:
        The sizes by split. A list that cannot be read has none, since its own check tells what is wrong.
    """
    found: dict[str, SizesOfList] = {}
    if lists_itself(cfg) or reads_frame_lists(cfg):
        return found
    for item in inputs:
        if not item.split:
            continue
        try:
            found[item.split] = _look(open_video_list(cfg, item.split), item.sha256)
        except (ManifestError, OSError):
            continue
    return found


def with_sizes(inputs: Sequence[Input], sizes: Mapping[str, SizesOfList]) -> list[Input]:
    """The inputs, the lists of them with what their videos are in sum."""
    return [replace(item, videos=sizes[item.split].summary) if item.split in sizes else item for item in inputs]


def write_sizes(folder: str | Path, sizes: Mapping[str, SizesOfList]) -> None:
    """Write the sizes into a run folder, which must exist; nothing where no list was looked at."""
    if not sizes:
        return
    arrays: dict[str, Any] = {}
    for split, found in sizes.items():
        arrays |= {f"{split}_rows": found.rows, f"{split}_sizes": found.sizes}
    with written_whole(Path(folder) / VIDEO_SIZES_FILE) as file:
        np.savez_compressed(file, **arrays)


def compare_videos(
    cfg: CfgNode, folder: Path, before: Sequence[Input], now: Sequence[Input], sizes: Mapping[str, SizesOfList]
) -> Compared:
    """Compare the sizes of videos with those that a run folder has on record.

    Only lists that are still the same are compared. A video that is gone is no difference: it may be on a disk that
    this machine does not have, and nothing says that it has changed.

    Args:
        cfg: of the job.
        folder: its run folder.
        before: the recorded inputs.
        now: the inputs of this start.
        sizes: of the videos now.
    """
    compared, contents = Compared(), {item.role: item.sha256 for item in now}
    recorded = _read_sizes(folder)
    for item in before:
        if item.split not in sizes or contents.get(item.role) != item.sha256:
            continue
        here = sizes[item.split]
        if item.videos is None:
            compared.notes.append(f"{folder}: the sizes of the videos of the {item.role} are not on record there")
        elif item.split in recorded:
            _compare(cfg, item, recorded[item.split], here, compared)
        elif here.summary.sha256 != item.videos.sha256:
            compared.differences.append(
                f"videos of the {item.role} have another size than when it was measured on; {VIDEO_SIZES_FILE}, which "
                "would name them, is gone or damaged"
            )
    return compared


def _compare(cfg: CfgNode, item: Input, before: _Recorded, now: SizesOfList, into: Compared) -> None:
    _, old, new = np.intersect1d(before[0], now.rows, assume_unique=True, return_indices=True)
    was, are = before[1][old], now.sizes[new]
    part = f" that were looked at (it lists {now.summary.listed})" if _is_part(now) else ""
    total = f"{len(are)} videos of the {item.role}{part}"
    gone, other = (are == _MISSING) & (was != _MISSING), (are != was) & (are != _MISSING)
    if gone.any():
        into.notes.append(
            f"{gone.sum()} of the {total} {'is' if gone.sum() == 1 else 'are'} not there now, so it is not known "
            "whether they are still the same"
        )
    if not other.any():
        return
    manifest = open_video_list(cfg, item.split)
    named = []
    for place in np.flatnonzero(other)[:_NAMED]:
        name = _as_listed(manifest.path(int(now.rows[new[place]])), manifest)
        named.append(f"{name} ({_in_bytes(was[place])} → {_in_bytes(are[place])} bytes)")
    more = f" and {other.sum() - _NAMED} more" if other.sum() > _NAMED else ""
    into.differences.append(
        f"{other.sum()} of the {total} {'has' if other.sum() == 1 else 'have'} another size than when it was measured "
        f"on: {', '.join(named)}{more}"
    )


def _is_part(found: SizesOfList) -> bool:
    return found.summary.looked_at + found.summary.remote < found.summary.listed


def _in_bytes(size: int) -> str:
    return "missing" if size == _MISSING else str(size)


def _look(manifest: Manifest, content: str) -> SizesOfList:
    """Ask for the sizes of a list's videos.

    Args:
        manifest: the list.
        content: the hash of the list, by which rows of a long one are drawn.
    """
    listed = len(manifest)
    rows = np.arange(listed)
    if listed > MOST_VIDEOS:
        drawn = np.random.default_rng(int(content[:16], 16)).choice(listed, MOST_VIDEOS, replace=False)
        rows = np.sort(drawn)
    parts = [rows[first : first + _AT_A_TIME] for first in range(0, len(rows), _AT_A_TIME)]
    with ThreadPoolExecutor(min(_THREADS, len(parts))) as pool:
        found = [video for part in pool.map(lambda part: list(_sizes(manifest, part)), parts) for video in part]
    local = np.array([size is not None for _, size in found], bool)
    sizes = np.array([size for _, size in found if size is not None], np.int64)
    digest = hashlib.sha256()
    for name, size in found:
        digest.update(os.fsencode(f"{name}\0{size}\n"))
    there = sizes[sizes != _MISSING]
    summary = VideoSizes(
        listed=listed,
        looked_at=len(sizes),
        missing=len(sizes) - len(there),
        remote=int((~local).sum()),
        bytes=int(there.sum()),
        sha256=digest.hexdigest(),
    )
    return SizesOfList(rows[local].astype(np.int64), sizes, summary)


def _sizes(manifest: Manifest, rows: np.ndarray) -> Iterator[tuple[str, int | None]]:
    """The name of each video as it is listed, and its size: -1 if it is not there, None for a URL."""
    for row in rows.tolist():
        path = manifest.path(row)
        name = _as_listed(path, manifest)
        if "://" in name:
            yield name, None
            continue
        try:
            yield name, os.stat(path).st_size
        except (OSError, ValueError):
            yield name, _MISSING


def _as_listed(path: str, manifest: Manifest) -> str:
    return path.removeprefix(f"{manifest.root}{os.sep}")


def _read_sizes(folder: Path) -> dict[str, _Recorded]:
    """The recorded rows and sizes by split; empty where there are none, or where they cannot be read."""
    found: dict[str, _Recorded] = {}
    try:
        with np.load(folder / VIDEO_SIZES_FILE) as arrays:
            for name in arrays.files:
                split = name.removesuffix("_rows")
                if split != name:
                    found[split] = arrays[name], arrays[f"{split}_sizes"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    return found
