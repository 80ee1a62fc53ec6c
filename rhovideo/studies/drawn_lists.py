"""Lists that a study draws: a part of a data set's training list, and the data set's other lists beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import write_text
from rhovideo.data.curation.source_list import copy_list
from rhovideo.data.curation.subsets import subset_list
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.errors import JobError, WriteError
from rhovideo.protocols.known_datasets import reader
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.lock import held_to_write
from rhovideo.studies.study_file import Subset

_DRAWN = "train.csv"
_WHOLE = ("val.csv", "test.csv")
# Written last: what the lists were drawn from, and how.
_RECEIPT = "drawn.json"


def draw_lists(subset: Subset, source: Path, folder: Path, *, renew: bool = False) -> None:
    """Write a part of a training list, and copies of the lists for validation and test, with paths from their folder.

    What is there and was drawn in the same way stays as it is; a list that was removed is written again.

    Args:
        subset: what is drawn.
        source: the folder of the data set's lists.
        folder: the new lists'; made if missing. Other commands that draw beside it are waited for.
        renew: draw again what was drawn from other lists, or in another way.

    Raises:
        JobError: the data set has fewer videos, or lists of frames, or no labels to balance; or other lists are there.
        ManifestError: a list cannot be used.
        FileNotFoundError: the data set has no training list.
    """
    if reader(source) != "kinetics":
        raise JobError(f"{source} has lists of frames, and a part can only be drawn of a list of video files")
    receipt = _receipt(subset, source)
    with held_to_write(folder.parent):
        before = _read(folder / _RECEIPT)
        if before is not None and before != receipt and not renew:
            raise JobError(
                f"{folder} was drawn from other lists, or with another number, SEED or BALANCED: give the list another "
                "name, or remove the folder, and the same command draws it again"
            )
        _write(subset, source, folder, all_anew=before != receipt)
        write_text(folder / _RECEIPT, json.dumps(receipt, indent=1) + "\n")


def _write(subset: Subset, source: Path, folder: Path, *, all_anew: bool) -> None:
    """Write the lists that are missing, or all of them."""
    if all_anew or not (folder / _DRAWN).exists():
        _draw(subset, source / _DRAWN, folder / _DRAWN)
    for name in _WHOLE:
        if (source / name).exists() and (all_anew or not (folder / name).exists()):
            copy_list(source / name, folder / name, force=True)


def _draw(subset: Subset, source: Path, out: Path) -> None:
    try:
        subset_list(source, out, subset.videos, balanced=subset.balanced, seed=subset.seed, force=True)
    except (ManifestError, WriteError):
        raise
    except JobError as error:
        place = f"SUBSETS {out.parent.name} of a study: {subset.videos:,} VIDEOS of {subset.of} cannot be drawn"
        raise JobError(f"{place}: {error} (VIDEOS and BALANCED are these --number and --balanced)") from None


def _receipt(subset: Subset, source: Path) -> dict[str, Any]:
    names = [name for name in (_DRAWN, *_WHOLE) if (source / name).is_file()]
    return {**asdict(subset), "lists": {name: file_sha256(source / name) for name in names}}


def _read(path: Path) -> Any:
    """What an earlier draw has left; None where there is none, or one that was cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
