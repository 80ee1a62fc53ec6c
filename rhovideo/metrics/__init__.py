"""Metrics of the downstream tasks, usable alone and without torch: arrays or files in, a dict of numbers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.metrics.box_precision import ava_map
    from rhovideo.metrics.multilabel import multilabel_map

__all__ = ["ava_map", "multilabel_map"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ava_map": "rhovideo.metrics.box_precision",
        "multilabel_map": "rhovideo.metrics.multilabel",
    },
)
