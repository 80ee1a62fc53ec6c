"""The three official splits of UCF101 and of HMDB51 as lists of videos."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhovideo.data.lists.indexing.folder_index import IndexingError, IndexSummary, refuse_to_overwrite
from rhovideo.data.lists.indexing.official.annotations import read_lines
from rhovideo.data.lists.indexing.official.lists import OfficialSet, OfficialSplit, write_official_lists
from rhovideo.data.lists.indexing.official.video_files import OfficialVideo, Place, VideoFiles

_UCF101 = "UCF101's ucfTrainTestlist"
_HMDB51 = "HMDB51's testTrainMulti_7030_splits"


def index_ucf101(
    videos: str | os.PathLike[str],
    split_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> list[IndexSummary]:
    """Write UCF101's three official splits to ``out_dir``/split{1,2,3}/{train,val,test}.csv; val and test are equal.

    Args:
        videos: folder of the .avi files, in class folders or not.
        split_dir: the unpacked ucfTrainTestlist: classInd.txt, trainlist0{1,2,3}.txt, testlist0{1,2,3}.txt.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The counts and classes of each split.

    Raises:
        IndexingError: a file of the splits is missing, or a line is wrong, or no video is there.
    """
    split_dir = Path(split_dir)
    class_file = split_dir / "classInd.txt"
    number: dict[str, int] = {}
    for line, fields in _fields(class_file, _UCF101):
        if len(fields) != 2 or not fields[0].isdigit():
            raise IndexingError(f"{class_file}, line {line}: write a number and a class name")
        number[fields[1]] = int(fields[0]) - 1
    classes = sorted(number, key=number.__getitem__)
    if sorted(number.values()) != list(range(len(number))):
        raise IndexingError(f"{class_file}: the classes are not numbered 1 to {len(number)}")

    def official(name: str) -> list[OfficialVideo]:
        found = []
        for line, fields in _fields(split_dir / name, _UCF101):
            class_name, _, file_name = fields[0].partition("/")
            if class_name not in number or not file_name:
                raise IndexingError(
                    f"{split_dir / name}, line {line}: write Class/video.avi with a class of classInd.txt"
                )
            found.append(_video(file_name, class_name, number[class_name]))
        return found

    splits = [(official(f"trainlist0{k}.txt"), official(f"testlist0{k}.txt")) for k in (1, 2, 3)]
    return _write_splits("UCF101", Path(videos), Path(out_dir), splits, classes, force)


def index_hmdb51(
    videos: str | os.PathLike[str],
    split_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    force: bool = False,
) -> list[IndexSummary]:
    """Write HMDB51's three official splits to ``out_dir``/split{1,2,3}/{train,val,test}.csv; val and test are equal.

    Args:
        videos: folder of the .avi files, in class folders or not.
        split_dir: the unpacked testTrainMulti_7030_splits: {class}_test_split{1,2,3}.txt, lines ``video.avi 0|1|2``
            (unused, train, test). Labels follow the order of the classes' names.
        out_dir: folder of the lists, made if missing.
        force: overwrite lists that exist.

    Returns:
        The counts and classes of each split.

    Raises:
        IndexingError: a file of the splits is missing, or a line is wrong, or no video is there.
    """
    split_dir = Path(split_dir)
    suffix = "_test_split{}.txt"
    names = {
        path.name.removesuffix(suffix.format(k)) for k in (1, 2, 3) for path in split_dir.glob("*" + suffix.format(k))
    }
    if not names:
        raise IndexingError(
            f"{split_dir} has no file like brush_hair_test_split1.txt: unpack HMDB51's testTrainMulti_7030_splits there"
        )
    classes = sorted(names)
    splits = []
    for k in (1, 2, 3):
        chosen: dict[str, list[OfficialVideo]] = {"0": [], "1": [], "2": []}
        for label, class_name in enumerate(classes):
            file = split_dir / (class_name + suffix.format(k))
            for line, fields in _fields(file, _HMDB51):
                if len(fields) != 2 or fields[1] not in chosen:
                    raise IndexingError(f"{file}, line {line}: write a file name and 0, 1 or 2")
                chosen[fields[1]].append(_video(fields[0], class_name, label))
        splits.append((chosen["1"], chosen["2"]))
    return _write_splits("HMDB51", Path(videos), Path(out_dir), splits, classes, force)


def _fields(file: Path, source: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not empty, split at the *last* blank."""
    if not file.is_file():
        raise IndexingError(f"{file} is missing: unpack {source} into {file.parent}")
    for number, line in read_lines(file, source):
        yield number, line.rsplit(maxsplit=1)


def _video(file_name: str, class_name: str, label: int) -> OfficialVideo:
    name = os.path.splitext(file_name)[0]
    return OfficialVideo(name, class_name, label, ((name, Place.NOT_ANOTHER_CLASS),))


def _write_splits(
    dataset: str,
    videos: Path,
    out_dir: Path,
    splits: Sequence[tuple[list[OfficialVideo], list[OfficialVideo]]],
    classes: list[str],
    force: bool,
) -> list[IndexSummary]:
    files = VideoFiles(videos, classes)
    folders = [out_dir / f"split{k}" for k in range(1, len(splits) + 1)]
    for folder in folders:
        refuse_to_overwrite(folder, force)
    summaries = []
    for k, (folder, (train, test)) in enumerate(zip(folders, splits, strict=True), 1):
        for split, own in (("train", train), ("test", test)):
            if not own:
                raise IndexingError(f"split {k} of {dataset} lists no {split} video: unpack the owners' files again")
        parts = [
            OfficialSplit(split, f"{split} of split {k}", own) for split, own in (("train", train), ("test", test))
        ]
        official = OfficialSet(dataset, parts, classes, same={"val": "test"})
        summaries.append(write_official_lists(official, files, folder, force=force))
    return summaries
