"""The page of a run, a study or an evaluation: figures, pictures and words, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.report.page import write_report

__all__ = ["write_report"]
__getattr__, __dir__ = lazy_names(__name__, {"write_report": "rhovideo.report.page"})
