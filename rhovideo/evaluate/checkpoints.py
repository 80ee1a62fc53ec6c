"""What a checkpoint's file says about itself, and whether all of it can be used: before anything is launched."""

from __future__ import annotations

import re
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.evaluate.recipes import Subject
from rhovideo.zoo.catalogue import entry_named, entry_of_file
from rhovideo.zoo.files import WeightsError, WeightsFile, read_weights
from rhovideo.zoo.keys import BLOCKS, to_ours
from rhovideo.zoo.loading import load_pretrained
from rhovideo.zoo.paths import local_path

_EPOCH = re.compile(r"epoch_(\d{5,})")
_HEAD = "head.projection.weight"


def examine(source: str, encoder: str = "online") -> Subject:
    """Read a checkpoint and build its encoder once.

    Args:
        source: a path, an URL or a short name of the zoo.
        encoder: "online" or "momentum".

    Raises:
        WeightsError: the file cannot be read or does not hold the whole encoder.
    """
    path = local_path(source).absolute()
    file = read_weights(path)
    cfg = _cfg(file)
    # Says now what would stop the job in its first seconds.
    load_pretrained(path, encoder=encoder)
    entry = entry_named(source) or entry_of_file(source)
    name = entry.name if entry else ""
    return Subject(str(source), str(path), name, cfg, _classes(file, cfg.MODEL.ARCH), _epoch(path, file.ours))


def _cfg(file: WeightsFile) -> CfgNode:
    if file.cfg is None:
        raise WeightsError(f"{file.name}: does not say which architecture it holds")
    return file.cfg


def _classes(file: WeightsFile, arch: str) -> int:
    """Classes of the file's classifier; 0 where it holds none."""
    if file.ours or arch not in BLOCKS:
        weight = file.state.get(_HEAD)
    else:
        weight = dict(to_ours(file.state, arch).values()).get(_HEAD)
    return 0 if weight is None else len(weight)


def _epoch(path: Path, ours: bool) -> int | None:
    """Complete epochs as the file's name tells, which ours and released ones begin with."""
    found = _EPOCH.search(path.name)
    return int(found[1]) if found and "_step_" not in path.name else None
