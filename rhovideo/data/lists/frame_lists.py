"""PySlowFast's lists of frames: videos as folders of images, labelled by Something-Something's JSON files.

A list begins with the line ``original_vido_id video_id frame_id path labels``. Each later line names one image, in the
order of time. A video's frames are nearly always numbered one by one, so they are stored as runs ("78687/78687_", first
number 1, six digits, ".jpg", 45 images). A list of nineteen million lines then takes a few megabytes.
"""

from __future__ import annotations

import bisect
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rhovideo.data.lists.classes.template_labels import read_labels
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError, Rows
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.video.image_frames import ImageFrames
from rhovideo.data.video.reader import VideoReadError

HEADER = "original_vido_id video_id frame_id path labels"
# A list that begins with this word is one of frames, not of video files.
FIRST_WORD = "original_vido_id"
# The key for lists of video files, and its value.
FOR_VIDEOS = ("TRAIN.DATASET", "kinetics")
_FORMAT = "frames 1"
_BLOCK = 4096
# Of a path read backwards: the text before its first number, the number, the rest.
_NUMBERED = re.compile(r"([^0-9]*)([0-9]+)(.*)", re.DOTALL)

# Longer numbers do not number frames, and Python refuses to read numbers of thousands of digits.
_MOST_DIGITS = 18


@dataclass
class Run:
    """Images whose paths differ in one number, which goes up by one.

    Attributes:
        before: the path before the number, or the whole path if it has no number.
        first: the first number; -1 for a path without a number.
        width: digits of the number, leading zeros included.
        after: the path after the number.
        count: the number of images.
    """

    before: str
    first: int
    width: int
    after: str
    count: int = 1

    @classmethod
    def of(cls, path: str) -> Run:
        """The run that begins with a path."""
        match = _NUMBERED.fullmatch(path[::-1])
        if match is None or len(match[2]) > _MOST_DIGITS:
            return cls(path, -1, 0, "")
        after, digits, before = (part[::-1] for part in match.groups())
        return cls(before, int(digits), len(digits), after)

    def path(self, place: int) -> str:
        """The path at ``place``, from 0."""
        return self.before if self.first < 0 else f"{self.before}{self.first + place:0{self.width}d}{self.after}"

    def add(self, path: str) -> bool:
        """Add the path if it is the next one; False if it is not."""
        if self.first < 0 or path != self.path(self.count):
            return False
        self.count += 1
        return True


@dataclass
class ListedVideo:
    """A video of a frame list.

    Attributes:
        line: the line of its first frame, from 1; 0 for a video without frames.
        runs: its frames.
    """

    line: int
    runs: list[Run]

    def add(self, path: str) -> None:
        """Add the next frame."""
        if not self.runs or not self.runs[-1].add(path):
            self.runs.append(Run.of(path))


class FrameListManifest(Manifest):
    """The videos of a frame list, by index.

    With labels, the videos are in the order of their JSON file, as in PySlowFast. A video that is only in this file has
    no frames. Videos that are only in the list come last, with the label -1.
    """

    @classmethod
    def open(  # type: ignore[override]  # Other lists need other arguments.
        cls,
        csv: str | os.PathLike[str],
        *,
        labels: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None,
        prefix: str = "",
        cache_dir: str | os.PathLike[str] = "",
        videos: tuple[str, str] = FOR_VIDEOS,
    ) -> FrameListManifest:
        """Open the videos of a frame list, which is packed first if this machine has no packed file of it.

        Args:
            csv: the frame list.
            labels: Something-Something's JSON files, the videos' templates and the templates' numbers; None: no labels.
            prefix: folder from which relative paths start (DATA.PATH_PREFIX); empty: the folder of ``csv``.
            cache_dir: folder for the packed file (DATA.MANIFEST_CACHE); empty: the temporary folder.
            videos: the key to write for a list of video files, and its value, for messages.

        Returns:
            The videos.

        Raises:
            ManifestError: a line or a JSON file is wrong, or the packed file cannot be written.
            FileNotFoundError: one of the files is missing.
        """
        csv = Path(os.path.abspath(csv))
        files = [csv, *(Path(os.path.abspath(file)) for file in labels or ())]
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"{file}: there is no such file, and TRAIN.DATASET ssv2 needs it")
        return cls._open_packed(
            files,
            [_FORMAT],
            lambda: _rows(csv, read_labels(*labels) if labels else {}, videos),
            "lists no video",
            prefix=prefix,
            cache_dir=cache_dir,
        )

    def name(self, index: int) -> str:
        """The name of a video in the list."""
        return self._row(index)[0]

    def path(self, index: int) -> str:
        """The folder of a video's frames; with the video's name where several videos share the folder."""
        name, runs = self._row(index)
        folder = os.path.join(self.root, os.path.dirname(runs[0].path(0)) if runs else "")
        return folder if os.path.basename(folder) == name else os.path.join(folder, name)

    def open_video(self, index: int, image_fps: float, backend: str = "pyav") -> ImageFrames:
        """Open video ``index`` for reading frames.

        Args:
            index: its place in the list.
            image_fps: frames per second to use.
            backend: not used.

        Returns:
            The video.

        Raises:
            VideoReadError: the list has no frame of the video.
        """
        _, runs = self._row(index)
        if not runs:
            raise VideoReadError(self.path(index), f"{self.csv} lists no frame of it")
        return ImageFrames(self.path(index), _Frames(self.root, runs), image_fps)

    def _row(self, index: int) -> tuple[str, list[Run]]:
        name, *runs = json.loads(self._text(index))
        return name, unpacked_runs(runs)


class _Frames:
    """The paths of a video's frames, made one by one when they are needed."""

    def __init__(self, root: str, runs: list[Run]) -> None:
        self._root = root
        self._runs = runs
        self._ends = list(accumulate(run.count for run in runs))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, place: int) -> str:
        which = bisect.bisect_right(self._ends, place)
        run = self._runs[which]
        return os.path.join(self._root, run.path(place - (self._ends[which] - run.count)))


def read_frame_list(
    csv: Path, max_bytes: int | None = None, videos_key: tuple[str, str] = FOR_VIDEOS
) -> dict[str, ListedVideo]:
    """Read the videos of a frame list, in the order of their first lines.

    Args:
        csv: the list.
        max_bytes: stop after about so many bytes; None: read all.
        videos_key: the key to write for a list of video files, and its value, for messages.

    Returns:
        The videos by name.

    Raises:
        ManifestError: it is not a frame list, or a line does not have the five fields of the header.
    """
    videos: dict[str, ListedVideo] = {}
    for row in each_frame(csv, max_bytes, videos_key):
        if row.name not in videos:
            videos[row.name] = ListedVideo(row.line, [])
        videos[row.name].add(row.path)
    return videos


class FrameRow(NamedTuple):
    """A line of a frame list.

    Attributes:
        line: its number, from 1.
        name: of the video.
        path: of the image.
        labels: the last field as it is written, such as ``"3,9"``.
    """

    line: int
    name: str
    path: str
    labels: str


def each_frame(csv: Path, max_bytes: int | None = None, videos_key: tuple[str, str] = FOR_VIDEOS) -> Iterator[FrameRow]:
    """Read the lines of a frame list.

    Args:
        csv: the list.
        max_bytes: stop after about so many bytes; None: read all.
        videos_key: as of :func:`read_frame_list`.

    Yields:
        The lines, at least one.

    Raises:
        ManifestError: it is not a frame list, or a line does not have the five fields of the header.
    """
    any_line = False
    try:
        with csv.open(encoding="utf-8-sig") as lines:
            _check_header(csv, lines.readline(), videos_key)
            read = 0
            for number, line in enumerate(lines, 2):
                if not line.strip():
                    continue
                fields = line.split()
                if len(fields) != 5:
                    raise ManifestError(
                        f"{csv}, line {number}: {line.strip()[:120]!r}: write the five fields `{HEADER}`"
                    )
                any_line = True
                yield FrameRow(number, fields[0], fields[3], fields[4])
                read += len(line)
                if max_bytes is not None and read >= max_bytes:
                    break
    except UnicodeDecodeError as error:
        raise ManifestError(f"{csv}: is not UTF-8 text ({error.reason}): give a list of frames") from error
    if not any_line:
        raise ManifestError(f"{csv} lists no frame: write `{HEADER}` on line 1, and a frame on each line after it")


def _check_header(csv: Path, line: str, videos_key: tuple[str, str]) -> None:
    if not line.startswith(FIRST_WORD):
        raise ManifestError(
            f"{csv}, line 1: a list of frames begins with the line `{HEADER}`, not with {line.strip()[:80]!r}. "
            f"For a list of video files write {' '.join(videos_key)}",
            keys=videos_key[:1],
        )


def _rows(csv: Path, labels: Mapping[str, int], videos_key: tuple[str, str]) -> Iterator[Rows]:
    """Rows for a packed file: the name and runs of each video as JSON."""
    videos = read_frame_list(csv, videos_key=videos_key)
    if labels and not labels.keys() & videos.keys():
        raise ManifestError(
            f"{csv} and its JSON file have no video in common: {next(iter(videos))} and {next(iter(labels))} are the "
            "first ones. Give files of one split and one release"
        )
    names = list(dict.fromkeys([*labels, *videos]))
    for first in range(0, len(names), _BLOCK):
        block = names[first : first + _BLOCK]
        listed = [videos.get(name) or ListedVideo(0, []) for name in block]
        texts = [_packed_text(name, video.runs) for name, video in zip(block, listed, strict=True)]
        yield Rows(
            np.frombuffer(b"".join(texts), np.uint8),
            np.array([len(text) for text in texts], np.int64),
            np.array([labels.get(name, NO_LABEL) for name in block], np.int32),
            np.array([video.line for video in listed], np.int32),
        )


def _packed_text(name: str, runs: list[Run]) -> bytes:
    return json.dumps([name, *packed_runs(runs)], separators=(",", ":")).encode()


def packed_runs(runs: Sequence[Run]) -> list[list[Any]]:
    """Runs as JSON holds them."""
    return [[run.before, run.first, run.width, run.after, run.count] for run in runs]


def unpacked_runs(values: Sequence[Sequence[Any]]) -> list[Run]:
    """The inverse of :func:`packed_runs`."""
    return [Run(*value) for value in values]
