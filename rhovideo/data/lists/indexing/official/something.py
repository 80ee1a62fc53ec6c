"""Something-Something V2 from the owners' JSON files."""

from __future__ import annotations

import os
from pathlib import Path

from rhovideo.data.lists.classes.template_labels import read_labels, read_templates
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary
from rhovideo.data.lists.indexing.official.annotations import first_there
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, VideoFiles

_SOURCE = "Something-Something's labels"
_PREFIX = "something-something-v2-"


def index_ssv2(
    videos: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> IndexSummary:
    """Write train.csv, val.csv and test.csv of the videos of Something-Something V2 that are there.

    test.csv equals val.csv: the labels of the test videos are not public.

    Args:
        videos: folder of the files ``78687.webm`` (or .mp4 and the like).
        labels: folder of ``something-something-v2-{train,validation,labels}.json``, or of ``{train,...}.json``.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The summary.

    Raises:
        IndexingError: a file is missing, or no video of it is there.
        ManifestError: a JSON file is wrong.
    """
    folder, out_dir = Path(labels), Path(out_dir)
    files = {
        name: first_there(folder, (f"{_PREFIX}{name}.json", f"{name}.json"), _SOURCE)
        for name in ("labels", "train", "validation")
    }
    if any(out_dir.glob(f"{_PREFIX}*.json")):
        raise IndexingError(
            f"{out_dir} holds {_PREFIX}*.json, with which lists are taken for lists of frames: write another --out"
        )
    names = read_templates(files["labels"])
    parts = []
    for split, owners in (("train", "train"), ("val", "validation")):
        found = read_labels(files[owners], files["labels"])
        unknown = [video for video, label in found.items() if label == NO_LABEL]
        if unknown:
            raise IndexingError(
                f"{files[owners]}: the template of video {unknown[0]} is not in {files['labels']} ({len(unknown)} such "
                "videos): give files of one release"
            )
        parts.append(OfficialSplit(split, owners, [OfficialVideo(v, names[k], k) for v, k in found.items()]))
    official = OfficialSet("Something-Something V2", parts, names, same={"test": "val"})
    return write_official_lists(official, VideoFiles(Path(videos)), out_dir, force=force)
