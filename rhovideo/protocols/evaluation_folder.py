"""The folder of an evaluation: free, finished with the same run, or taken by another. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.checks.finished_runs import compare_inputs, joined
from rhovideo.config.comparison import differing_values, global_batch, in_words, keys_without_effect
from rhovideo.config.files.reading import load
from rhovideo.config.findings import ConfigError
from rhovideo.errors import JobError
from rhovideo.protocols.recipes import BATCHES
from rhovideo.runs.first_launch import read_first_launch
from rhovideo.runs.folder import is_finished, list_checkpoints
from rhovideo.runs.lineage import read_config
from rhovideo.terminal import print_line


def is_to_run(config: Path, cfg: CfgNode) -> bool:
    """True if a run must be started, or must go on, in the folder of its configuration's file.

    Args:
        config: the configuration's file; an earlier command may have written it.
        cfg: the configuration that it must hold.

    Returns:
        False if this same run has finished there, on any machines.

    Raises:
        JobError: the folder holds another run, or a finished one whose checkpoint, lists or videos have changed since.
    """
    folder = config.parent
    before = read_config(folder) or _written_before(config)
    finished = is_finished(folder)
    if not before or not (finished or list_checkpoints(folder)):
        # There is no earlier run to go on with.
        return True
    different = in_words(differing_values(before, cfg, keys_without_effect(cfg)))
    if different:
        raise JobError(f"{folder} holds another run, where {joined(different)}: write another --out; this one stays")
    if not finished:
        # It goes on with the global batch that it began with.
        return True
    _refuse_other_inputs(cfg, folder)
    batch, done = global_batch(cfg), {global_batch(before), batch_of_run(before, folder)}
    if batch not in done:
        raise JobError(
            f"{folder} holds a finished run with a global batch of {batch_of_run(before, folder)}, and this is one of "
            f"{batch} (TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE}, NUM_SHARDS {cfg.NUM_SHARDS}): write another --out; "
            "this one stays"
        )
    return False


def _refuse_other_inputs(cfg: CfgNode, folder: Path) -> None:
    """Raise a JobError if the checkpoint, a list or videos of a finished run are others now."""
    inputs = compare_inputs(cfg, folder)
    if inputs.differences:
        raise JobError(
            f"{folder} holds a result, and {joined(inputs.differences)}: write another --out; this one stays"
        )
    for note in inputs.notes:
        print_line(note)


def batch_of_run(cfg: Mapping[str, Any], folder: Path) -> int | None:
    """The number of videos in a step, over all machines, of the run in ``folder``; None if nothing is trained.

    Args:
        cfg: the run's configuration, which is used as long as the run has not begun.
        folder: the run folder.
    """
    batch = global_batch(cfg)
    first = read_first_launch(folder) if batch is not None else None
    return first.global_batch if first else batch


def has_protocols_batch(cfg: Mapping[str, Any], folder: Path) -> bool:
    """True if a classifier was trained with a global batch of its protocol.

    Args:
        cfg: the configuration of the training, TASK linear or finetune.
        folder: its run folder, which may still be empty.
    """
    return batch_of_run(cfg, folder) in BATCHES[cfg["TASK"]]


def _written_before(config: Path) -> Mapping[str, Any]:
    """The configuration of a run that waits in a queue, or that ended before it began."""
    try:
        return load(config).cfg if config.exists() else {}
    except ConfigError:
        return {}
