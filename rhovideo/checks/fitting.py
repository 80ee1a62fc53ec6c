"""The keys that are fitted to a job's training list and device before it is checked, and the lines that say so.

Without torch, so that a dry run and a submission find the values that the job will have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.auto_values import AUTO_KEYS, auto_values
from rhovideo.config.extension.registries import lists_itself, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.fitted import KEYS, fewest_of_machine, fitted_values, without_a_gpu
from rhovideo.config.keys import get_value, set_value
from rhovideo.config.list_names import needed_splits
from rhovideo.runs.first_launch import resumes
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.lineage import read_config


def fit_to_list(cfg: CfgNode, own: Collection[str], automatic: Collection[str] = ()) -> tuple[list[str], list[Finding]]:
    """Fit keys to the training list and to the CPU, in place; a run that is resumed keeps the values that it has.

    Args:
        cfg: resolved, not frozen.
        own: the keys that the user has written, which are left alone.
        automatic: the keys that are ``auto`` and must be found.

    Returns:
        Lines that name what was changed, and a finding where the number of videos is needed and not known.
    """
    free = [key for key in KEYS if key not in own and key not in automatic]
    if resumes(cfg) and list_checkpoints(cfg.OUTPUT_DIR):
        return _change(cfg, _of_run(cfg, [*free, *automatic]), f"as {cfg.OUTPUT_DIR} began"), []
    notes = _change(cfg, without_a_gpu(cfg, free), "fitted to the CPU")
    videos, unknown, write = _videos(cfg)
    if not videos:
        notes += _change(cfg, fitted_values(cfg, None, free), f"fitted to {cfg.SOLVER.MAX_EPOCH} epochs")
        return notes, _unfound(automatic, unknown, write)
    count = "1 video" if videos == 1 else f"{videos} videos"
    found = auto_values(cfg, videos, automatic)
    if found:
        _set(cfg, found)
        notes.append(f"auto for {count}: {', '.join(f'{key} {_word(value)}' for key, value in found.items())}")
    return notes + _change(cfg, fitted_values(cfg, videos, free), f"fitted to {count}"), []


def smaller_step(cfg: CfgNode, count: int, what: str) -> str:
    """The remedy that gives a step of training no more than ``count`` of a list's videos, or of what it lists."""
    fewest = fewest_of_machine(cfg)
    share = count // cfg.NUM_SHARDS // fewest * fewest
    if share:
        return f"{share} or less"
    more = f"a list of {fewest * cfg.NUM_SHARDS} {what} or more"
    alone = cfg.NUM_SHARDS == 1 and (cfg.NUM_GPUS or cfg.NUM_CPU_PROCESSES) == 1
    return more if alone else f"{more}, or ask for fewer machines or processes"


def _unfound(automatic: Collection[str], unknown: str, write: str) -> list[Finding]:
    """A finding for all keys together: they have one reason."""
    keys = tuple(key for key in AUTO_KEYS if key in automatic)
    if not keys:
        return []
    also = f", and so {'is' if len(keys) == 2 else 'are'} {', '.join(keys[1:])}" if keys[1:] else ""
    return [Finding(keys, f"is auto{also}; {unknown}", write)]


def _change(cfg: CfgNode, values: Mapping[str, Any], why: str) -> list[str]:
    changes = [f"{key} {_word(get_value(cfg, key))} → {_word(value)}" for key, value in values.items()]
    _set(cfg, values)
    return [f"{why}: {', '.join(changes)}"] if changes else []


def _set(cfg: CfgNode, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        set_value(cfg, key, value)


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


_NUMBERS = "a number for each"
_FOLDER = f"DATA.PATH_TO_DATA_DIR, the folder of the lists, or {_NUMBERS}"
# After what is said of a file.
_CORRECT = "it as the line above says, or another list"


def _videos(cfg: CfgNode) -> tuple[int | None, str, str]:
    """The number of videos in the training list; None if the job reads none, or it is not known here.

    Then there is a reason, and what to write.
    """
    if "train" not in needed_splits(cfg):
        return None, f"TASK {cfg.TASK} reads no training videos", _NUMBERS
    if reads_boxes(cfg):
        return _key_frames(cfg)
    if lists_itself(cfg):
        return None, f"a data set {cfg.TRAIN.DATASET} does not say its number of videos before it is read", _NUMBERS
    if not cfg.DATA.PATH_TO_DATA_DIR:
        return None, "DATA.PATH_TO_DATA_DIR names no folder in which the training videos could be counted", _FOLDER
    # They import NumPy, for which a look at runs must not wait.
    from rhovideo.checks.lists.list_contents import read_contents
    from rhovideo.data.lists.csv_parsing import ManifestError

    try:
        contents = read_contents(cfg, "train")
    except ManifestError as error:
        return None, f"the training list cannot be used: {error}", _CORRECT
    except (OSError, ValueError) as error:
        return None, f"the training list cannot be read: {error}", _FOLDER
    if contents.videos is None:
        return None, f"the training list {contents.csv} is too long to be counted before the start", _NUMBERS
    return contents.videos, f"the training list {contents.csv} is empty", "the path of a video on each line of it"


def _key_frames(cfg: CfgNode) -> tuple[int | None, str, str]:
    """The number of key frames to train on; None, a reason and what to write if they cannot be read."""
    from rhovideo.data.lists.boxes.key_frames import open_key_frames
    from rhovideo.data.lists.csv_parsing import ManifestError

    try:
        return len(open_key_frames(cfg, "train")), "no box to train on is left", f"other boxes, or {_NUMBERS}"
    except ManifestError as error:
        return None, f"the boxes to train on cannot be used: {error}", _CORRECT
    except OSError as error:
        return None, f"the boxes to train on cannot be read: {error}", f"the right names, or {_NUMBERS}"
