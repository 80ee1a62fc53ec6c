"""Lists with several labels a video: ``path "3,9,21"`` on each line (TRAIN.DATASET kinetics, DATA.MULTI_LABEL True)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from rhovideo.config.list_names import MIXTURE_MARK
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError, Rows
from rhovideo.data.lists.list_mistakes import PREFIX_KEY, find_other_kind, first_lines, of_quotes, of_windows
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.multi_label.label_sets import EXAMPLE, LabelSet, label_text, read_label_set

_FORMAT = "label sets 1"
_BLOCK = 4096
_SEPARATOR = "DATA.PATH_LABEL_SEPARATOR"
# Labels in quotes, with whatever stands before them.
_QUOTED = re.compile(r"""(.*?)("[^"]*"|'[^']*')""", re.DOTALL)


class UnlabelledManifest(Manifest):
    """A manifest whose videos have no single label: for all that takes one label a video, they have none."""

    def label(self, index: int) -> int:
        """-1: there is no single label."""
        self._checked(index)
        return NO_LABEL

    @property
    def labels(self) -> np.ndarray:
        """All -1, int64 [N]."""
        return np.full(len(self), NO_LABEL, np.int64)

    @property
    def has_labels(self) -> bool:
        """False; :attr:`num_classes` tells whether some video has a label."""
        return False

    @cached_property
    def label_numbers(self) -> list[int]:
        """The labels that some video has, ascending."""
        return sorted({label for index in range(len(self)) for label in self.label_set(index)})

    def written_path(self, index: int) -> str:
        """The path of video ``index`` as the list has it; of its first frame, where frames are listed."""
        raise NotImplementedError

    def label_set(self, index: int, first: int | None = None, last: int | None = None) -> LabelSet:
        """The labels of a video, see :class:`rhovideo.data.lists.multi_label.label_sets.LabelSets`."""
        raise NotImplementedError


class LabelSetManifest(UnlabelledManifest):
    """The videos of a list with several labels a video, by index; the labels are those of the whole video."""

    @classmethod
    def open(
        cls,
        csv: str | os.PathLike[str],
        *,
        separator: str = " ",
        prefix: str = "",
        skip_rows: int = 0,
        cache_dir: str | os.PathLike[str] = "",
    ) -> LabelSetManifest:
        """Open the videos of a list, which is packed first if this machine has no packed file of it.

        Args:
            csv: a text file with a path and its labels on each line, such as ``a.mp4 "3,9,21"``; ``""`` where a video
                has none.
            separator: the text between path and labels (DATA.PATH_LABEL_SEPARATOR).
            prefix: as of :meth:`Manifest.open`.
            skip_rows: lines to skip at the top (DATA.SKIP_ROWS).
            cache_dir: as of :meth:`Manifest.open`.

        Raises:
            ManifestError: a line is wrong, or there is none, or the packed file cannot be written.
            FileNotFoundError: there is no such list.
        """
        csv = Path(os.path.abspath(csv))
        if not csv.is_file():
            raise FileNotFoundError(f"{csv}: there is no such list: check DATA.PATH_TO_DATA_DIR")
        return cls._open_packed(
            [csv],
            [_FORMAT, separator, skip_rows],
            lambda: _rows(csv, separator, skip_rows),
            'lists no video: write a path and its labels on each line, such as `a.mp4 "3,9,21"`',
            prefix=prefix,
            cache_dir=cache_dir,
        )

    def path(self, index: int) -> str:
        """The path of video ``index``."""
        return os.path.join(self.root, self.written_path(index))

    def written_path(self, index: int) -> str:
        """The path of video ``index`` as the list has it."""
        return self._text(index).partition(" ")[2]

    def label_set(self, index: int, first: int | None = None, last: int | None = None) -> LabelSet:
        """The labels of the whole video, whatever part is asked for."""
        return read_label_set(self._text(index).partition(" ")[0])


def _rows(csv: Path, separator: str, skip_rows: int) -> Iterator[Rows]:
    """Rows for a packed file: the labels and the path of each video, with a space between them."""
    if not separator:
        raise ManifestError(f"{_SEPARATOR} is empty: write what is between path and labels", keys=(_SEPARATOR,))
    if (mistake := find_other_kind(first_lines(csv, skip_rows), separator)) is not None:
        raise ManifestError(f"{csv}, line {mistake.line}: {mistake.message}", keys=mistake.keys)
    with csv.open("rb") as lines:
        block: list[tuple[int, bytes, int]] = []
        for number, line in enumerate(lines, 1):
            if b"\0" in line or (number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff")):
                raise ManifestError(f"{csv}, line {number}: is no UTF-8 text: give a list of videos as a text file")
            text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if not text or number <= skip_rows:
                continue
            path, labels = _parse(csv, number, text, separator)
            block.append((number, os.fsencode(f"{label_text(labels)} {path}"), max(labels, default=NO_LABEL)))
            if len(block) == _BLOCK:
                yield _packed(block)
                block = []
        if block:
            yield _packed(block)


def _packed(block: list[tuple[int, bytes, int]]) -> Rows:
    lines, texts, largest = zip(*block, strict=True)
    return Rows(
        np.frombuffer(b"".join(texts), np.uint8),
        np.array([len(text) for text in texts], np.int64),
        # Of these only the largest is used, for the number of classes.
        np.array(largest, np.int32),
        np.array(lines, np.int32),
    )


def _parse(csv: Path, number: int, line: str, separator: str) -> tuple[str, LabelSet]:
    """The path and the labels of a line."""

    def fail(wrong: str, *keys: str) -> ManifestError:
        return ManifestError(f"{csv}, line {number}: {wrong}", keys=keys)

    if line.startswith(MIXTURE_MARK.decode()):
        raise fail("a mixture has one label a video at most: write it with rhovideo data merge --no-labels")
    if line.startswith("original_vido_id"):
        raise fail("the file lists frames, not videos: write TRAIN.DATASET charades to read it", "TRAIN.DATASET")
    shown = repr(line if len(line) <= 120 else f"{line[:117]}...")
    if wrong := of_windows(line):
        raise fail(wrong, PREFIX_KEY)
    example = f'`path{separator}"3,9,21"`'
    if quoted := _QUOTED.fullmatch(line):
        path, text = _before(quoted[1], separator), quoted[2]
        if path is None:
            raise fail(f"no {separator!r} between path and labels in {shown}: write {example}", _SEPARATOR)
    else:
        path, found, text = line.rpartition(separator)
        if not found:
            raise fail(f"{shown} has no labels: write {example}; {EXAMPLE}", _SEPARATOR)
        if separator.strip() == "," and path.rpartition(",")[2].strip().isdigit():
            raise fail(f"{shown}: several labels after commas need quotes: write {example}")
    if not (path := path.strip()):
        raise fail(f"the path is empty: write {example}")
    if wrong := of_quotes(path, separator):
        raise fail(wrong)
    try:
        return path, read_label_set(text)
    except ValueError as error:
        raise fail(f"in {shown}, {error}", _SEPARATOR) from error


def _before(text: str, separator: str) -> str | None:
    """The path in the text before the quoted labels; None if no separator ends it."""
    path = text.rstrip()
    if not separator.strip():
        return path if path != text else None
    return path.removesuffix(separator.strip()) if path.endswith(separator.strip()) else None
