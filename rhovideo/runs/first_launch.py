"""OUTPUT_DIR/first_launch.json: what a run keeps whenever it is resumed.

The global batch, the factor of the learning rate and the seed are those of the first launch. So the samples of a step
and their order stay the same on any number of machines and processes. Imports no torch, since a submission reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.atomic_files import write_text
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import TRAINS
from rhovideo.errors import JobError
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.folder import changed, checkpoint_folder, list_checkpoints

FILE_NAME = "first_launch.json"


@dataclass(frozen=True)
class FirstLaunch:
    """The settings of a run's first launch.

    Attributes:
        global_batch: videos a step, over all machines.
        learning_rate_factor: the factor of SOLVER's learning rates (:func:`rhovideo.optim.rate_factor`).
        num_shards: machines.
        processes: of all machines together.
        seed: RNG_SEED.
        weights: the checkpoint that the run began from (TRAIN.CHECKPOINT_FILE_PATH); the absolute path if it is a file.
            None in a record of an earlier version, which did not keep it.
        weights_written: the time at which that file was written, in seconds since 1970; of an earlier version, which
            kept no hash.
        weights_sha256: the hash of that file's whole content; None if it is no file.
    """

    global_batch: int
    learning_rate_factor: float
    num_shards: int
    processes: int
    seed: int
    weights: str | None = None
    weights_written: float | None = None
    weights_sha256: str | None = None


def first_weights(cfg: CfgNode) -> tuple[str, None, str | None]:
    """The weights that the configuration names: the last three values of a new :class:`FirstLaunch`."""
    source = cfg.TRAIN.CHECKPOINT_FILE_PATH
    path = Path(source)
    if not source or not path.is_file():
        return source, None, None
    return str(path.absolute()), None, file_sha256(path)


def write_first_launch(output_dir: str | Path, first: FirstLaunch) -> None:
    """Write the record of a first launch into a run folder, which must exist."""
    write_text(Path(output_dir) / FILE_NAME, json.dumps(asdict(first)) + "\n")


def read_first_launch(output_dir: str | Path) -> FirstLaunch | None:
    """The first launch of a folder's run; None if there is no checkpoint yet, since the settings may then change.

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
            "configuration",
            keys=("OUTPUT_DIR",),
        ) from error


def as_resumed(cfg: CfgNode) -> CfgNode:
    """The configuration with the batch that a run in OUTPUT_DIR goes on with, for the checks.

    It is returned unchanged if there is nothing to resume, or if :func:`check_resume` finds something wrong.
    """
    try:
        first = read_first_launch(cfg.OUTPUT_DIR) if resumes(cfg) else None
    except JobError:
        return cfg  # the error is raised again where the file is needed
    if first is None or cfg.NUM_SHARDS < 1 or first.global_batch % cfg.NUM_SHARDS:
        return cfg
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TRAIN.BATCH_SIZE = first.global_batch // cfg.NUM_SHARDS
    cfg.freeze()
    return cfg


def check_resume(cfg: CfgNode, processes: int) -> list[Finding]:
    """The reasons why the run in OUTPUT_DIR cannot go on.

    Args:
        cfg: the configuration that is to go on with it.
        processes: of all machines together.

    Returns:
        One finding, or none.
    """
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
    """True if the configuration goes on with a run that OUTPUT_DIR may hold."""
    return cfg.TASK in TRAINS and cfg.TRAIN.ENABLE and cfg.TRAIN.AUTO_RESUME


def _process_counts(global_batch: int, accumulate_steps: int) -> list[int]:
    share, rest = divmod(global_batch, accumulate_steps)
    return [] if rest else [count for count in range(1, share + 1) if share % count == 0]


def adapt(cfg: CfgNode, first: FirstLaunch, processes: int) -> tuple[CfgNode, list[str], list[str]]:
    """The configuration of a resume: its batch and its seed are those of the first launch.

    Args:
        cfg: as loaded, for the machines there are now.
        first: from :func:`read_first_launch`.
        processes: of all machines together, now.

    Returns:
        The configuration; notes on what was derived; warnings for values that were written and are not used. Notes and
        warnings are for the log.

    Raises:
        JobError: the processes cannot share the global batch (the message names numbers that can), or a classifier
            began from other weights than those that are named now.
    """
    for finding in check_resume(cfg, processes):
        raise JobError(f"{finding.wrong}: write {finding.write}")
    notes, warnings = [], []
    elsewhere = "write a new OUTPUT_DIR to train with another"
    batch = first.global_batch // cfg.NUM_SHARDS
    if cfg.TRAIN.BATCH_SIZE not in (batch, first.global_batch // first.num_shards):
        warnings.append(
            f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE} is not used: this run began with a global batch of "
            f"{first.global_batch} and keeps it, {batch} on each machine; {elsewhere}"
        )
    if cfg.RNG_SEED != first.seed:
        warnings.append(f"RNG_SEED {cfg.RNG_SEED} is not used: this run began with {first.seed}; {elsewhere}")
    for finding in check_first_weights(cfg, first):
        raise JobError(f"{finding.wrong}: write {finding.write}", keys=finding.keys)
    remedy = f"remove {checkpoint_folder(cfg.OUTPUT_DIR)}, or write a new OUTPUT_DIR, to begin from it"
    warnings += [f"{text}; {remedy}" for text in _other_weights(cfg, first)]
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


def check_first_weights(cfg: CfgNode, first: FirstLaunch | None = None) -> list[Finding]:
    """A finding if a classifier in OUTPUT_DIR began from other weights than those that are named now.

    Its accuracy would be taken for that of the weights that are named now.

    Args:
        cfg: the configuration that is to go on with it.
        first: its first launch; None: that of OUTPUT_DIR.
    """
    if cfg.TASK == "pretrain" or not resumes(cfg):
        return []
    first = first or read_first_launch(cfg.OUTPUT_DIR)
    wrong = _other_weights(cfg, first) if first else []
    remedy = f"another OUTPUT_DIR to begin from it, or remove {checkpoint_folder(cfg.OUTPUT_DIR)}"
    return [Finding(("TRAIN.CHECKPOINT_FILE_PATH", "OUTPUT_DIR"), text, remedy) for text in wrong]


def _other_weights(cfg: CfgNode, first: FirstLaunch) -> list[str]:
    """A warning if the configuration names other weights than those that the run began from."""
    weights, _, sha256 = first_weights(cfg)
    if not weights or first.weights is None:
        return []
    by_time = first.weights_written is not None and first.weights_sha256 is None
    if by_time:
        # An earlier version has kept the time alone.
        same = sha256 is not None and changed(Path(weights)) == first.weights_written
    else:
        same = sha256 == first.weights_sha256 and (sha256 is not None or weights == first.weights)
    if same:
        return []
    stamp = f" (so says its time stamp: an earlier version wrote {FILE_NAME}, without a hash)" if by_time else ""
    anew = f"was written again since this run began from it{stamp}. The new file is not used: the run"
    other = f"is not used: this run began from {first.weights or 'random weights'} and"
    return [
        f"TRAIN.CHECKPOINT_FILE_PATH {cfg.TRAIN.CHECKPOINT_FILE_PATH} {anew if weights == first.weights else other} "
        "goes on from its own checkpoints"
    ]
