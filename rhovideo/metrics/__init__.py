"""Metrics of the downstream tasks, usable alone: arrays or files in, a dict of numbers out."""

from __future__ import annotations

from rhovideo.metrics.multilabel import multilabel_map

__all__ = ["multilabel_map"]
