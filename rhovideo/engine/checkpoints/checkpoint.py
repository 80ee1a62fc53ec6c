"""Checkpoints of a training run: written whole or not at all, and read only if every byte is as it was written.

A checkpoint is a dictionary saved by ``torch.save``. Nothing in it is run when it is read:

=================  ====================================================================================
``format``         ``"rhovideo"``
``task``           the TASK that wrote it
``cfg``            the resolved configuration, as YAML text
``epoch``          epochs that are complete
``step``           steps of the next epoch that are complete; 0 at an epoch's end
``global_step``    optimizer steps since the start
``epoch_layout``   videos of an epoch and of a step, and how they are shuffled: what decides what comes after ``step``
``videos``         how many distinct ones were ``tried``, how many of them are ``bad`` (could not be read), and which
``class_names``    of a classifier: the names of its classes by label; not there where the lists have none
``model_state``    state dict of the method or classifier
``optimizer_state``, ``scaler_state``, ``task_state``
=================  ====================================================================================

Random states are not in it: every draw is addressed by seed, epoch and step (:mod:`rhovideo.randomness`).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.atomic_files import try_to_write, writing, written_whole
from rhovideo.errors import JobError, WeightsError
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.job_checkpoint import measured_checkpoint
from rhovideo.zoo.files.safe_loading import check_values, load_content

logger = logging.getLogger(__name__)

FORMAT = "rhovideo"
# The entries without which no training can go on, by their types.
_ENTRIES: dict[str, type] = {
    **dict.fromkeys(("model_state", "optimizer_state", "scaler_state", "task_state", "epoch_layout"), dict),
    **dict.fromkeys(("epoch", "step", "global_step"), int),
    **dict.fromkeys(("task", "cfg"), str),
}


class CheckpointError(JobError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


def save_checkpoint(state: dict[str, Any], path: Path, keep: int) -> None:
    """Write ``state`` under a temporary name, sync it to disk, rename it, then remove all but the ``keep`` newest.

    Args:
        state: the entries that the module's docstring lists.
        path: from :func:`rhovideo.runs.folder.checkpoint_path`.
        keep: how many checkpoints stay; 0 keeps all.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full. The older checkpoints stay as they are.
    """
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            # Given by its name: torch writes to a Python file in small pieces, which takes twice as long.
            save_by_name(state, file.name)
    except OSError as error:
        kept = list_checkpoints(path.parent.parent)
        after = f"The last checkpoint is {kept[0]}: the same command goes on from there" if kept else ""
        raise CheckpointError(f"{error}. {after or 'There is no earlier checkpoint: it would start anew'}") from error
    _remove_old(path, keep)


def save_by_name(content: object, name: str) -> None:
    """``torch.save`` to a temporary file, with the system's error where torch only tells of a position.

    Raises:
        OSError: it cannot be written.
    """
    try:
        torch.save(content, name)
    except RuntimeError as error:
        # torch hides the system's error, which comes again now.
        try_to_write(name)
        raise OSError(f"torch could not write it, and there is space now: {error}") from error


def _remove_old(newest: Path, keep: int) -> None:
    for leftover in newest.parent.glob(".checkpoint_*.tmp"):
        leftover.unlink(missing_ok=True)
    if keep > 0:
        for path in list_checkpoints(newest.parent.parent)[keep:]:
            path.unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load one checkpoint on the CPU after checking the checksum of every record in it.

    Args:
        path: of the file.

    Returns:
        The entries that the module's docstring lists.

    Raises:
        CheckpointError: the file is cut off, damaged, not a checkpoint, empty, or would run code.
    """
    return _read(Path(path), mapped=False)


def _read(path: Path, *, mapped: bool) -> dict[str, Any]:
    """The entries of a checkpoint; ``mapped``: it was checked, and its values stay on the disk until they are used."""
    try:
        state = load_content(path, shapes_only=mapped, checked=mapped)
    except WeightsError as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not written by this package; load it with rhovideo.load_pretrained")
    if lacking := [name for name, kind in _ENTRIES.items() if not isinstance(state.get(name), kind)]:
        raise CheckpointError(f"{path}: has no {', '.join(lacking)}, which every checkpoint of a training has")
    if not state["model_state"]:
        raise CheckpointError(f"{path}: its model_state is empty, so there are no weights to go on with")
    return state


def newest_checkpoint(output_dir: str | Path) -> tuple[Path, dict[str, Any]] | None:
    """Find the furthest checkpoint of a run that can be read; the others are passed over with a warning.

    Args:
        output_dir: of the run.

    Returns:
        Its path and its content; None where there is none.
    """
    for path in list_checkpoints(output_dir):
        try:
            return path, read_checkpoint(path)
        except CheckpointError as error:
            logger.warning("A checkpoint is skipped, and the one before it is tried: %s", error)
    return None


def newest_checkpoint_of_all(output_dir: str | Path) -> tuple[Path, dict[str, Any]] | None:
    """As :func:`newest_checkpoint`, for all processes of a job together, which must all call it.

    One process of each machine reads and checks the file. The others map it, so its bytes are read once a machine, and
    lie in its memory once.

    Args:
        output_dir: of the run.

    Returns:
        Its path and its content; None where there is none. The tensors belong to the file: they are to be copied, and
        not kept.
    """
    # Rank 0 looks for all: on a network file system the others may still see older files.
    paths = distributed.gather_objects(list_checkpoints(output_dir) if distributed.is_main() else None)[0] or []
    for path in paths:
        errors = [text for text in distributed.gather_objects(_why_unreadable(path)) if text]
        if not errors:
            return path, _read(path, mapped=True)
        if distributed.is_main():
            logger.warning("A checkpoint is skipped, and the one before it is tried: %s", errors[0])
    return None


def _why_unreadable(path: Path) -> str:
    """What is wrong with a checkpoint; empty where nothing is, and on processes that leave the look to another."""
    if distributed.local_rank() != 0:
        return ""
    try:
        check_values(path)
        _read(path, mapped=True)
    except (CheckpointError, WeightsError) as error:
        return str(error)
    return ""


def checkpoint_to_measure(cfg: CfgNode) -> str:
    """The checkpoint that TASK test or knn measures, see :func:`rhovideo.runs.job_checkpoint.measured_checkpoint`.

    The job's own is the newest in OUTPUT_DIR that can be read.

    Args:
        cfg: the job's.

    Returns:
        A path or a released checkpoint's name; an empty text where there is neither.
    """
    found = newest_checkpoint(cfg.OUTPUT_DIR) if list_checkpoints(cfg.OUTPUT_DIR) else None
    return measured_checkpoint(cfg, str(found[0]) if found else "")
