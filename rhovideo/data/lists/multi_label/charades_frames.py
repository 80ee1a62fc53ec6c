"""PySlowFast's lists of frames for Charades, whose last field holds the labels of the frame, such as ``"3,9"``.

The labels of a video are stored as runs too ("twelve frames with 3, then fourteen with 9"): see
:mod:`rhovideo.data.lists.frame_lists`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError, Rows
from rhovideo.data.lists.frame_lists import FrameListManifest, FrameRow, Run, each_frame, packed_runs, unpacked_runs
from rhovideo.data.lists.multi_label.label_sets import LabelSet, read_label_set
from rhovideo.data.lists.multi_label.video_lists import UnlabelledManifest

_FORMAT = "charades frames 1"
_BLOCK = 1024


class CharadesManifest(UnlabelledManifest, FrameListManifest):
    """The videos of a list of frames with labels, by index, in the order of their first frames."""

    @classmethod
    def open(  # type: ignore[override]  # Other lists need other arguments.
        cls, csv: str | os.PathLike[str], *, prefix: str = "", cache_dir: str | os.PathLike[str] = ""
    ) -> CharadesManifest:
        """Open the videos of a list, which is packed first if this machine has no packed file of it.

        Args:
            csv: the list; frames of a video need not be next to each other, and are in the order of their lines.
            prefix: folder from which relative paths start (DATA.PATH_PREFIX); empty: the folder of ``csv``.
            cache_dir: as of :meth:`rhovideo.data.lists.manifest.Manifest.open`.

        Raises:
            ManifestError: a line is wrong, or there is none, or the packed file cannot be written.
            FileNotFoundError: there is no such list.
        """
        csv = Path(os.path.abspath(csv))
        if not csv.is_file():
            raise FileNotFoundError(f"{csv}: there is no such file, and TRAIN.DATASET charades needs it")
        return cls._open_packed(
            [csv], [_FORMAT], lambda: _rows(csv), "lists no frame", prefix=prefix, cache_dir=cache_dir
        )

    def written_path(self, index: int) -> str:
        """The path of the first frame of video ``index`` as the list has it."""
        return self._row(index)[1][0].path(0)

    def label_set(self, index: int, first: int | None = None, last: int | None = None) -> LabelSet:
        """The labels of a video, or of its frames from ``first`` to ``last`` inclusive, those between them included.

        Args:
            index: of the video.
            first: a frame's place in the list of the video's frames, from 0; None: the video's first frame.
            last: as ``first``; None: the video's last frame.
        """
        found: set[int] = set()
        begin = 0
        for count, labels in self._spans(index):
            if (last is None or begin <= last) and (first is None or begin + count > first):
                found.update(labels)
            begin += count
        return tuple(sorted(found))

    def _row(self, index: int) -> tuple[str, list[Run]]:
        name, _, *runs = json.loads(self._text(index))
        return name, unpacked_runs(runs)

    def _spans(self, index: int) -> list[tuple[int, list[int]]]:
        spans: list[tuple[int, list[int]]] = json.loads(self._text(index))[1]
        return spans


class _Labelled:
    """A video that is being read: its frames and the labels of each stretch of them."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.runs: list[Run] = []
        self.spans: list[tuple[int, LabelSet]] = []

    def add(self, path: str, labels: LabelSet) -> None:
        if not self.runs or not self.runs[-1].add(path):
            self.runs.append(Run.of(path))
        if self.spans and self.spans[-1][1] == labels:
            self.spans[-1] = self.spans[-1][0] + 1, labels
        else:
            self.spans.append((1, labels))

    def packed(self, name: str) -> bytes:
        return json.dumps([name, self.spans, *packed_runs(self.runs)], separators=(",", ":")).encode()


def _rows(csv: Path) -> Iterator[Rows]:
    """Rows for a packed file: the name, the labels and the frames of each video as JSON."""
    videos: dict[str, _Labelled] = {}
    known: dict[str, LabelSet] = {}
    for row in each_frame(csv):
        if row.labels not in known:
            known[row.labels] = _labels(csv, row)
        videos.setdefault(row.name, _Labelled(row.line)).add(row.path, known[row.labels])
    names = list(videos)
    for start in range(0, len(names), _BLOCK):
        block = [(name, videos.pop(name)) for name in names[start : start + _BLOCK]]
        texts = [video.packed(name) for name, video in block]
        largest = [max((max(labels) for _, labels in video.spans if labels), default=NO_LABEL) for _, video in block]
        yield Rows(
            np.frombuffer(b"".join(texts), np.uint8),
            np.array([len(text) for text in texts], np.int64),
            np.array(largest, np.int32),
            np.array([video.line for _, video in block], np.int32),
        )


def _labels(csv: Path, row: FrameRow) -> LabelSet:
    try:
        return read_label_set(row.labels)
    except ValueError as error:
        raise ManifestError(f"{csv}, line {row.line}: {error}") from error
