"""The weights of a checkpoint file, and what else it holds; one error for each way to be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo.config import ConfigError, cfg_from_released
from rhovideo.errors import DamagedFileError, WeightsError
from rhovideo.zoo.files.safe_loading import load_content
from rhovideo.zoo.sources import discard_download, local_path

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


def read_weights(source: str | Path, *, shapes_only: bool = False) -> WeightsFile:
    """Read a released checkpoint (``.pyth``, or Caffe2's ``.pkl``), one of this package, or a plain state dict.

    Args:
        source: a path, a URL or a short name, see :func:`rhovideo.zoo.sources.local_path`.
        shapes_only: as for :func:`rhovideo.zoo.files.safe_loading.load_content`.

    Raises:
        WeightsError: there is no such file, it is a web page, truncated or damaged, it holds code, or no weights.
    """
    path = local_path(source)
    try:
        return _weights(path, load_content(path, shapes_only=shapes_only))
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
