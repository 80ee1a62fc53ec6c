"""The keys that are fitted to a job's training list and device before it is checked, and the lines that say so.

Without torch, so that a dry run and a submission find the values that the job will have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.fitted import KEYS, fitted_values, without_a_gpu
from rhovideo.config.keys import get_value, set_value
from rhovideo.config.list_names import needed_splits
from rhovideo.runs.first_launch import resumes
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.lineage import read_config


def fit_to_list(cfg: CfgNode, own: Collection[str]) -> list[str]:
    """Fit keys to the training list and to the CPU, in place; a run that is resumed keeps the values that it has.

    Args:
        cfg: resolved, not frozen.
        own: the keys that the user has written, which are left alone.

    Returns:
        Lines that name what was changed; none where nothing was.
    """
    free = [key for key in KEYS if key not in own]
    if resumes(cfg) and list_checkpoints(cfg.OUTPUT_DIR):
        return _change(cfg, _of_run(cfg, free), f"as {cfg.OUTPUT_DIR} began")
    of_cpu = _change(cfg, without_a_gpu(cfg, free), "fitted to the CPU")
    videos = _videos(cfg)
    if not videos:
        return of_cpu + _change(cfg, fitted_values(cfg, None, free), f"fitted to {cfg.SOLVER.MAX_EPOCH} epochs")
    count = "1 video" if videos == 1 else f"{videos} videos"
    return of_cpu + _change(cfg, fitted_values(cfg, videos, free), f"fitted to {count}")


def _change(cfg: CfgNode, values: Mapping[str, Any], why: str) -> list[str]:
    changes = [f"{key} {_word(get_value(cfg, key))} → {_word(value)}" for key, value in values.items()]
    for key, value in values.items():
        set_value(cfg, key, value)
    return [f"{why}: {', '.join(changes)}"] if changes else []


def _word(value: float) -> str:
    return str(value) if isinstance(value, bool) else f"{value:g}"


def _of_run(cfg: CfgNode, free: Collection[str]) -> dict[str, Any]:
    """The values in the run's config.yaml that differ from those that were loaded now."""
    written = read_config(Path(cfg.OUTPUT_DIR))
    values = {}
    for key in free:
        section, _, name = key.partition(".")
        value, now = (written.get(section) or {}).get(name), get_value(cfg, key)
        if isinstance(value, (int, float)) and value != now:
            values[key] = type(now)(value)
    return values


def _videos(cfg: CfgNode) -> int | None:
    """The number of videos in the training list; None if the job reads none, or where it is not known here."""
    if lists_itself(cfg) or "train" not in needed_splits(cfg):
        return None
    # They import NumPy, for which a look at runs must not wait.
    from rhovideo.checks.lists.list_contents import read_contents
    from rhovideo.data.lists.csv_parsing import ManifestError

    try:
        return read_contents(cfg, "train").videos
    except (ManifestError, OSError, ValueError):
        return None  # the check of the lists says it
