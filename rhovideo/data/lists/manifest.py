"""The list of videos: a CSV that is packed into one file, once on each machine, from which processes read single rows.

A packed file holds the bytes of the paths, their offsets (int64), the lines (int32) and the labels (int32). Its name
contains a digest of the CSV's path, size and modification time and of all settings for reading it. So a changed CSV
gets another file.

Rows are read, not mapped into memory. Random rows would soon touch all pages of a mapping, which then belong to the
memory of each process. Rows that are read stay in the system's cache, which all processes share, and which the system
frees when it needs memory. So the memory of a process does not grow with the list.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from rhovideo.atomic_files import written_whole
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError, Rows, read_rows
from rhovideo.data.lists.mixtures import Mixture, MixturePart, read_mixture
from rhovideo.data.video.image_frames import ImageFrames
from rhovideo.data.video.reader import Video
from rhovideo.data.video.torchcodec_reader import open_video
from rhovideo.runs.file_hash import file_sha256

__all__ = ["NO_LABEL", "Manifest", "ManifestError"]

logger = logging.getLogger(__name__)

_Self = TypeVar("_Self", bound="Manifest")  # Python 3.10 has no typing.Self.
_MAGIC = b"rhoman01"
# Magic, rows, bytes of the paths, classes (0: no labels), bytes of the notes, bytes of the file.
_HEADER = struct.Struct("<8s5q")
_OFFSETS, _NUMBER = struct.Struct("<2q"), struct.Struct("<i")
_LABELS_AT_A_TIME = 2**22


class Manifest:
    """The videos of one CSV: paths and labels by index, in the order of the file.

    It is pickled as the name of its packed file, so it costs little to send. Reading does not move the file's position,
    so threads and forked processes can share one object.

    Attributes:
        csv: the path of the CSV.
        root: the folder from which relative paths start.
        mixture: the parts of the list that a training samples in stated proportions; None if it has none.

    Example:
        >>> manifest = Manifest.open("train.csv", prefix="/videos")  # doctest: +SKIP
        >>> manifest.path(0), manifest.label(0)  # doctest: +SKIP
        ('/videos/a.mp4', 3)
    """

    def __init__(self, packed: str | os.PathLike[str]) -> None:
        """Read a packed file; :meth:`open` makes one of a CSV.

        Args:
            packed: the packed file.

        Raises:
            FileNotFoundError: the packed file was removed.
            ManifestError: it is not a packed file, or truncated.
        """
        self._packed = Path(packed)
        try:
            self._file = os.open(packed, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"the packed manifest {packed} is gone: "
                "if a program cleans that folder, set DATA.MANIFEST_CACHE to another folder"
            ) from error
        weakref.finalize(self, os.close, self._file)
        size = os.fstat(self._file).st_size
        if size < _HEADER.size:
            raise ManifestError(f"{packed}: truncated, or not a packed manifest: remove it")
        header: tuple[bytes, int, int, int, int, int] = _HEADER.unpack(self._read(0, _HEADER.size))
        magic, self._rows, path_bytes, self._classes, note_bytes, whole_size = header
        if magic != _MAGIC or whole_size != size:
            raise ManifestError(f"{packed}: damaged, or packed by another version: remove it")
        self._offsets_at = _HEADER.size + path_bytes + -path_bytes % 8
        self._lines_at = self._offsets_at + 8 * (self._rows + 1)
        self._labels_at = self._lines_at + 4 * self._rows
        notes = json.loads(self._read(size - note_bytes, note_bytes))
        self.csv: str = notes["csv"]
        self.root: str = notes["root"]
        parts = [MixturePart(name, Fraction(weight), *rows) for name, weight, *rows in notes.get("parts") or ()]
        self.mixture: Mixture | None = Mixture(tuple(parts)) if parts else None

    @classmethod
    def open(
        cls,
        csv: str | os.PathLike[str],
        *,
        separator: str = " ",
        prefix: str = "",
        skip_rows: int = 0,
        cache_dir: str | os.PathLike[str] = "",
    ) -> Manifest:
        """Open the videos of a CSV, which is packed first if this machine has no packed file of it.

        Args:
            csv: a text file with ``path label`` or ``path`` on each line (DATA.PATH_TO_DATA_DIR's train.csv, ...).
            separator: the text between path and label (DATA.PATH_LABEL_SEPARATOR).
            prefix: folder from which relative paths start (DATA.PATH_PREFIX); empty: the folder of ``csv``.
            skip_rows: lines to skip at the top (DATA.SKIP_ROWS).
            cache_dir: folder for the packed file (DATA.MANIFEST_CACHE); empty: the temporary folder.

        Returns:
            The videos.

        Raises:
            ManifestError: a line is wrong, or the file lists no video, or the packed file cannot be written.
            FileNotFoundError: there is no such CSV.
        """
        csv = Path(os.path.abspath(csv))
        if not csv.exists():
            raise FileNotFoundError(
                f"{csv}: there is no such list: check DATA.PATH_TO_DATA_DIR, or make one with `rhovideo index FOLDER`"
            )
        if not csv.is_file():
            # Lists are read several times, and a pipe gives its rows once.
            what = f"a folder: `rhovideo index {csv}` writes lists of the videos in a folder"
            raise ManifestError(f"{csv} is {what if csv.is_dir() else 'a pipe or device: write a list into a file'}")
        after = f" after the first {skip_rows} lines (DATA.SKIP_ROWS)" if skip_rows else ""
        return cls._open_packed(
            [csv],
            [separator, skip_rows],
            lambda: read_rows(csv, separator, skip_rows),
            f"lists no video{after}: write `path label` or `path` on each line",
            prefix=prefix,
            cache_dir=cache_dir,
            read_parts=lambda: read_mixture(csv, skip_rows),
        )

    @classmethod
    def _open_packed(
        cls: type[_Self],
        files: Sequence[Path],
        how: Sequence[str | int],
        read: Callable[[], Iterator[Rows]],
        if_empty: str,
        *,
        prefix: str,
        cache_dir: str | os.PathLike[str],
        read_parts: Callable[[], Mixture | None] = lambda: None,
    ) -> _Self:
        """Open the packed file of a list, which is made first if there is none.

        Args:
            files: the files of the rows, the list first; a change of one makes another packed file.
            how: all settings on which the rows depend.
            read: reads the rows, in blocks.
            if_empty: the end of the message about a list without rows.
            prefix: as for :meth:`open`.
            cache_dir: as for :meth:`open`.
            read_parts: reads the parts of a mixture.
        """
        csv = files[0]
        root = root_of(csv, prefix)
        identity = _identity(files, [*how, root])
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
        folder = _cache_folder(cache_dir)
        packed = folder / f"{csv.stem}-{digest}.manifest"
        manifest = cls._if_usable(packed)
        if manifest is not None:
            return manifest
        try:
            with _lock(packed.with_suffix(".lock")):
                manifest = cls._if_usable(packed)
                if manifest is None:
                    _pack(csv, packed, root, read(), if_empty, read_parts)
                    if _identity(files, [*how, root]) != identity:
                        packed.unlink()
                        raise ManifestError(f"{csv} has changed while it was being read: start again")
                    manifest = cls(packed)
        except OSError as error:
            if error.filename is not None and str(error.filename) in map(str, files):
                raise
            raise ManifestError(
                f"cannot write the packed manifest of {csv} in {folder} ({error.strerror or error}): "
                "set DATA.MANIFEST_CACHE to a writable folder with room for the CSV's bytes and 16 for each line"
            ) from error
        return manifest

    @classmethod
    def _if_usable(cls: type[_Self], packed: Path) -> _Self | None:
        try:
            manifest = cls(packed)
        except (OSError, ManifestError):
            return None
        # Cleaners of temporary folders remove files that were not used for days.
        with contextlib.suppress(OSError):
            os.utime(packed)
        return manifest

    def __reduce__(self) -> tuple[type[Manifest], tuple[str]]:
        return type(self), (str(self._packed),)

    def __len__(self) -> int:
        return self._rows

    def path(self, index: int) -> str:
        """The path of video ``index``; a relative path starts from the prefix, or from the CSV's folder."""
        return os.path.join(self.root, self._text(index))

    def written_path(self, index: int) -> str:
        """The path of video ``index`` as it is written in the CSV."""
        return self._text(index)

    def open_video(self, index: int, image_fps: float, backend: str = "pyav") -> Video | ImageFrames:
        """Open video ``index`` for reading frames.

        Args:
            index: its place in the list.
            image_fps: frames per second of a video whose frames are images.
            backend: the decoder of other videos, see :func:`rhovideo.data.video.torchcodec_reader.open_video`.

        Returns:
            The video.

        Raises:
            VideoReadError: it cannot be read.
        """
        return open_video(self.path(index), backend)

    def _text(self, index: int) -> str:
        """The text of video ``index`` in the packed file: here its path as written in the CSV."""
        first, end = _OFFSETS.unpack(self._read(self._offsets_at + 8 * self._checked(index), _OFFSETS.size))
        return os.fsdecode(self._read(_HEADER.size + first, end - first))

    def label(self, index: int) -> int:
        """The label of video ``index``, -1 if the list has none."""
        return self._number(self._labels_at, index)

    def line(self, index: int) -> int:
        """The line of the CSV, from 1, with video ``index``."""
        return self._number(self._lines_at, index)

    def _number(self, column_at: int, index: int) -> int:
        number: int = _NUMBER.unpack(self._read(column_at + 4 * self._checked(index), _NUMBER.size))[0]
        return number

    def _read(self, at: int, size: int) -> bytes:
        data = os.pread(self._file, size, at)
        if len(data) < size:
            raise ManifestError(f"{self._packed} was cut short while it was in use: remove it and start again")
        return data

    @property
    def labels(self) -> np.ndarray:
        """All labels, int64 [N], as a copy; all -1 if the list has none."""
        labels = np.empty(self._rows, np.int64)
        for first in range(0, self._rows, _LABELS_AT_A_TIME):
            count = min(_LABELS_AT_A_TIME, self._rows - first)
            labels[first : first + count] = np.frombuffer(self._read(self._labels_at + 4 * first, 4 * count), np.int32)
        return labels

    @property
    def has_labels(self) -> bool:
        """True if at least one video has a label."""
        return self._classes > 0

    @property
    def num_classes(self) -> int:
        """The largest label plus one; 0 if no video has a label."""
        return self._classes

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"video {index} of {len(self)} in {self.csv}")
        return index


def root_of(csv: str | os.PathLike[str], prefix: str) -> str:
    """The folder from which a list's relative paths start: ``prefix``, or the list's folder."""
    return os.path.abspath(prefix or os.path.dirname(os.path.abspath(csv)))


def _identity(files: Sequence[Path], how: Sequence[str | int]) -> list[object]:
    """The list's place and its whole content: after ``mv new.csv train.csv`` the time stamp may be an older one."""
    return [[[os.path.realpath(file), file_sha256(file)] for file in files], *how, _MAGIC.decode()]


def _cache_folder(cache_dir: str | os.PathLike[str]) -> Path:
    """The folder of the packed files, made if needed; only this user can read the default one."""
    folder = Path(os.path.abspath(cache_dir)) if cache_dir else None
    private = folder is None
    if folder is None:
        folder = Path(tempfile.gettempdir()) / f"rhovideo-manifests-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    except OSError as error:
        raise ManifestError(
            f"the folder {folder} for packed manifests cannot be made ({error.strerror}): "
            "set DATA.MANIFEST_CACHE to a writable folder",
            keys=("DATA.MANIFEST_CACHE",),
        ) from error
    if private and folder.stat().st_uid != os.getuid():
        wrong = f"{folder} belongs to another user: set DATA.MANIFEST_CACHE to one of your folders"
        raise ManifestError(wrong, keys=("DATA.MANIFEST_CACHE",))
    return folder


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock ``path`` of this machine; the system frees it when the process ends, even if it is killed."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            # Some network file systems have no locks. The file is renamed into place, so at worst it is made twice.
            logger.warning(
                "%s: no file locks here (%s), so several processes may pack the list at once, which only takes longer",
                *(path, error.strerror),
            )
        yield


def _pack(
    csv: Path,
    packed: Path,
    root: str,
    rows: Iterator[Rows],
    if_empty: str,
    read_parts: Callable[[], Mixture | None],
) -> None:
    """Write the packed file of ``csv`` under a temporary name, then rename it; uses the memory of one block."""
    logger.info("packing %s into %s", csv, packed)
    with written_whole(packed) as out:
        _write_packed(out, packed.parent, csv, root, rows, if_empty, read_parts)
        os.fchmod(out.fileno(), 0o644)


def _write_packed(
    out: BinaryIO,
    folder: Path,
    csv: Path,
    root: str,
    parts: Iterator[Rows],
    if_empty: str,
    read_parts: Callable[[], Mixture | None],
) -> None:
    rows = path_bytes = 0
    top_label = NO_LABEL
    out.write(bytes(_HEADER.size))
    with contextlib.ExitStack() as stack:
        # The length of these columns is known only at the end, so they are first written to separate files.
        offsets, lines, labels = (stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(3))
        offsets.write(bytes(8))
        for part in parts:
            out.write(part.paths.data)
            offsets.write((path_bytes + np.cumsum(part.lengths)).data)
            lines.write(part.lines.data)
            labels.write(part.labels.data)
            rows += len(part.labels)
            path_bytes += len(part.paths)
            top_label = max(top_label, int(part.labels.max()))
        if not rows:
            raise ManifestError(f"{csv} {if_empty}")
        out.write(bytes(-path_bytes % 8))
        for column in (offsets, lines, labels):
            _append(out, column)
    mixture = read_parts()
    described = [[one.name, str(one.weight), one.first, one.count] for one in mixture.parts] if mixture else None
    notes = json.dumps({"csv": str(csv), "root": root, "parts": described}).encode()
    out.write(notes)
    size = out.tell()
    out.seek(0)
    out.write(_HEADER.pack(_MAGIC, rows, path_bytes, top_label + 1, len(notes), size))


def _append(out: BinaryIO, column: BinaryIO) -> None:
    column.seek(0)
    while data := column.read(2**22):
        out.write(data)
