"""Several configurations of one call: each is a job, all are checked before the first one starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.inputs import check_inputs
from rhovideo.config.loading import Loaded, load
from rhovideo.config.problems import ConfigError, Problem
from rhovideo.config.tasks import Finding
from rhovideo.run_folder import list_checkpoints

# Which earlier jobs a task takes its weights from, and under which key.
_SOURCES = {
    "linear": ("pretrain",),
    "finetune": ("pretrain",),
    "knn": ("pretrain",),
    "test": ("linear", "finetune"),
}


def load_jobs(paths: Sequence[str], overrides: Sequence[object]) -> list[Loaded]:
    """Load every file, with the same overrides.

    Raises:
        ConfigError: with the problems of all files.
    """
    jobs, problems = [], []
    for path in paths:
        try:
            jobs.append(load(path, overrides))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return jobs


def check_jobs(jobs: Sequence[Loaded], check_machine: Callable[[CfgNode], list[Finding]]) -> None:
    """Everything about the jobs that depends on each other, on the files there are, and on the machine.

    Args:
        jobs: in the order in which they will run.
        check_machine: the launcher's.

    Raises:
        ConfigError: with the problems of all jobs.
    """
    problems = _shared_outputs(jobs)
    for number, job in enumerate(jobs):
        made_before = tuple(earlier.cfg.OUTPUT_DIR for earlier in jobs[:number])
        findings = check_inputs(job.cfg, made_before)
        if job.cfg.TASK in ("knn", "test") and not _checkpoint(job.cfg) and _source(jobs, number) is None:
            wrong = f"is empty, and TASK {job.cfg.TASK} measures a checkpoint"
            findings.append(Finding(("TEST.CHECKPOINT_FILE_PATH",), wrong, "path/to/checkpoint.pyth"))
        problems += [job.problem(finding) for finding in findings]
    if not problems:
        problems = [job.problem(finding) for job in jobs for finding in check_machine(job.cfg)]
    if problems:
        raise ConfigError(dict.fromkeys(problems))


def _shared_outputs(jobs: Sequence[Loaded]) -> list[Problem]:
    problems = []
    owner: dict[Path, Loaded] = {}
    for job in jobs:
        first = owner.setdefault(Path(job.cfg.OUTPUT_DIR).resolve(), job)
        if first is not job:
            wrong = f"{first.file} and {job.file} would both write to {job.cfg.OUTPUT_DIR}, and one resume the other"
            remedy = f"a folder of its own for each, in the files: OUTPUT_DIR: outputs/{Path(job.file).stem}"
            problems.append(job.problem(Finding(("OUTPUT_DIR",), wrong, remedy)))
    return problems


def _checkpoint(cfg: CfgNode) -> str:
    """The checkpoint that a job starts from or measures, where one is named."""
    if cfg.TASK in ("test", "knn"):
        return cfg.TEST.CHECKPOINT_FILE_PATH or cfg.TRAIN.CHECKPOINT_FILE_PATH
    return cfg.TRAIN.CHECKPOINT_FILE_PATH


def _source(jobs: Sequence[Loaded], number: int) -> Loaded | None:
    """The last job before this one whose checkpoint it can use."""
    tasks = _SOURCES.get(jobs[number].cfg.TASK, ())
    return next((job for job in reversed(jobs[:number]) if job.cfg.TASK in tasks), None)


def with_checkpoint_of_earlier_job(jobs: Sequence[Loaded], number: int) -> tuple[CfgNode, str]:
    """The configuration of a job, with the checkpoint that an earlier job of the call has written.

    Returns:
        The configuration, and a sentence for the log where something was filled in, else an empty text.

    Raises:
        ConfigError: the earlier job has left no checkpoint.
    """
    job = jobs[number]
    source = _source(jobs, number)
    if _checkpoint(job.cfg) or source is None:
        return job.cfg, ""
    key = "TEST" if job.cfg.TASK in ("test", "knn") else "TRAIN"
    found = list_checkpoints(source.cfg.OUTPUT_DIR)
    if not found:
        wrong = f"is empty, and {source.file} has left no checkpoint in {source.cfg.OUTPUT_DIR}"
        finding = Finding((f"{key}.CHECKPOINT_FILE_PATH",), wrong, "path/to/checkpoint.pyth")
        raise ConfigError(job.problem(finding))
    cfg = job.cfg.clone()
    cfg.defrost()
    cfg[key].CHECKPOINT_FILE_PATH = str(found[0])
    cfg.freeze()
    return cfg, f"{job.file}: {key}.CHECKPOINT_FILE_PATH is {found[0]}, written by {source.file}"
