"""Kinetics-400, -600 and -700 from the owners' annotation lists."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rhovideo.data.lists.classes.class_files import read_class_file
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary
from rhovideo.data.lists.indexing.official.annotations import check_order, read_json, read_table, whole_number
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, Place, VideoFiles

HEADER = "label,youtube_id,time_start,time_end,split"
_SOURCE = "an annotation list of Kinetics"
_OWNERS = {"train": "train", "val": "validation", "test": "test"}
_SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
_SPLIT_IN_NAME = re.compile(r"(?<![a-z])(train|validate|validation|val|test)(?![a-z])")
_STAMPED = re.compile(r"(.+)_\d+_\d+")
_EDITIONS = (400, 600, 700)


class Segment(NamedTuple):
    """A row of an annotation list.

    Attributes:
        video: the YouTube id.
        start, end: seconds.
        label: the name of the class; empty in a test list whose labels are held back.
        split: "train", "val" or "test".
    """

    video: str
    start: int
    end: int
    label: str
    split: str

    @property
    def name(self) -> str:
        """As the owners' program names the file."""
        return f"{self.video}_{self.start:06d}_{self.end:06d}"


def index_kinetics(
    videos: str | os.PathLike[str],
    annotations: Sequence[str | os.PathLike[str]],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
    class_file: str | os.PathLike[str] | None = None,
) -> IndexSummary:
    """Write train.csv, val.csv and test.csv of the videos of Kinetics that are there.

    test.csv equals val.csv, on which the published figures are measured; with the test list alone it lists its videos.
    A file may be called ``id_000010_000020.mp4`` or ``id.mp4``, in class folders, split folders or none.

    Args:
        videos: their folder.
        annotations: CSV files with the columns ``label,youtube_id,time_start,time_end`` (and ``split``), the owners'
            JSON files, or a folder of them.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.
        class_file: fixes the numbers of the classes; None: the order of their names.

    Returns:
        The summary.

    Raises:
        IndexingError: an annotation list is wrong, or no video of it is there.
        ManifestError: ``class_file`` cannot be used.
    """
    sources = list(_files(annotations))
    _refuse_to_replace(sources, Path(out_dir))
    segments = [segment for file in sources for segment in _read(file)]
    classes = sorted({segment.label for segment in segments if segment.label})
    number = {name: label for label, name in enumerate(classes)}
    if class_file is not None:
        number = _given_numbers(read_class_file(class_file), classes, class_file)
        classes = read_class_file(class_file)
    files = VideoFiles(Path(videos), classes)
    splits = {segment.split for segment in segments}
    listed: list[str] = [split for split in ("train", "val") if split in splits] or ["test"]
    of_video = Counter(segment.video for segment in dict.fromkeys(segments))
    parts = []
    for split in listed:
        rows = [segment for segment in segments if segment.split == split]
        found = [_video(row, number.get(row.label, NO_LABEL), of_video[row.video] == 1) for row in rows]
        parts.append(OfficialSplit(split, _OWNERS[split], found))
    same = {"test": "val"} if "val" in listed else {}
    others = _ids_with_other_times(files.names())

    def why(video: OfficialVideo) -> str:
        """A download of another edition may have other seconds of the same video."""
        stamped = _STAMPED.fullmatch(video.name)
        if stamped and stamped[1] in files.names():
            return "a file without seconds, in no folder of this class, and the id is in several rows"
        return "a file of other seconds of this video" if stamped and stamped[1] in others else ""

    official = OfficialSet(_edition(classes), parts, classes, list(_notes(segments, listed)), same, why)
    return write_official_lists(official, files, out_dir, force=force)


def _files(annotations: Sequence[str | os.PathLike[str]]) -> Iterator[Path]:
    for given in map(Path, annotations):
        if not given.is_dir():
            yield given
            continue
        inside = [path for path in sorted(given.iterdir()) if path.suffix.lower() == ".csv"]
        inside = inside or [path for path in sorted(given.iterdir()) if path.suffix.lower() == ".json"]
        if not inside:
            raise IndexingError(f"{given} has no annotation list: it must be a CSV file that begins with `{HEADER}`")
        yield from inside


def _refuse_to_replace(sources: Sequence[Path], out_dir: Path) -> None:
    """Lists and annotations are both called train.csv.

    Raises:
        IndexingError: an annotation list lies where a list would be written.
    """
    lists = {os.path.realpath(out_dir / f"{split}.csv") for split in _OWNERS}
    for file in sources:
        if os.path.realpath(file) in lists:
            raise IndexingError(
                f"{file} is the owners' annotation list, which a list would replace: write another --out"
            )


def _read(file: Path) -> Iterator[Segment]:
    empty = True
    for segment in _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file):
        empty = False
        if len(segment.label.splitlines()) > 1:
            raise IndexingError(f"{file}: {segment.name} has a label of several lines: write the class in one line")
        if not segment.label and segment.split != "test":
            raise IndexingError(f"{file}: {segment.name} has no label: only a test list may lack them")
        yield segment
    if empty:
        raise IndexingError(
            f"{file}: lists no video: {_SOURCE} has `{HEADER}` on line 1, and a video on each other line"
        )


def _read_csv(file: Path) -> Iterator[Segment]:
    for line, row in read_table(file, ("youtube_id", "time_start", "time_end"), HEADER, _SOURCE):
        place = f"line {line}"
        split = _split(row.get("split") or _named_split(file), file, place)
        if not row["youtube_id"] or "/" in row["youtube_id"]:
            raise IndexingError(f"{file}, {place}: the youtube_id is {row['youtube_id']!r}: write an id of 11 signs")
        times = [whole_number(row[name], file, place, name) for name in ("time_start", "time_end")]
        check_order(times[0], times[1], file, place, f"{row['youtube_id']!r}")
        yield Segment(row["youtube_id"], times[0], times[1], row.get("label", ""), split)


def _read_json(file: Path) -> Iterator[Segment]:
    """The owners' JSON: ``{"id": {"annotations": {"label": ..., "segment": [10.0, 20.0]}, "subset": "validate"}}``."""
    values = read_json(file, _SOURCE)
    for video, found in values.items() if isinstance(values, dict) else ():
        try:
            what = found["annotations"]
            first, last = what["segment"]
            label, subset = str(what.get("label", "")), str(found["subset"])
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            example = '{"annotations": {"label": "abseiling", "segment": [10.0, 20.0]}, "subset": "train"}'
            raise IndexingError(f"{file}: the entry of {video!r} is not like {example}") from error
        place = f"the entry of {video!r}"
        start, end = (whole_number(time, file, place, "segment") for time in (first, last))
        check_order(start, end, file, place, "its segment")
        yield Segment(video, start, end, label, _split(subset, file, place))


def _named_split(file: Path) -> str:
    found = _SPLIT_IN_NAME.findall(file.stem.lower())
    return found[-1] if found else ""


def _split(name: str, file: Path, place: str) -> str:
    if name.lower() not in _SPLITS:
        raise IndexingError(
            f"{file}, {place}: the split is {name!r}: write train, validate or test in the column split"
        )
    return _SPLITS[name.lower()]


def _video(row: Segment, label: int, alone: bool) -> OfficialVideo:
    """The names of a row's file; a name without time stamps is clear only if the id is in one row."""
    names = (
        (row.name, Place.ANY),
        (f"{row.video}_{row.start}_{row.end}", Place.ANY),
        (row.video, Place.ANY if alone else Place.OWN_CLASS),
    )
    return OfficialVideo(row.name, row.label, label, names)


def _ids_with_other_times(names: Iterable[str]) -> set[str]:
    return {stamped[1] for stamped in map(_STAMPED.fullmatch, names) if stamped}


def _edition(classes: Sequence[str]) -> str:
    return f"Kinetics-{len(classes)}" if len(classes) in _EDITIONS else "Kinetics"


def _given_numbers(names: Sequence[str], classes: Sequence[str], file: str | os.PathLike[str]) -> dict[str, int]:
    unknown = [name for name in classes if name not in names]
    if unknown:
        raise IndexingError(
            f"{file} has no class {unknown[0]!r} ({len(unknown)} are missing): write all classes into it"
        )
    return {name: label for label, name in enumerate(names) if name}


def _notes(segments: Sequence[Segment], listed: Sequence[str]) -> Iterator[str]:
    tests = sum(segment.split == "test" for segment in segments) if "test" not in listed else 0
    if tests:
        yield (
            f"the {tests:,} official test videos are in no list, since published figures are of the validation videos; "
            "to list them, give their annotation list alone"
        )
