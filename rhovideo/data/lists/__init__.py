"""Lists of videos: reading, packing and making them, and the record of bad videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.lists.bad_videos import BadVideoLedger
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.lists.indexing.folder_index import index_folder
    from rhovideo.data.lists.indexing.official.ava import index_ava
    from rhovideo.data.lists.indexing.official.charades import index_charades
    from rhovideo.data.lists.indexing.official.diving48 import index_diving48
    from rhovideo.data.lists.indexing.official.kinetics import index_kinetics
    from rhovideo.data.lists.indexing.official.something import index_ssv2
    from rhovideo.data.lists.indexing.official.three_splits import index_hmdb51, index_ucf101
    from rhovideo.data.lists.manifest import Manifest

__all__ = [
    "BadVideoLedger",
    "Manifest",
    "ManifestError",
    "index_ava",
    "index_charades",
    "index_diving48",
    "index_folder",
    "index_hmdb51",
    "index_kinetics",
    "index_ssv2",
    "index_ucf101",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BadVideoLedger": "rhovideo.data.lists.bad_videos",
        "Manifest": "rhovideo.data.lists.manifest",
        "ManifestError": "rhovideo.data.lists.csv_parsing",
        "index_ava": "rhovideo.data.lists.indexing.official.ava",
        "index_charades": "rhovideo.data.lists.indexing.official.charades",
        "index_diving48": "rhovideo.data.lists.indexing.official.diving48",
        "index_folder": "rhovideo.data.lists.indexing.folder_index",
        "index_hmdb51": "rhovideo.data.lists.indexing.official.three_splits",
        "index_kinetics": "rhovideo.data.lists.indexing.official.kinetics",
        "index_ssv2": "rhovideo.data.lists.indexing.official.something",
        "index_ucf101": "rhovideo.data.lists.indexing.official.three_splits",
    },
)
