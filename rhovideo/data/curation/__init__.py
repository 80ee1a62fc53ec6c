"""Lists as data: what is in them, parts of them, and mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.curation.filtering import Wanted, filter_list
    from rhovideo.data.curation.merging import merge_lists
    from rhovideo.data.curation.source_list import ListFormat
    from rhovideo.data.curation.statistics import ListStatistics, list_statistics
    from rhovideo.data.curation.subsets import subset_list

__all__ = [
    "ListFormat",
    "ListStatistics",
    "Wanted",
    "filter_list",
    "list_statistics",
    "merge_lists",
    "subset_list",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ListFormat": "rhovideo.data.curation.source_list",
        "ListStatistics": "rhovideo.data.curation.statistics",
        "Wanted": "rhovideo.data.curation.filtering",
        "filter_list": "rhovideo.data.curation.filtering",
        "list_statistics": "rhovideo.data.curation.statistics",
        "merge_lists": "rhovideo.data.curation.merging",
        "subset_list": "rhovideo.data.curation.subsets",
    },
)
