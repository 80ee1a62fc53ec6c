"""Features on the disk while they are made: rows of a .npy file that many processes fill, and a list of filled ones.

``features.npy`` is float16 [N, C], or of tokens [N, tokens, C], for ``numpy.load(path, mmap_mode="r")``. It is there
once all rows are. Until then it is ``.features.part``, and files in ``.progress`` name the blocks of rows that are in
it. A block's line is written after the block has reached the disk, so a process may be killed at any moment. Blocks
begin and end with a page of the file, so that two machines of a network file system never write to the same page.
Without torch.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rhovideo.atomic_files import write_text, writing, written_whole
from rhovideo.errors import JobError
from rhovideo.runs.folder import FEATURES_FILE, RESULTS_FILE

FEATURES, MANIFEST, IDENTITY = FEATURES_FILE, "manifest.csv", "extract.json"
_PART, _PROGRESS = ".features.part", ".progress"
_PAGE = 4096
# Few, so that little is lost with a process, and all processes have a part even of a short list.
_BLOCK_ROWS = 16
_DTYPE = np.dtype("<f2")
# Parts of the identity that may change between two starts of one extraction.
_MAY_CHANGE = ("checkpoint", "rhovideo")
# The value of a setting that an identity does not name.
_USUAL = "as by default"


class FeatureFile:
    """The features of one extraction.

    Args:
        folder: where the files are, which exists.
        rows: videos, N.
        dim: size of a feature, C.
        tokens: features of each video; 0 for one pooled feature, without that dimension.
    """

    def __init__(self, folder: str | Path, rows: int, dim: int, tokens: int = 0) -> None:
        self.folder = Path(folder)
        self.rows = rows
        self.dim = dim
        self.shape = (tokens, dim) if tokens else (dim,)
        unit = _PAGE // math.gcd(_PAGE, self._row_bytes)
        self._block_rows = -(-_BLOCK_ROWS // unit) * unit
        self._journal = self.folder / _PROGRESS / f"{secrets.token_hex(8)}.txt"

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return -(-self.rows // self._block_rows)

    def rows_of(self, block: int) -> range:
        """The rows of a block; the last one may be short."""
        first = block * self._block_rows
        return range(first, min(first + self._block_rows, self.rows))

    @property
    def complete(self) -> bool:
        """True once all features have their final name."""
        return (self.folder / FEATURES).exists()

    def prepare(self, identity: Mapping[str, Any]) -> None:
        """Begin the files, or check those of an earlier start. On one process, before the others write.

        Args:
            identity: everything that the features depend on, for JSON; kept in ``extract.json``.

        Raises:
            JobError: the folder holds other features, or damaged ones.
        """
        path = self.folder / IDENTITY
        identity = json.loads(json.dumps(dict(identity)))
        if path.exists():
            self._check_identity(_read_identity(path), identity)
        elif self.complete:
            raise JobError(
                f"{self.folder} holds a {FEATURES} that no {IDENTITY} describes: write another --out, or empty it"
            )
        else:
            write_text(path, json.dumps(identity, indent=2) + "\n")
        if self.complete and not (self._is_whole(FEATURES) and (self.folder / MANIFEST).exists()):
            raise _damaged(self.folder)
        part = self.folder / _PART
        if not self.complete and not self._is_whole(_PART):
            # The notes belong to a file that is gone, or cut off.
            shutil.rmtree(self.folder / _PROGRESS, ignore_errors=True)
            with written_whole(part) as file:
                file.write(_header((self.rows, *self.shape)))
                file.truncate(self._bytes)
        (self.folder / _PROGRESS).mkdir(exist_ok=True)

    def _check_identity(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        keys = [key for key in dict.fromkeys([*before, *now]) if key not in _MAY_CHANGE]
        changed = [
            f"{key} {_shown(before, key)}, now {_shown(now, key)}" for key in keys if before.get(key) != now.get(key)
        ]
        if changed:
            raise JobError(
                f"{self.folder} holds features of other settings or files ({'; '.join(changed[:3])}): write another "
                "--out, or empty that folder"
            )

    def done(self) -> dict[int, bytes]:
        """The blocks on the disk: their numbers to a byte a row, 1 where the video could be read, else 0."""
        found: dict[int, bytes] = {}
        for journal in sorted((self.folder / _PROGRESS).glob("*.txt")):
            for line in journal.read_bytes().split(b"\n"):
                number, _, flags = line.partition(b" ")
                whole = number.isdigit() and int(number) < self.blocks and not flags.strip(b"01")
                if whole and len(flags) == len(self.rows_of(int(number))):
                    found[int(number)] = bytes(flag == ord("1") for flag in flags)
        return found

    def write(self, block: int, values: np.ndarray, readable: np.ndarray) -> None:
        """Put a block on the disk, then note that it is there.

        Args:
            block: its number.
            values: float16 [n, dim] or [n, tokens, dim], of the rows of :meth:`rows_of`.
            readable: bool [n], False where the video could not be read.
        """
        data = np.ascontiguousarray(values, _DTYPE).data.cast("B")
        place = _PAGE + block * self._block_rows * self._row_bytes
        part = self.folder / _PART
        with writing(part), part.open("r+b", buffering=0) as file:
            file.seek(place)
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        flags = "".join("1" if flag else "0" for flag in readable)
        with writing(self._journal), self._journal.open("ab", buffering=0) as journal:
            journal.write(f"{block} {flags}\n".encode())
            os.fsync(journal.fileno())

    def finish(
        self, done: Mapping[int, bytes], paths: Iterable[str], labels: Iterable[int], names: Sequence[str] = ()
    ) -> int:
        """Write the manifest and give the features their name. On one process, after the others have written.

        Args:
            done: as of :meth:`done`, of all blocks.
            paths: of the rows' videos.
            labels: of the rows; -1 where there is none.
            names: of the classes by label, for a column of the manifest; without names it has no such column.

        Returns:
            The number of videos that could not be read.

        Raises:
            JobError: blocks are missing.
        """
        missing = [block for block in range(self.blocks) if block not in done]
        if missing:
            raise JobError(f"{len(missing)} of {self.blocks} blocks of features are missing: start it again to go on")
        flags = b"".join(done[block] for block in range(self.blocks))
        with written_whole(self.folder / MANIFEST) as file:
            # Names of files may be bytes that are no text.
            text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(("row", "path", "label", "ok", *(["class"] if names else [])))
            writer.writerows(
                (row, path, "" if label < 0 else label, flag, *([_name(names, label)] if names else []))
                for row, (path, label, flag) in enumerate(zip(paths, labels, flags, strict=True))
            )
            text.detach()
        os.replace(self.folder / _PART, self.folder / FEATURES)
        shutil.rmtree(self.folder / _PROGRESS, ignore_errors=True)
        return flags.count(0)

    def unreadable(self) -> int:
        """The number of videos of a finished extraction that could not be read."""
        with (self.folder / MANIFEST).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return sum(line["ok"] == "0" for line in csv.DictReader(file))

    def _is_whole(self, name: str) -> bool:
        """True where a file of features is there, in its full length."""
        path = self.folder / name
        return path.exists() and path.stat().st_size == self._bytes

    @property
    def _bytes(self) -> int:
        return _PAGE + self.rows * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape) * _DTYPE.itemsize


def _shown(identity: Mapping[str, Any], key: str) -> str:
    """A value of an identity for people: of a hash its beginning."""
    value = str(identity.get(key, _USUAL))
    return value[:12] if key in identity and key.endswith("sha256") else value


def _name(names: Sequence[str], label: int) -> str:
    """The name of a label; empty where there is none."""
    return names[label] if 0 <= label < len(names) else ""


def _read_identity(path: Path) -> Mapping[str, Any]:
    try:
        identity = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(identity, dict):
            return identity
        wrong = f"holds a {type(identity).__name__}"
    except (OSError, ValueError) as error:
        wrong = str(error)
    raise JobError(f"{path}: cannot be read ({wrong}): write another --out, or remove {path.parent}")


def _header(shape: tuple[int, ...]) -> bytes:
    """NumPy's header of a float16 array, filled up to a whole page."""
    start = np.lib.format.magic(1, 0)
    fields = f"{{'descr': '{_DTYPE.str}', 'fortran_order': False, 'shape': {shape}, }}"
    length = _PAGE - len(start) - 2
    return start + length.to_bytes(2, "little") + fields.ljust(length - 1).encode() + b"\n"


def check_features(folder: Path, results: Mapping[str, Any]) -> None:
    """Check that the files of a finished extraction are still there, and whole.

    Args:
        folder: of the extraction.
        results: the content of its results.json: ``videos``, ``dim``, and ``tokens`` where there are any.

    Raises:
        JobError: a file is gone or cut off.
    """
    try:
        shape = np.load(folder / FEATURES, mmap_mode="r").shape
    except (OSError, ValueError):
        shape = None
    expected = [results.get(name) for name in ("videos", "tokens", "dim") if name in results]
    if shape is None or list(shape) != expected or not (folder / MANIFEST).exists():
        raise _damaged(folder)


def has_blocks(folder: Path) -> bool:
    """True if an extraction that is not complete has written features into a folder."""
    return any(journal.stat().st_size for journal in (folder / _PROGRESS).glob("*.txt"))


def content_of(folder: Path) -> str:
    """What the features of a folder were made of, in one line: the beginnings of the hashes."""
    identity = _read_identity(folder / IDENTITY)
    hashes = {name: str(identity.get(f"{name}_sha256"))[:12] for name in ("videos", "checkpoint")}
    return f"made of the list with sha256 {hashes['videos']} by the checkpoint with sha256 {hashes['checkpoint']}"


def _damaged(folder: Path) -> JobError:
    return JobError(
        f"{folder / FEATURES} has been cut off since it was written, or {MANIFEST} next to it is gone: remove "
        f"{FEATURES} and {RESULTS_FILE} there, and start the same command again to make them anew"
    )
