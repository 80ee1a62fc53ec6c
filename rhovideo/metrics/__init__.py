"""Metrics as functions of files and arrays, usable alone and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.metrics.box_precision import ava_map

__all__ = ["ava_map"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ava_map": "rhovideo.metrics.box_precision",
    },
)
