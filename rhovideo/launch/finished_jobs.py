"""Jobs of a chain that need not run again, since their run folders hold what they would compute. Without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import Finding, Problem
from rhovideo.launch.chains import NoCheckpoint, checkpoint_source, weights_from, with_checkpoint
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.first_launch import read_first_launch, resumes
from rhovideo.runs.folder import CONFIG_FILE, RESULTS_FILE, changed, is_finished, list_checkpoints
from rhovideo.runs.inputs import changed_inputs, read_inputs
from rhovideo.runs.lineage import read_config

# Keys for where a job runs. A run keeps its first global batch, so the batch of a resume makes no difference either.
_RESOURCES = ("SLURM", "NUM_SHARDS", "NUM_GPUS", "NUM_CPU_PROCESSES", "OUTPUT_DIR")


def finished_before(chain: Sequence[Loaded], number: int) -> bool:
    """True if a job has been done with this configuration and from the weights that it would begin with now.

    Args:
        chain: the jobs, in order.
        number: the job's place in it.
    """
    cfg = chain[number].cfg
    run = Path(cfg.OUTPUT_DIR)
    if not is_finished(run):
        return False
    source = checkpoint_source(chain, number)
    if source is not None:
        if not finished_before(chain, _place(chain, source)):
            return False
        # A folder of an earlier version has no record of the checkpoint's content.
        if read_inputs(run) is None and changed(source[1] / RESULTS_FILE) > changed(run / CONFIG_FILE):
            return False
        try:
            cfg = with_checkpoint(cfg, source)
        except NoCheckpoint:
            return False
    return _computed(read_config(run)) == _computed(_as_written(cfg)) and not changed_inputs(cfg, run)


def with_weights(chain: Sequence[Loaded], number: int) -> CfgNode | None:
    """The configuration of a job with the checkpoint that it would begin from now, or measure.

    Args:
        chain: the jobs, in order.
        number: the job's place in it.

    Returns:
        The configuration; None where an earlier job is yet to write that checkpoint.
    """
    earlier = weights_from(chain, number)
    if earlier is not None and not finished_before(chain, earlier):
        return None
    try:
        return with_checkpoint(chain[number].cfg, checkpoint_source(chain, number))
    except NoCheckpoint:
        return None


def check_earlier_weights(chain: Sequence[Loaded]) -> Iterator[Problem]:
    """Warn of jobs that go on from their own checkpoints although the weights they began from are made again.

    Args:
        chain: the jobs, in order.
    """
    for number, job in enumerate(chain):
        other = begun_from_other_weights(chain, number)
        if other:
            wrong = (
                f"{job.cfg.OUTPUT_DIR} goes on from its own checkpoints, while {other}. To begin with the new weights, "
                "write another OUTPUT_DIR"
            )
            yield job.problem(Finding(("OUTPUT_DIR",), wrong, severity="warning"))


def begun_from_other_weights(chain: Sequence[Loaded], number: int) -> str:
    """Why a job that goes on from its own checkpoints would begin from other weights now, in a clause.

    Args:
        chain: the jobs, in order.
        number: the job's place in it.

    Returns:
        The clause; empty if the weights are the same, or the job has no checkpoints.
    """
    source, own = checkpoint_source(chain, number), list_checkpoints(chain[number].cfg.OUTPUT_DIR)
    if source is None or not own or not resumes(chain[number].cfg):
        return ""
    weights = list_checkpoints(source[1])
    if not weights or not finished_before(chain, _place(chain, source)):
        return "the job that its first weights came from is done again"
    first = read_first_launch(chain[number].cfg.OUTPUT_DIR)
    if first is not None and first.weights_sha256 is not None:
        other = file_sha256(weights[0]) != first.weights_sha256
        return f"the weights that it began from are no longer those of {weights[0]}" if other else ""
    later = changed(weights[0]) > changed(own[0])
    no_hash = "an earlier version kept no hash of the weights that it began from"
    return f"{weights[0]} was written later, by its time stamp: {no_hash}" if later else ""


def _place(chain: Sequence[Loaded], source: tuple[str, Path]) -> int:
    return next(place for place, job in enumerate(chain) if Path(job.cfg.OUTPUT_DIR) == source[1])


def _as_written(cfg: CfgNode) -> Mapping[str, Any]:
    return yaml.safe_load(cfg.dump())


def _computed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide about the results."""
    kept = {key: value for key, value in values.items() if key not in _RESOURCES}
    for section in ("TRAIN", "TEST"):
        if isinstance(kept.get(section), Mapping):
            kept[section] = {key: value for key, value in kept[section].items() if key != "BATCH_SIZE"}
    return kept
