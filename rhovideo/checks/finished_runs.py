"""A finished run that is started again: it stays as it is, goes on for more epochs, or is refused. Without torch."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.config.comparison import FILES, differing_values, global_batch, in_words, keys_without_effect
from rhovideo.config.findings import Finding
from rhovideo.config.keys import leaves
from rhovideo.config.list_names import list_name, needed_splits
from rhovideo.config.task_defaults import TRAINS
from rhovideo.errors import JobError
from rhovideo.runs.first_launch import read_first_launch
from rhovideo.runs.folder import (
    CONFIG_FILE,
    FEATURES_FILE,
    INPUTS_FILE,
    RESULTS_FILE,
    VIDEO_SIZES_FILE,
    changed,
    is_finished,
    list_checkpoints,
    progress,
    read_results,
)
from rhovideo.runs.inputs import CHECKPOINT, Input, changes, measure, read_inputs
from rhovideo.runs.lineage import read_config

# The folder of OUTPUT_DIR with the records of results that a longer training has replaced.
EARLIER = "earlier_results"
_MOST_SHOWN = 6
_EPOCHS, _DATA = "SOLVER.MAX_EPOCH", "DATA.PATH_TO_DATA_DIR"
_PLACES = (_DATA, "TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH")


@dataclass(frozen=True)
class Standing:
    """The relation of a start to what its folder holds.

    Attributes:
        finished: True if this very run has finished there, so that nothing is to be done.
        refusals: the differences between the finished run and the start; empty if it may start.
        notes: what could not be compared, in sentences.
    """

    finished: bool = False
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
    if not read_results(folder):
        raise JobError(
            f"{folder / RESULTS_FILE}: is empty or damaged, so the numbers of this finished run are not known: remove "
            "the file, and the same command measures them again"
        )
    now = yaml.safe_load(cfg.dump())
    differing = differing_values(before, now, (*keys_without_effect(cfg), *FILES))
    longer = _is_longer(cfg, differing)
    if longer:
        differing = {key: pair for key, pair in differing.items() if not key.startswith("SOLVER.")}
    refusals = in_words(differing) + _other_batch(before, cfg)
    if longer:
        return Standing(refusals=refusals)
    inputs = compare_inputs(cfg, folder)
    refusals += inputs.differences + _other_places(before, now, inputs, cfg)
    return Standing(not refusals and not _is_to_be_made_again(cfg), refusals, inputs.notes)


def _is_to_be_made_again(cfg: CfgNode) -> bool:
    """True if a person has removed what a finished run has made, so that the same run makes it again."""
    folder = Path(cfg.OUTPUT_DIR)
    if cfg.TASK == "extract":
        return not (folder / FEATURES_FILE).exists()
    return cfg.TASK in TRAINS and cfg.TRAIN.ENABLE and progress(folder)[0] < cfg.SOLVER.MAX_EPOCH


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


@dataclass(frozen=True)
class ComparedInputs:
    """The inputs of a start, compared with those of the finished run in its folder.

    Attributes:
        differences: the files and videos that are others now, in words.
        notes: what could not be compared, in sentences.
        recorded: those of the finished run; None where an earlier version kept no record.
        now: those that there are now; empty without a record.
    """

    differences: list[str]
    notes: list[str]
    recorded: list[Input] | None
    now: list[Input]


def compare_inputs(cfg: CfgNode, folder: Path) -> ComparedInputs:
    """Compare lists, label files and checkpoint by their content, and videos by their size.

    Args:
        cfg: of the start.
        folder: of the finished run.

    Raises:
        JobError: the record is damaged.
    """
    record = read_inputs(folder)
    if record is None:
        written = [f"{path} was written after the run began, by its time stamp" for path in _written_since(cfg, folder)]
        return ComparedInputs(written, [unrecorded_note(folder)], None, [])
    # NumPy, for which a start into a new folder need not wait.
    from rhovideo.checks.video_sizes import compare_videos, look_at_videos

    now = measure(cfg)
    videos = compare_videos(cfg, folder, record.inputs, now, look_at_videos(cfg, now))
    differences = [str(change) for change in changes(record.inputs, now)] + videos.differences
    return ComparedInputs(differences, videos.notes, record.inputs, now)


def _other_places(before: Mapping[str, Any], now: Mapping[str, Any], inputs: ComparedInputs, cfg: CfgNode) -> list[str]:
    """Another folder of lists, or another checkpoint, than the finished run names, where the content does not tell."""
    moved = differing_values(before, now, tuple(key for key, _ in leaves(cfg) if key not in _PLACES))
    if inputs.recorded is None:
        return in_words(moved)
    found = []
    paths, roles = {item.path for item in inputs.recorded}, {item.role for item in inputs.recorded}
    # Rows of a list may be relative to its folder, so the same rows elsewhere are other videos.
    if _DATA in moved and not any(item.rows is not None and item.path in paths for item in inputs.now):
        found += in_words({_DATA: moved[_DATA]})
    for item in inputs.now:
        if item.role == CHECKPOINT and CHECKPOINT not in roles and any(key != _DATA for key in moved):
            found.append(f"it began without a checkpoint file, and {item.path} is named now")
    return found


def _written_since(cfg: CfgNode, folder: Path) -> list[Path]:
    """The inputs with a time stamp after a run's start: all that a folder without a record of inputs can tell."""
    lists = [Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split) for split in needed_splits(cfg)]
    weights = [Path(name) for name in (cfg.TRAIN.CHECKPOINT_FILE_PATH, cfg.TEST.CHECKPOINT_FILE_PATH) if name]
    return [path for path in (*weights, *lists) if changed(path) > changed(folder / CONFIG_FILE)]


def refuse(cfg: CfgNode, stands: Standing) -> list[Finding]:
    """A finding if OUTPUT_DIR holds a finished run of other settings or inputs, which must not be written over.

    Args:
        cfg: of the start.
        stands: from :func:`standing`.
    """
    if not stands.refusals:
        return []
    wrong = f"{cfg.OUTPUT_DIR} holds a finished run, and this one differs: {joined(stands.refusals)}"
    return [Finding(("OUTPUT_DIR",), wrong, "another OUTPUT_DIR; the finished run stays as it is")]


def joined(differences: Sequence[str]) -> str:
    """The first differences in one clause, and the number of the others."""
    more = f"; and {len(differences) - _MOST_SHOWN} more" if len(differences) > _MOST_SHOWN else ""
    return "; ".join(differences[:_MOST_SHOWN]) + more


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
    for name in (CONFIG_FILE, INPUTS_FILE, VIDEO_SIZES_FILE):
        if (folder / name).exists():
            (place / name).write_bytes((folder / name).read_bytes())
    os.replace(folder / RESULTS_FILE, place / RESULTS_FILE)
