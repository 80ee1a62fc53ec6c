"""The folder of a run: its files, its lock, its records. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.runs.first_launch import FirstLaunch, read_first_launch
    from rhovideo.runs.folder import checkpoint_folder, is_finished, list_checkpoints, read_results
    from rhovideo.runs.lineage import read_config
    from rhovideo.runs.lock import held, is_held

__all__ = [
    "FirstLaunch",
    "checkpoint_folder",
    "held",
    "is_finished",
    "is_held",
    "list_checkpoints",
    "read_config",
    "read_first_launch",
    "read_results",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FirstLaunch": "rhovideo.runs.first_launch",
        "checkpoint_folder": "rhovideo.runs.folder",
        "held": "rhovideo.runs.lock",
        "is_finished": "rhovideo.runs.folder",
        "is_held": "rhovideo.runs.lock",
        "list_checkpoints": "rhovideo.runs.folder",
        "read_config": "rhovideo.runs.lineage",
        "read_first_launch": "rhovideo.runs.first_launch",
        "read_results": "rhovideo.runs.folder",
    },
)
