"""Released checkpoints, and ours: names of their tensors, loading them, and the paper's figures.

Names are loaded when they are first used, so that the figures can be looked up without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rhovideo.zoo.errors import WeightsError
    from rhovideo.zoo.exporting import export
    from rhovideo.zoo.loading import (
        load_classifier,
        load_classifier_weights,
        load_encoder_weights,
        load_method,
        load_pretrained,
    )

_HOME = {
    "WeightsError": "rhovideo.zoo.errors",
    "export": "rhovideo.zoo.exporting",
    "load_classifier": "rhovideo.zoo.loading",
    "load_classifier_weights": "rhovideo.zoo.loading",
    "load_encoder_weights": "rhovideo.zoo.loading",
    "load_method": "rhovideo.zoo.loading",
    "load_pretrained": "rhovideo.zoo.loading",
}

__all__ = [
    "WeightsError",
    "export",
    "load_classifier",
    "load_classifier_weights",
    "load_encoder_weights",
    "load_method",
    "load_pretrained",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'rhovideo.zoo' has no attribute {name!r}")
