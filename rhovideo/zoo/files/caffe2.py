"""Caffe2's classifiers, ``.pkl``, in which PySlowFast's model zoo was first released.

Such a file is a pickle of NumPy arrays; nothing but arrays is built from it.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rhovideo.zoo.files.harmless_types import HARMLESS, ForeignObjectError, plain

# NumPy's names alone.
_ARRAYS = {name: made for name, made in HARMLESS.items() if name.startswith("numpy.")} | {
    "_codecs.encode": codecs.encode
}
_PARTS = {
    "w": "weight",
    "b": "bias",
    "bn_s": "bn.weight",
    "bn_b": "bn.bias",
    "bn_rm": "bn.running_mean",
    "bn_riv": "bn.running_var",
}
_PART = "(" + "|".join(_PARTS) + ")"
_STEM_CONV = re.compile(r"(t_)?conv1_w")
_STEM_NORM = re.compile(rf"(t_)?res_conv1_{_PART}")
_SHORTCUT = re.compile(rf"(t_)?res([2-5])_(\d+)_branch1_{_PART}")
_BRANCH = re.compile(rf"(t_)?res([2-5])_(\d+)_branch2([abc])_{_PART}")
_FUSION = re.compile(rf"t_(?:pool1|res([2-5])_\d+_branch2c_bn)_subsample_{_PART}")
_HEAD = re.compile(r"pred_([wb])")


def read_caffe2(path: Path) -> dict[str, Any]:
    """The content of a ``.pkl`` file.

    Raises:
        ForeignObjectError: it names anything but arrays.
        pickle.UnpicklingError: it is damaged.
    """
    with path.open("rb") as file:
        content: dict[str, Any] = plain(_ArrayUnpickler(file, encoding="latin1").load())
        return content


def released_state(blobs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Caffe2's blobs under PySlowFast's names; blobs without a name there keep their own.

    The optimizer's blobs (``*_momentum``, ``lr``, ``model_iter``) are left out.
    """
    kept = {name: array for name, array in blobs.items() if not name.endswith(("_momentum", "lr", "model_iter"))}
    return {released_name(name) or name: torch.from_numpy(np.array(array)) for name, array in kept.items()}


def released_name(blob: str) -> str | None:
    """PySlowFast's name of a blob; None if it has none."""
    if match := _HEAD.fullmatch(blob):
        return f"head.projection.{_PARTS[match[1]]}"
    if match := _FUSION.fullmatch(blob):
        part = _PARTS[match[2]]
        return f"s{match[1] or 1}_fuse.{part if part.startswith('bn.') else f'conv_f2s.{part}'}"
    if match := _STEM_CONV.fullmatch(blob):
        return f"s1.pathway{_pathway(match)}_stem.conv.weight"
    if match := _STEM_NORM.fullmatch(blob):
        return f"s1.pathway{_pathway(match)}_stem.{_PARTS[match[2]]}"
    if match := _SHORTCUT.fullmatch(blob):
        return f"s{match[2]}.pathway{_pathway(match)}_res{match[3]}.branch1{_with_norm(match[4])}"
    if match := _BRANCH.fullmatch(blob):
        return f"s{match[2]}.pathway{_pathway(match)}_res{match[3]}.branch2.{match[4]}{_with_norm(match[5])}"
    return None


def _pathway(match: re.Match[str]) -> int:
    """0 (slow) or 1 (fast): the names of the fast pathway's blobs begin with t."""
    return 1 if match[1] else 0


def _with_norm(part: str) -> str:
    """The end of a name: ``_bn.weight`` for the norm after a convolution, ``.weight`` for the convolution."""
    return ("_" if part.startswith("bn_") else ".") + _PARTS[part]


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        made = _ARRAYS.get(f"{module}.{name}")
        if made is None:
            raise ForeignObjectError(f"{module}.{name}")
        return made
