"""Loading a checkpoint file: nothing in it is executed, and every way to be wrong has one clear line."""

from __future__ import annotations

import codecs
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from rhovideo.errors import DamagedFileError, WeightsError
from rhovideo.zoo.files.caffe2 import read_caffe2, released_state
from rhovideo.zoo.files.harmless_types import FOR_TORCH, ForeignObjectError, plain
from rhovideo.zoo.files.pickled_names import is_whole_pickle, refused_names

ZIP_MAGIC = b"PK\x03\x04"
# Of larger parts of an archive, which are tensors, only shapes are wanted where shapes are enough.
_SMALL = 2**20
_CHUNK = 2**20
_MOST_NAMES = 3


def load_content(path: Path, *, shapes_only: bool = False, checked: bool = False) -> object:
    """Load tensors, containers, text, numbers and :data:`rhovideo.zoo.files.harmless_types.HARMLESS`, on the CPU.

    Args:
        path: a file of ``torch.save``, or Caffe2's ``.pkl``.
        shapes_only: leave the tensors' values on the disk, and unchecked, if the file is one of torch 1.6 or later. So
            a file of 2 GB costs as little as a small one.
        checked: :func:`check_values` has read the file, so it is not read again to compare checksums.

    Raises:
        WeightsError: it cannot be read, or names what could run code.
        DamagedFileError: it is a web page, truncated or damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); see to its permissions and its disk") from error
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise DamagedFileError(f"{path}: is a web page and no checkpoint; download the file itself")
    if start.startswith(ZIP_MAGIC) and not checked:
        _check_archive(path, _SMALL if shapes_only else None)
    try:
        if path.suffix == ".pkl" and not start.startswith(ZIP_MAGIC):
            return _from_caffe2(read_caffe2(path))
        return _load(path, mapped=shapes_only and start.startswith(ZIP_MAGIC))
    except Exception as error:
        raise _error(path, start, error) from error


def check_values(path: Path) -> None:
    """Read an archive of ``torch.save`` once, and compare every byte with its checksums.

    Raises:
        WeightsError: it cannot be read, or is of a kind that no checkpoint is.
        DamagedFileError: it is truncated or damaged.
    """
    _check_archive(path, None)


def _load(path: Path, *, mapped: bool) -> object:
    with torch.serialization.safe_globals(FOR_TORCH), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other protocols, for which there is an error if they cannot be read
        return plain(torch.load(path, map_location="cpu", weights_only=True, mmap=mapped))


def _from_caffe2(content: object) -> object:
    if isinstance(content, Mapping) and isinstance(content.get("blobs"), Mapping):
        return {"model_state": released_state(content["blobs"])}
    return content


def _error(path: Path, start: bytes, error: Exception) -> WeightsError:
    """The error for a file that could not be loaded: it holds what is refused, or it is not whole."""
    if isinstance(error, pickle.UnpicklingError):
        own = [str(cause) for cause in _causes(error) if isinstance(cause, ForeignObjectError)]
        refused = refused_names(path) or own
        if refused:
            return WeightsError(f"{path}: holds {_list(refused)}, {_REFUSED}")
    if is_whole_pickle(path, start):
        return WeightsError(
            f"{path}: is a pickle that torch does not read without running code in it, since it is of another protocol "
            "than 2 or not written by torch.save; load it where you trust it, and write torch.save(content, 'new.pyth')"
        )
    return DamagedFileError(f"{path}: {_no_checkpoint(start)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that came before it: torch turns what a pickle's functions raise into its own."""
    while error is not None:
        yield error
        error = error.__context__


_REFUSED = (
    "which is not known to be harmless and could run code when it is loaded; it is refused. Ask its author for a file "
    "of tensors, numbers and text alone. If you trust the author, write one yourself: "
    "content = torch.load(FILE, weights_only=False), then "
    "torch.save({'model_state': content['model_state']}, 'new.pyth')"
)


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _no_checkpoint(start: bytes) -> str:
    """The kind of a file that torch cannot read, from its first bytes."""
    if not start:
        return "is empty; get it again"
    if start.startswith(b"version https://git-lfs"):
        return "is git-lfs's note of where the checkpoint lies; `git lfs pull` in its repository brings the file itself"
    try:
        # Incremental, since the last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        text = "\0"
    if all(letter.isprintable() or letter.isspace() for letter in text):
        return "is a text file and no checkpoint; write the path of a .pyth file"
    return "is truncated, damaged or no checkpoint at all; get it again"


def _check_archive(path: Path, most: int | None) -> None:
    """Raise an error unless an archive is whole; ``most``: pass over parts of more bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = any(record.compress_type != zipfile.ZIP_STORED for record in archive.infolist())
            # A few bytes could become more than the memory holds.
            damaged = "" if compressed else _damaged_part(archive, most)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DamagedFileError(f"{path}: is truncated (its end is missing); get it again") from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile's errors for a password and for what it cannot read
        raise WeightsError(
            f"{path}: is an archive with a password, or of a kind that no checkpoint is; get the file itself"
        ) from error
    except Exception as error:  # whatever zipfile meets in a list of contents in which bytes have changed
        raise DamagedFileError(f"{path}: is damaged in its list of contents; get it again") from error
    if compressed:
        raise WeightsError(f"{path}: is compressed, and torch's checkpoints are not; get the file itself")
    if damaged:
        raise DamagedFileError(f"{path}: is damaged at {damaged}; get it again")


def _damaged_part(archive: zipfile.ZipFile, most: int | None) -> str:
    """The name of the first part whose checksum is wrong; empty if there is none."""
    for record in archive.infolist():
        try:
            with archive.open(record) as part:
                while (most is None or record.file_size <= most) and part.read(_CHUNK):
                    pass
        except zipfile.BadZipFile:
            return record.filename
    return ""
