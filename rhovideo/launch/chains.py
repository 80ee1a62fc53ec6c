"""A chain of jobs: each is one configuration, and takes its weights from an earlier one where it names none."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.checks.files import check_files, check_folder_name
from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import Finding, Problem
from rhovideo.config.keys import set_value
from rhovideo.config.list_names import of_one_data_set
from rhovideo.config.task_defaults import MEASURES, TRAINS
from rhovideo.errors import JobError
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.job_checkpoint import job_checkpoint

# The tasks of earlier jobs from which a task takes its weights. In place of a pre-training, the first job of a chain
# may be a supervised training: TASK finetune without a checkpoint.
_SOURCES = {
    "linear": ("pretrain",),
    "finetune": ("pretrain",),
    "detection": ("pretrain",),
    "detection_test": ("detection",),
    "knn": ("pretrain",),
    "logistic": ("pretrain",),
    "extract": ("pretrain",),
    "test": ("linear", "finetune"),
}
_RANDOM_WEIGHTS = Finding(
    ("TRAIN.CHECKPOINT_FILE_PATH",),
    "is empty, so the encoder starts from random weights",
    "the path of a checkpoint to measure a pre-trained encoder",
    "warning",
)


def check_chain(jobs: Sequence[Loaded]) -> list[Problem]:
    """Find what the jobs need and will not have: what is neither there now nor written by an earlier one.

    Args:
        jobs: in the order in which they will run.
    """
    problems = []
    for number, job in enumerate(jobs):
        made_before = tuple(earlier.cfg.OUTPUT_DIR for earlier in jobs[:number])
        findings = check_files(job.cfg, made_before)
        made = job.cfg.TASK != "extract" and list_checkpoints(job.cfg.OUTPUT_DIR)
        if job.cfg.TASK in MEASURES and not (job_checkpoint(job.cfg) or made or _source(jobs, number)):
            wrong = f"is empty, and TASK {job.cfg.TASK} takes a checkpoint"
            findings.append(Finding(("TEST.CHECKPOINT_FILE_PATH",), wrong, "path/to/checkpoint.pyth"))
        if job.cfg.TASK in TRAINS and job.cfg.TASK != "pretrain" and not (job_checkpoint(job.cfg) or made):
            findings += [] if _source(jobs, number) else [_RANDOM_WEIGHTS]
        problems += [job.problem(finding) for finding in findings]
    return problems


def check_output_folders(jobs: Iterable[Loaded]) -> list[Problem]:
    """Find jobs that would write to the same folder."""
    problems = []
    owner: dict[Path, Loaded] = {}
    for job in jobs:
        if wrong := check_folder_name(job.cfg.OUTPUT_DIR):
            problems.append(job.problem(Finding(("OUTPUT_DIR",), wrong, "outputs/NAME")))
            continue
        first = owner.setdefault(Path(job.cfg.OUTPUT_DIR).resolve(), job)
        if first is not job:
            wrong = f"{first.file} and {job.file} would both write to {job.cfg.OUTPUT_DIR}, one going on with the other"
            remedy = (
                f"--study {job.cfg.OUTPUT_DIR} in the place of OUTPUT_DIR, which gives each job its own folder in it; "
                f"or OUTPUT_DIR: outputs/{Path(job.file).stem} into the file"
            )
            problems.append(job.problem(Finding(("OUTPUT_DIR",), wrong, remedy)))
    return problems


def checkpoint_source(jobs: Sequence[Loaded], number: int) -> tuple[str, Path] | None:
    """The source of the checkpoint that a job of a chain takes when it starts.

    Returns:
        The key to fill in and the run folder of the earlier job whose furthest checkpoint it is to hold. None where the
        job names its checkpoint or takes none.
    """
    source = _source(jobs, number)
    if source is None or job_checkpoint(jobs[number].cfg):
        return None
    section = "TEST" if jobs[number].cfg.TASK in MEASURES else "TRAIN"
    return f"{section}.CHECKPOINT_FILE_PATH", Path(source.cfg.OUTPUT_DIR)


def weights_from(jobs: Sequence[Loaded], number: int) -> int | None:
    """The place of the earlier job whose checkpoint a job of a chain takes; None where there is none.

    Args:
        jobs: in the order in which they run.
        number: the job's place.
    """
    source = checkpoint_source(jobs, number)
    written = job_checkpoint(jobs[number].cfg)
    if source is None and (not written or "://" in written):
        return None
    path = Path(written).resolve() if source is None else source[1].resolve() / "its checkpoint"
    earlier = (place for place in reversed(range(number)) if Path(jobs[place].cfg.OUTPUT_DIR).resolve() in path.parents)
    return next(earlier, None)


class NoCheckpoint(JobError):
    """The earlier job has left nothing to start from."""


def with_checkpoint(cfg: CfgNode, source: tuple[str, Path] | None) -> CfgNode:
    """The configuration of a job that starts now, with the furthest checkpoint of the job before it.

    Args:
        cfg: as loaded.
        source: from :func:`checkpoint_source`; with None the configuration stays as it is.

    Raises:
        NoCheckpoint: there is none.
    """
    if source is None:
        return cfg
    key, folder = source
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        raise NoCheckpoint(
            f"{key} is empty, and the earlier job of the chain has left no checkpoint in {folder}: see why with "
            f"`rhovideo logs {shlex.quote(str(folder))}`, or write {key} path/to/checkpoint.pyth"
        )
    cfg = cfg.clone()
    cfg.defrost()
    set_value(cfg, key, str(checkpoints[0]))
    cfg.freeze()
    return cfg


def _source(jobs: Sequence[Loaded], number: int) -> Loaded | None:
    """The last job before this one whose checkpoint it can use."""
    tasks = _SOURCES.get(jobs[number].cfg.TASK, ())
    return next((job for job in reversed(jobs[:number]) if job.cfg.TASK in tasks), _supervised(jobs, number))


def _supervised(jobs: Sequence[Loaded], number: int) -> Loaded | None:
    """The first job of a chain, where it is a supervised training whose encoder this one can use."""
    first, job = jobs[0].cfg, jobs[number].cfg
    if not number or "pretrain" not in _SOURCES.get(job.TASK, ()):
        return None
    if first.TASK != "finetune" or first.TRAIN.CHECKPOINT_FILE_PATH:
        return None
    # Two fine-tunings on one data set are both from scratch: the training videos of a split are tested in another.
    alike = job.TASK == "finetune" and of_one_data_set(first, job)
    return None if alike else jobs[0]
