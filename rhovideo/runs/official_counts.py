"""official.json beside lists: how many of a data set's official videos each list has. Without torch.

A count is filed under the hash (SHA-256) of the list's content. So it stays with a list that is renamed, or copied with
its folder, and it can never be shown for a list that was changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import write_text
from rhovideo.runs.file_hash import file_sha256

FILE = "official.json"


@dataclass(frozen=True)
class OfficialCount:
    """The official videos that a list has.

    Attributes:
        dataset: the name of the data set, such as "Kinetics-400".
        split: its split in the owners' words, such as "validation".
        listed: the videos of the list, all of them official.
        official: the videos of the split in the owners' annotations.
    """

    dataset: str
    split: str
    listed: int
    official: int

    def __str__(self) -> str:
        return f"{self.listed:,} of {self.official:,} official videos ({self.dataset}, {self.split})"


def read_official_count(csv: str | Path, sha256: str | None = None) -> OfficialCount | None:
    """The count of a list; None if official.json in its folder has none for its content, or cannot be read.

    Args:
        csv: the list.
        sha256: of its content; None: it is read.
    """
    known = _read(Path(csv).with_name(FILE))
    if not known:
        return None
    return as_official_count(known.get(sha256 or file_sha256(Path(csv))))


def as_official_count(values: Any) -> OfficialCount | None:
    """A count from its values, as ``dataclasses.asdict`` gives them; None if they are none."""
    names = [one.name for one in fields(OfficialCount)]
    if not isinstance(values, Mapping) or not set(names) <= values.keys():
        return None
    return OfficialCount(**{name: values[name] for name in names})


def add_official_counts(counts: Mapping[Path, OfficialCount]) -> None:
    """File the counts of lists that are there, in the official.json of their folders.

    Raises:
        WriteError: a folder cannot be written to.
    """
    for folder in {csv.parent for csv in counts}:
        new = {file_sha256(csv): asdict(count) for csv, count in counts.items() if csv.parent == folder}
        write_text(folder / FILE, json.dumps({"lists": {**_read(folder / FILE), **new}}, indent=1) + "\n")


def _read(file: Path) -> dict[str, Any]:
    """The values by the hash of a list; empty without a file that can be read."""
    if not file.is_file():  # a pipe would be waited for
        return {}
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))["lists"]
        return dict(lists)
    except (OSError, ValueError, TypeError, LookupError):
        return {}
