"""What a run keeps however often and wherever it is resumed: OUTPUT_DIR/first_launch.json.

The global batch, the factor of the learning rate and the seed are those of the first launch. With them the samples of a
step and their order stay what they are on any number of machines and processes. Imports no torch: a submission asks it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.atomic_files import write_text
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS
from rhovideo.errors import JobError
from rhovideo.runs.folder import checkpoint_folder, list_checkpoints

FILE_NAME = "first_launch.json"


@dataclass(frozen=True)
class FirstLaunch:
    """How a run was launched first.

    Attributes:
        global_batch: videos a step, over all machines.
        learning_rate_factor: what SOLVER's rates are multiplied with (:func:`rhovideo.optim.rate_factor`).
        num_shards: machines.
        processes: of all machines together.
        seed: RNG_SEED.
        weights: what the run began from (TRAIN.CHECKPOINT_FILE_PATH), by its whole path where it is a file; None in a
            record of an earlier version, which did not tell.
        weights_written: when that file was written, as the file system tells; None where it is no file.
    """

    global_batch: int
    learning_rate_factor: float
    num_shards: int
    processes: int
    seed: int
    weights: str | None = None
    weights_written: float | None = None


def first_weights(cfg: CfgNode) -> tuple[str, float | None]:
    """What the configuration lets a run begin from: ``weights`` and ``weights_written`` of :class:`FirstLaunch`."""
    source = cfg.TRAIN.CHECKPOINT_FILE_PATH
    path = Path(source)
    if not source or not path.is_file():
        return source, None
    return str(path.absolute()), path.stat().st_mtime


def write_first_launch(output_dir: str | Path, first: FirstLaunch) -> None:
    write_text(Path(output_dir) / FILE_NAME, json.dumps(asdict(first)) + "\n")


def read_first_launch(output_dir: str | Path) -> FirstLaunch | None:
    """What the folder's run was launched with first; None where it has not written a checkpoint yet, and may change it.

    Raises:
        JobError: the file is damaged.
    """
    path = Path(output_dir) / FILE_NAME
    if not list_checkpoints(output_dir) or not path.exists():
        return None
    try:
        return FirstLaunch(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise JobError(
            f"{path}: cannot be read ({error}). Remove it to go on with the batch and the learning rate of the "
            "configuration"
        ) from error


def as_resumed(cfg: CfgNode) -> CfgNode:
    """The configuration with the batch that a run in OUTPUT_DIR goes on with, which is what checks are to see.

    It is returned as it is where there is nothing to resume, or where :func:`check_resume` has more to say.
    """
    try:
        first = read_first_launch(cfg.OUTPUT_DIR) if resumes(cfg) else None
    except JobError:
        return cfg  # told by whoever needs the file
    if first is None or cfg.NUM_SHARDS < 1 or first.global_batch % cfg.NUM_SHARDS:
        return cfg
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TRAIN.BATCH_SIZE = first.global_batch // cfg.NUM_SHARDS
    cfg.freeze()
    return cfg


def check_resume(cfg: CfgNode, processes: int) -> list[Finding]:
    """What is impossible when the run in OUTPUT_DIR goes on in this many processes of all machines together."""
    first = read_first_launch(cfg.OUTPUT_DIR) if resumes(cfg) else None
    if first is None or first.global_batch % (processes * cfg.TRAIN.ACCUMULATE_STEPS) == 0:
        return []
    able = _process_counts(first.global_batch, cfg.TRAIN.ACCUMULATE_STEPS)
    micro = f" in {cfg.TRAIN.ACCUMULATE_STEPS} micro-batches" if cfg.TRAIN.ACCUMULATE_STEPS > 1 else ""
    wrong = (
        f"{cfg.OUTPUT_DIR} holds a run with a global batch of {first.global_batch}, which {processes} processes cannot "
        f"share evenly{micro}"
    )
    keys = ("NUM_GPUS" if cfg.NUM_GPUS else "NUM_CPU_PROCESSES", "NUM_SHARDS", "TRAIN.ACCUMULATE_STEPS")
    counts = f"machines and processes that make {', '.join(map(str, able))} in all" if able else "ACCUMULATE_STEPS 1"
    return [Finding(keys, wrong, f"{counts}; or a new OUTPUT_DIR for another batch")]


def resumes(cfg: CfgNode) -> bool:
    """Whether the configuration goes on with what OUTPUT_DIR may hold."""
    return cfg.TASK in TRAINS and cfg.TRAIN.ENABLE and cfg.TRAIN.AUTO_RESUME


def _process_counts(global_batch: int, accumulate_steps: int) -> list[int]:
    share, rest = divmod(global_batch, accumulate_steps)
    return [] if rest else [count for count in range(1, share + 1) if share % count == 0]


def adapt(cfg: CfgNode, first: FirstLaunch, processes: int) -> tuple[CfgNode, list[str], list[str]]:
    """The configuration of a resume: its batch and its seed are those of the first launch.

    Args:
        cfg: as loaded, for the machines there are now.
        first: of :func:`read_first_launch`.
        processes: of all machines together, now.

    Returns:
        The configuration, what was derived, and what the person wrote that does not count, both for the log.

    Raises:
        JobError: the processes cannot share the global batch, the message names counts that can; or a classifier was
            begun from other weights than are named now.
    """
    for finding in check_resume(cfg, processes):
        raise JobError(f"{finding.wrong}: write {finding.write}")
    notes, warnings = [], []
    elsewhere = "write a new OUTPUT_DIR to train with another"
    batch = first.global_batch // cfg.NUM_SHARDS
    if cfg.TRAIN.BATCH_SIZE not in (batch, first.global_batch // first.num_shards):
        warnings.append(
            f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE} does not count: this run began with a global batch of "
            f"{first.global_batch} and keeps it, {batch} on each machine; {elsewhere}"
        )
    if cfg.RNG_SEED != first.seed:
        warnings.append(f"RNG_SEED {cfg.RNG_SEED} does not count: this run began with {first.seed}; {elsewhere}")
    other_weights = _other_weights(cfg, first)
    if other_weights and cfg.TASK in CLASSIFIES:
        # Its number would be taken for that of the weights that are named.
        raise JobError(other_weights[0])
    warnings += other_weights
    if (cfg.NUM_SHARDS, processes) != (first.num_shards, first.processes):
        notes.append(
            f"NUM_SHARDS is {cfg.NUM_SHARDS} with {processes} processes in all, and was {first.num_shards} with "
            f"{first.processes}: the global batch stays {first.global_batch}, so TRAIN.BATCH_SIZE is {batch} now, "
            f"{first.global_batch // processes} videos for each process; the order of samples stays"
        )
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TRAIN.BATCH_SIZE, cfg.RNG_SEED = batch, first.seed
    cfg.freeze()
    return cfg, notes, warnings


def _other_weights(cfg: CfgNode, first: FirstLaunch) -> list[str]:
    """That the weights which the configuration names now are not those that the run began from."""
    weights, written = first_weights(cfg)
    if not weights or first.weights is None or (weights, written) == (first.weights, first.weights_written):
        return []
    if written is not None and written == first.weights_written:
        return []  # the same file, moved
    anew = "has been written anew since this run began from it, which does not count: the run"
    other = f"does not count: this run began from {first.weights or 'random weights'} and"
    return [
        f"TRAIN.CHECKPOINT_FILE_PATH {cfg.TRAIN.CHECKPOINT_FILE_PATH} {anew if weights == first.weights else other} "
        f"goes on from its own checkpoints; remove {checkpoint_folder(cfg.OUTPUT_DIR)}, or write a new OUTPUT_DIR, "
        "to begin from it"
    ]
