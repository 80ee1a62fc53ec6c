"""Batches of clips: data sets, the loader and its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.loading.batches import Batch
    from rhovideo.data.loading.datasets import VideoDataset, build_dataset, open_manifest
    from rhovideo.data.loading.loader import Loader, build_loader
    from rhovideo.data.loading.scanning import ScanReport, scan

__all__ = ["Batch", "Loader", "ScanReport", "VideoDataset", "build_dataset", "build_loader", "open_manifest", "scan"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Batch": "rhovideo.data.loading.batches",
        "Loader": "rhovideo.data.loading.loader",
        "ScanReport": "rhovideo.data.loading.scanning",
        "VideoDataset": "rhovideo.data.loading.datasets",
        "build_dataset": "rhovideo.data.loading.datasets",
        "build_loader": "rhovideo.data.loading.loader",
        "open_manifest": "rhovideo.data.loading.datasets",
        "scan": "rhovideo.data.loading.scanning",
    },
)
