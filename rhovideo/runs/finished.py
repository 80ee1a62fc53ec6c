"""A finished run that is started again: it stays as it is, goes on for more epochs, or is refused. Without torch."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.config.comparison import FILES, differing_values, global_batch, keys_without_effect
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import list_name, needed_splits
from rhovideo.config.task_defaults import TRAINS
from rhovideo.runs.first_launch import read_first_launch
from rhovideo.runs.folder import (
    CONFIG_FILE,
    INPUTS_FILE,
    RESULTS_FILE,
    changed,
    is_finished,
    list_checkpoints,
    progress,
)
from rhovideo.runs.inputs import CHECKPOINT, Change, Inputs, changes, measure, read_inputs
from rhovideo.runs.lineage import read_config

# The folder of OUTPUT_DIR with the records of results that a longer training has replaced.
EARLIER = "earlier_results"
_MOST_SHOWN = 6
_EPOCHS = "SOLVER.MAX_EPOCH"


@dataclass(frozen=True)
class Standing:
    """The relation of a start to what its folder holds.

    Attributes:
        finished: True if this very run has finished there, so that nothing is to be done.
        refusals: the differences between the finished run and the start; empty if it may start.
        unrecorded: True if an earlier version wrote the folder, so that time stamps alone could be compared.
    """

    finished: bool = False
    refusals: list[str] = field(default_factory=list)
    unrecorded: bool = False


def standing(cfg: CfgNode) -> Standing:
    """Compare a start with the finished run in its OUTPUT_DIR, by settings and by the content of the inputs.

    Args:
        cfg: the configuration of the start, with its checkpoint filled in.

    Raises:
        JobError: a record of the folder is damaged.
    """
    folder = Path(cfg.OUTPUT_DIR)
    before = read_config(folder) if is_finished(folder) else {}
    if not before:
        return Standing()
    now = yaml.safe_load(cfg.dump())
    differing = differing_values(before, now, (*keys_without_effect(cfg), *FILES))
    longer = _is_longer(cfg, differing)
    if longer:
        differing = {key: pair for key, pair in differing.items() if not key.startswith("SOLVER.")}
    refusals = [f"{key} was {was!r} and is {new!r} now" for key, (was, new) in differing.items()]
    refusals += _other_batch(before, cfg)
    if longer:
        return Standing(refusals=refusals)
    record = read_inputs(folder)
    refusals += _other_files(before, now, record, cfg)
    # Checkpoints may have been removed, to train the last epochs again.
    gone = cfg.TASK in TRAINS and cfg.TRAIN.ENABLE and progress(folder)[0] < cfg.SOLVER.MAX_EPOCH
    same = not refusals and not gone and cfg.TASK != "extract"
    return Standing(same, refusals, record is None)


def is_done(cfg: CfgNode) -> bool:
    """True if this very run has finished in its OUTPUT_DIR, so that a start does nothing."""
    return standing(cfg).finished


def _is_longer(cfg: CfgNode, differing: Mapping[str, tuple[Any, Any]]) -> bool:
    was, now = differing.get(_EPOCHS, (0, 0))
    return cfg.TASK in TRAINS and cfg.TRAIN.AUTO_RESUME and bool(list_checkpoints(cfg.OUTPUT_DIR)) and now > was


def _other_batch(before: Mapping[str, Any], cfg: CfgNode) -> list[str]:
    """Another batch that was asked for; one that only follows from the number of machines is none."""
    if cfg.TASK not in TRAINS or before["TRAIN"]["BATCH_SIZE"] == cfg.TRAIN.BATCH_SIZE:
        return []
    first = read_first_launch(cfg.OUTPUT_DIR)
    done, now = {global_batch(before), first.global_batch if first else None}, global_batch(cfg)
    if now in done:
        return []
    return [f"TRAIN.BATCH_SIZE was {before['TRAIN']['BATCH_SIZE']} and is {cfg.TRAIN.BATCH_SIZE} now"]


def _other_files(before: Mapping[str, Any], now: Mapping[str, Any], record: Inputs | None, cfg: CfgNode) -> list[str]:
    """The lists and the checkpoint that are others than those of the finished run."""
    places = ("DATA.PATH_TO_DATA_DIR", "TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH")
    moved = differing_values(before, now, tuple(key for key in _flat_keys(now) if key not in places))
    if record is None:
        named = [f"{key} was {was!r} and is {new!r} now" for key, (was, new) in moved.items()]
        return named + [f"{path} was written after the run began" for path in written_since(cfg, Path(cfg.OUTPUT_DIR))]
    measured = measure(cfg)
    found = [str(change) for change in changes(record.inputs, measured)]
    paths, roles = {item.path for item in record.inputs}, {item.role for item in record.inputs}
    data = moved.get("DATA.PATH_TO_DATA_DIR")
    # Rows of a list may be relative to its folder, so the same rows elsewhere are other videos.
    if data and not any(item.rows is not None and item.path in paths for item in measured):
        found.append(f"DATA.PATH_TO_DATA_DIR was {data[0]!r} and is {data[1]!r} now")
    for item in measured:
        if item.role == CHECKPOINT and CHECKPOINT not in roles and any(key != "DATA.PATH_TO_DATA_DIR" for key in moved):
            found.append(f"it began without a checkpoint file, and {item.path} is named now")
    return found


def changed_inputs(cfg: CfgNode, folder: Path) -> list[Change] | None:
    """The inputs of a finished run whose content is another one now; None if the folder has no record of them."""
    record = read_inputs(folder)
    return None if record is None else changes(record.inputs, measure(cfg))


def written_since(cfg: CfgNode, folder: Path) -> list[Path]:
    """The inputs with a time stamp after a run's start: all that a folder without a record of inputs can tell."""
    lists = [Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split) for split in needed_splits(cfg)]
    weights = [Path(name) for name in (cfg.TRAIN.CHECKPOINT_FILE_PATH, cfg.TEST.CHECKPOINT_FILE_PATH) if name]
    return [path for path in (*weights, *lists) if changed(path) > changed(folder / CONFIG_FILE)]


def check_finished(cfg: CfgNode) -> list[Finding]:
    """A finding if OUTPUT_DIR holds a finished run of other settings or inputs, which must not be written over."""
    refusals = standing(cfg).refusals
    if not refusals:
        return []
    more = f"; and {len(refusals) - _MOST_SHOWN} more" if len(refusals) > _MOST_SHOWN else ""
    wrong = f"{cfg.OUTPUT_DIR} holds a finished run, and this one differs: {'; '.join(refusals[:_MOST_SHOWN])}{more}"
    return [Finding(("OUTPUT_DIR",), wrong, "another OUTPUT_DIR; the finished run stays as it is")]


def unrecorded_note(folder: str | Path) -> str:
    """The sentence about a result whose inputs were not recorded."""
    return (
        f"{folder} has no {INPUTS_FILE}: an earlier version wrote it, so only the time stamps of its lists and of its "
        "checkpoint were compared, not their content. To be sure, run it again into another folder"
    )


def set_aside(output_dir: str | Path) -> None:
    """Move the results of an earlier end out of the way of a run that begins, with copies of its records."""
    folder = Path(output_dir)
    if not (folder / RESULTS_FILE).exists():
        return
    place = folder / EARLIER / time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while place.exists():
        number += 1
        place = place.with_name(f"{place.name.partition('.')[0]}.{number}")
    place.mkdir(parents=True)
    for name in (CONFIG_FILE, INPUTS_FILE):
        if (folder / name).exists():
            (place / name).write_bytes((folder / name).read_bytes())
    os.replace(folder / RESULTS_FILE, place / RESULTS_FILE)


def _flat_keys(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in values.items():
        keys += _flat_keys(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [f"{prefix}{name}"]
    return keys
