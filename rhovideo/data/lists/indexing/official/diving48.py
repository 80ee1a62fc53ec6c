"""Diving48 from the owners' JSON files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary
from rhovideo.data.lists.indexing.official.annotations import first_there, read_json, whole_number
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, VideoFiles

_SOURCE = "Diving48's annotations"
_EXAMPLE = '{"vid_name": "_8Vy3dlHg2w_00000", "label": 12, "start_frame": 0, "end_frame": 147}'


def index_diving48(
    videos: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> IndexSummary:
    """Write train.csv, val.csv and test.csv of the videos of Diving48 that are there; val.csv equals test.csv.

    Args:
        videos: folder of the files ``_8Vy3dlHg2w_00000.mp4``.
        annotations: folder of ``Diving48_V2_{train,test}.json`` (or V1's) and ``Diving48_vocab.json``.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The summary.

    Raises:
        IndexingError: a file is missing or wrong, or no video of it is there.
    """
    folder = Path(annotations)
    files = {
        split: first_there(folder, [f"Diving48_{part}{split}.json" for part in ("V2_", "")], _SOURCE)
        for split in ("train", "test")
    }
    if len({file.stem.count("V2") for file in files.values()}) > 1:
        raise IndexingError(
            f"{folder}: {files['train'].name} and {files['test'].name} are of two versions: add the other"
        )
    classes = _classes(first_there(folder, ["Diving48_vocab.json"], _SOURCE))
    parts = [OfficialSplit(split, split, list(_videos(file, classes))) for split, file in files.items()]
    version = "V2" if "V2" in files["train"].stem else "V1"
    official = OfficialSet(f"Diving48 {version}", parts, classes, same={"val": "test"})
    return write_official_lists(official, VideoFiles(Path(videos)), out_dir, force=force)


def _classes(file: Path) -> list[str]:
    """A class is a list of four words, such as ["Back", "15som", "05Twis", "FREE"]."""
    found = read_json(file, _SOURCE)
    if not isinstance(found, list) or not found or not all(isinstance(one, list | str) and one for one in found):
        raise IndexingError(f'{file}: is not a list of classes such as [["Back", "15som", "05Twis", "FREE"]]')
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in found]


def _videos(file: Path, classes: list[str]) -> Iterator[OfficialVideo]:
    found: Any = read_json(file, _SOURCE)
    if not isinstance(found, list) or not found:
        raise IndexingError(f"{file}: is not a list of videos such as [{_EXAMPLE}]")
    for place, video in enumerate(found):
        if not isinstance(video, dict) or not video.get("vid_name") or "label" not in video:
            raise IndexingError(f"{file}: video {place} of the list is {str(video)[:120]}; write {_EXAMPLE}")
        label = whole_number(video["label"], file, f"video {place} of the list", "label")
        if label >= len(classes):
            raise IndexingError(f"{file}: video {place} of the list has the label {label}, of {len(classes)} classes")
        yield OfficialVideo(str(video["vid_name"]), classes[label], label)
