"""Miniatures of studies: tiny generated data sets and the settings that make every job tiny. No number means anything.

A miniature shows that each cell of a table can be trained and measured, in minutes, before days of GPUs are spent.
"""

from __future__ import annotations

from rhovideo.studies.miniature.data import NAMES, write_data
from rhovideo.studies.miniature.settings import VIDEO_SHARE, shrink

__all__ = ["NAMES", "VIDEO_SHARE", "shrink", "write_data"]
