"""Reading checkpoint files of others: nothing in them is executed, and every way to be wrong has one clear line."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo.config import ConfigError, cfg_from_released
from rhovideo.zoo.errors import WeightsError

ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class WeightsFile:
    """A checkpoint's weights.

    Attributes:
        name: the path, for messages.
        state: tensors by the names in the file.
        cfg: the file's own configuration; None where it holds none.
        ours: whether this package wrote it.
    """

    name: str
    state: dict[str, Tensor]
    cfg: CfgNode | None
    ours: bool

    def describe(self) -> str:
        """The architecture that the file says it holds."""
        if self.cfg is None:
            return "the file does not say which architecture it holds"
        net = self.cfg.RESNET
        return (
            f"the file says MODEL.ARCH {self.cfg.MODEL.ARCH}, RESNET.DEPTH {net.DEPTH}, "
            f"RESNET.WIDTH_PER_GROUP {net.WIDTH_PER_GROUP}, MODEL.NUM_CLASSES {self.cfg.MODEL.NUM_CLASSES}"
        )


def read_weights(source: str | Path) -> WeightsFile:
    """Read a released checkpoint (``.pyth``), one of this package, or a plain state dict.

    Raises:
        WeightsError: there is no such file, it is a web page, truncated or damaged, it holds code, or no weights.
    """
    path = Path(source).expanduser()
    content = _load(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__} and no weights; a checkpoint is a dictionary")
    state = content.get("model_state", content.get("state_dict", content))
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(f"{path}: holds no weights; a checkpoint has them under 'model_state'")
    text = content.get("cfg")
    try:
        cfg = cfg_from_released(text) if isinstance(text, str) else None
    except ConfigError as error:
        raise WeightsError(f"{path}: its configuration cannot be read: {' '.join(str(error).split())}") from error
    return WeightsFile(str(path), tensors, cfg, ours=content.get("format") == "rhovideo")


def _load(path: Path) -> object:
    if not path.is_file():
        wrong = "is a folder, not a checkpoint" if path.is_dir() else "there is no such file"
        raise WeightsError(f"{path}: {wrong}; write the path of a .pyth file")
    with path.open("rb") as file:
        start = file.read(512)
    if start.lstrip()[:1] == b"<":
        raise WeightsError(f"{path}: is a web page and no checkpoint; download the file itself")
    if start.startswith(ZIP_MAGIC):
        _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):  # torch's word for a class or function that is not on its list
            raise WeightsError(
                f"{path}: holds Python objects beside weights, which could run code when they are loaded; "
                "it is refused. Ask its author for a file of tensors, numbers and text alone"
            ) from error
        raise WeightsError(f"{path}: is truncated, damaged or no checkpoint at all; get it again") from error
    except Exception as error:
        raise WeightsError(f"{path}: is truncated, damaged or no checkpoint at all; get it again") from error


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(f"{path}: is truncated (its end is missing); get it again") from error
    if damaged is not None:
        raise WeightsError(f"{path}: is damaged at {damaged}; get it again")
