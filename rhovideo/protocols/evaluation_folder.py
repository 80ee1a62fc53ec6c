"""Whether a folder is free for a run, has finished just this one, or holds another. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.comparison import differences, global_batch, without_a_say
from rhovideo.config.findings import ConfigError
from rhovideo.config.input_files import list_name, needed_splits
from rhovideo.config.reading import load
from rhovideo.errors import JobError
from rhovideo.protocols.recipes import BATCHES
from rhovideo.runs.first_launch import read_first_launch
from rhovideo.runs.folder import CONFIG_FILE, changed, is_finished, list_checkpoints
from rhovideo.runs.lineage import read_config


def is_to_run(config: Path, cfg: CfgNode) -> bool:
    """Whether a run is to be started, or to go on, in the folder of its configuration's file.

    Args:
        config: where the configuration is written, or was by an earlier call.
        cfg: what it is to be.

    Returns:
        False where just this run has finished, on whatever machines.

    Raises:
        JobError: the folder holds another run, which a start would go on with, or a finished one whose checkpoint or
            lists have changed since.
    """
    folder = config.parent
    before = read_config(folder) or _written_before(config)
    finished = is_finished(folder)
    if not before or not (finished or list_checkpoints(folder)):
        # Nothing of an earlier run is there to go on with.
        return True
    different = differences(before, cfg, without_a_say(cfg))
    if different:
        raise JobError(
            f"{folder} holds another run, which differs in {', '.join(different[:4])}: write another --out, or remove "
            "it"
        )
    if not finished:
        # It goes on with the global batch that it began with.
        return True
    _refuse_if_written_anew(cfg, folder)
    batch, done = global_batch(cfg), {global_batch(before), batch_of_run(before, folder)}
    if batch not in done:
        raise JobError(
            f"{folder} holds a finished run with a global batch of {batch_of_run(before, folder)}, and this is one of "
            f"{batch} (TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE}, NUM_SHARDS {cfg.NUM_SHARDS}): write another --out, or "
            "remove it"
        )
    return False


def _refuse_if_written_anew(cfg: CfgNode, folder: Path) -> None:
    """Raise a JobError where the checkpoint or a list of a finished run was written since the run began."""
    lists = [Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split) for split in needed_splits(cfg)]
    weights = [cfg.TRAIN.CHECKPOINT_FILE_PATH, cfg.TEST.CHECKPOINT_FILE_PATH]
    for path in [*(Path(name) for name in weights if name), *lists]:
        if changed(path) > changed(folder / CONFIG_FILE):
            raise JobError(
                f"{folder} holds what was measured before {path} was written anew: write another --out, or remove it"
            )


def batch_of_run(cfg: Mapping[str, Any], folder: Path) -> int | None:
    """Videos a step over all machines, as the run in ``folder`` began; None where nothing is trained.

    Args:
        cfg: the run's, which decides where nothing is there yet.
        folder: of the run.
    """
    batch = global_batch(cfg)
    first = read_first_launch(folder) if batch is not None else None
    return first.global_batch if first else batch


def has_protocols_batch(cfg: Mapping[str, Any], folder: Path) -> bool:
    """Whether a classifier was trained with a global batch of its protocol.

    Args:
        cfg: of the training, TASK linear or finetune.
        folder: of its run, which may hold nothing yet.
    """
    return batch_of_run(cfg, folder) in BATCHES[cfg["TASK"]]


def _written_before(config: Path) -> Mapping[str, Any]:
    """The configuration of a run that waits in a queue, or was ended before it began."""
    try:
        return load(config).cfg if config.exists() else {}
    except ConfigError:
        return {}
