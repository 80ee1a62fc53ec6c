"""Opening a list that no configuration describes, for commands that take the file alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.list_mistakes import first_lines
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.multi_label.video_lists import LabelSetManifest

# Numbers in quotes at the end, or nothing in them; a path may be in quotes too.
_LABEL_SET = re.compile(r"""("[\d\s,]*"|'[\d\s,]*')$""")


def open_any_list(
    csv: str | os.PathLike[str],
    *,
    separator: str = " ",
    prefix: str = "",
    skip_rows: int = 0,
    cache_dir: str | os.PathLike[str] = "",
) -> Manifest:
    """Open a list of video files, with a label each, several or none.

    Args:
        csv: the list.
        separator: as of :meth:`rhovideo.data.lists.manifest.Manifest.open`, as all that follow.
        prefix: where relative paths start.
        skip_rows: lines to leave out at the top.
        cache_dir: folder of the packed list.

    Returns:
        The videos.

    Raises:
        ManifestError: it is a folder, or cannot be used.
        FileNotFoundError: there is no such list.
    """
    path = Path(csv)
    if path.is_dir():
        raise ManifestError(f"{csv} is a folder: write one of its lists, {path / 'train.csv'}")
    if path.is_file() and has_label_sets(path, skip_rows):
        return LabelSetManifest.open(path, separator=separator, prefix=prefix, skip_rows=skip_rows, cache_dir=cache_dir)
    return Manifest.open(path, separator=separator, prefix=prefix, skip_rows=skip_rows, cache_dir=cache_dir)


def has_label_sets(csv: Path, skip_rows: int = 0) -> bool:
    """True if the first row ends with labels in quotes, such as ``"3,9,21"``."""
    lines = first_lines(csv, skip_rows)
    return bool(lines) and _LABEL_SET.search(lines[0].text) is not None
