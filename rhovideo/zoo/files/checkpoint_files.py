"""Reading checkpoint files of others: nothing in them is executed, and every way to be wrong has one clear line."""

from __future__ import annotations

import codecs
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo.config import ConfigError, cfg_from_released
from rhovideo.errors import DamagedFileError, WeightsError
from rhovideo.zoo.files.caffe2 import ForeignObjectError, read_caffe2, released_state
from rhovideo.zoo.files.pickled_names import names_foreign_objects
from rhovideo.zoo.sources import discard_download, local_path

ZIP_MAGIC = b"PK\x03\x04"
# A NumPy number, such as a learning rate in an optimizer's state, is built by these; none of them runs anything.
_SCALAR = np.float64(0).__reduce__()[0]
_NUMBERS: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4"))),
]
# The key under which an exported checkpoint keeps what the released format has no place for.
OWN = "rhovideo"


@dataclass(frozen=True)
class WeightsFile:
    """A checkpoint's weights.

    Attributes:
        name: the path, for messages.
        state: tensors by the names in the file.
        cfg: the file's own configuration; None if it holds none.
        ours: whether this package wrote it, under its own names.
        content: everything else in the file, such as ``epoch`` and ``optimizer_state``.
    """

    name: str
    state: dict[str, Tensor]
    cfg: CfgNode | None
    ours: bool
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_weights(source: str | Path) -> WeightsFile:
    """Read a released checkpoint (``.pyth``, or Caffe2's ``.pkl``), one of this package, or a plain state dict.

    Args:
        source: a path, a URL or a short name, see :func:`rhovideo.zoo.sources.local_path`.

    Raises:
        WeightsError: there is no such file, it is a web page, truncated or damaged, it holds code, or no weights.
    """
    path = local_path(source)
    try:
        return _weights(path, _load(path))
    except DamagedFileError as error:
        if discard_download(path):
            raise DamagedFileError(f"{error}. The download was removed, the next attempt gets it anew") from error
        raise


def class_names_in(file: WeightsFile) -> list[str]:
    """The names of a classifier's classes by label, kept under ``class_names``; empty in a file without them."""
    names = file.content.get("class_names")
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else []


def _weights(path: Path, content: object) -> WeightsFile:
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__} and no weights; a checkpoint is a dictionary")
    state = content.get("model_state", content.get("state_dict", content))
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: holds a {type(state).__name__} where the weights should be, and not a dictionary")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{path}: holds no weights; a checkpoint has them under 'model_state'")
    own = content.get(OWN, {})
    if not isinstance(own, Mapping) or not isinstance(own.get("state", {}), Mapping):
        raise WeightsError(f"{path}: what an export keeps under {OWN!r} is no dictionary; export the checkpoint again")
    text = own["cfg"] if "cfg" in own else content.get("cfg")
    try:
        cfg = cfg_from_released(text) if isinstance(text, str) else None
    except ConfigError as error:
        raise WeightsError(f"{path}: its configuration cannot be read: {' '.join(str(error).split())}") from error
    rest = {} if state is content else {name: value for name, value in content.items() if value is not state}
    return WeightsFile(str(path), tensors, cfg, ours=content.get("format") == "rhovideo", content=rest)


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); see to its permissions and its disk") from error
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise DamagedFileError(f"{path}: is a web page and no checkpoint; download the file itself")
    if start.startswith(ZIP_MAGIC):
        _check_archive(path)
    try:
        if path.suffix == ".pkl" and not start.startswith(ZIP_MAGIC):
            return _from_caffe2(read_caffe2(path))
        return _load_tensors(path)
    except pickle.UnpicklingError as error:
        if isinstance(error, ForeignObjectError) or names_foreign_objects(path):
            raise WeightsError(
                f"{path}: holds Python objects as well as weights, which could run code when they are loaded; "
                "it is refused. Ask its author for a file of tensors, numbers and text alone"
            ) from error
        raise DamagedFileError(f"{path}: {_no_checkpoint(start)}") from error
    except Exception as error:
        raise DamagedFileError(f"{path}: {_no_checkpoint(start)}") from error


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


def _load_tensors(path: Path) -> object:
    """Tensors, containers, text and numbers, NumPy's numbers too."""
    with torch.serialization.safe_globals(_NUMBERS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _from_caffe2(content: object) -> object:
    if isinstance(content, Mapping) and isinstance(content.get("blobs"), Mapping):
        return {"model_state": released_state(content["blobs"])}
    return content


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = any(record.compress_type != zipfile.ZIP_STORED for record in archive.infolist())
            # A few bytes could become more than the memory holds.
            damaged = None if compressed else archive.testzip()
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
    if damaged is not None:
        raise DamagedFileError(f"{path}: is damaged at {damaged}; get it again")
