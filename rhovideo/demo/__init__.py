"""The paper in miniature: synthetic videos, the runs that learn from them, and pictures to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.demo.synthetic_videos import write_synthetic

__all__ = ["write_synthetic"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "write_synthetic": "rhovideo.demo.synthetic_videos",
    },
)
