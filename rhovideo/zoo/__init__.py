"""Released checkpoints and our own: the names of their tensors, loading, exporting, the figures of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.errors import WeightsError
    from rhovideo.zoo.detectors import load_detector
    from rhovideo.zoo.pretrained import (
        load_classifier,
        load_classifier_weights,
        load_encoder_weights,
        load_method,
        load_pretrained,
    )
    from rhovideo.zoo.released_format.exporting import export

__all__ = [
    "WeightsError",
    "export",
    "load_classifier",
    "load_classifier_weights",
    "load_detector",
    "load_encoder_weights",
    "load_method",
    "load_pretrained",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "WeightsError": "rhovideo.errors",
        "export": "rhovideo.zoo.released_format.exporting",
        "load_classifier": "rhovideo.zoo.pretrained",
        "load_classifier_weights": "rhovideo.zoo.pretrained",
        "load_detector": "rhovideo.zoo.detectors",
        "load_encoder_weights": "rhovideo.zoo.pretrained",
        "load_method": "rhovideo.zoo.pretrained",
        "load_pretrained": "rhovideo.zoo.pretrained",
    },
)
