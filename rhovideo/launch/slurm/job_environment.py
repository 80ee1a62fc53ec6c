"""The run and the attempt that a process of a job belongs to, which the batch script passes on in its environment."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError

_RUNS_FILE = "runs.json"
# Before the number of SLURM's job.
ENVIRONMENT_FILE = "environment_"
ATTEMPT_VARIABLE = "RHOVIDEO_ATTEMPT"
FOLDER_VARIABLE = "RHOVIDEO_SLURM_FOLDER"
WORK_VARIABLE = "RHOVIDEO_WORK_FOLDER"
# Variables that ranks need and that SLURM does not set. A site may keep the script's variables from them.
_FOR_RANKS = (ATTEMPT_VARIABLE, FOLDER_VARIABLE, WORK_VARIABLE, "MASTER_PORT", "PYTHONPATH", "PATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Place:
    """The job of a submission that this batch script runs.

    Attributes:
        folder: of submitit's files.
        run: the run folder.
        finished: True if the run was finished before this submission.
        max_failures: how often a failed attempt that made progress is requeued.
        ranks: of the job.
        job_id: ``"17"`` or ``"17_3"``.
    """

    folder: Path
    run: Path
    finished: bool
    max_failures: int
    ranks: int
    job_id: str


def write_runs(folder: Path, runs: list[Path], finished: list[bool], *, max_failures: int, ranks: int) -> None:
    """Write the run of each array index into submitit's folder, before submitting.

    Args:
        folder: of submitit's files.
        runs: run folders.
        finished: whether a run is finished already.
        max_failures: how often a failed attempt that made progress is requeued.
        ranks: of each job.
    """
    entries = [{"run": str(run), "finished": done} for run, done in zip(runs, finished, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(
        folder / _RUNS_FILE,
        json.dumps({"runs": entries, "max_failures": max_failures, "ranks": ranks}, indent=2) + "\n",
    )


def write_environment(folder: Path, attempt: int, port: int) -> None:
    """Write the variables that the ranks of this attempt need into submitit's folder, for a shell to read.

    Args:
        folder: of submitit's files.
        attempt: its number.
        port: of rank 0.
    """
    # A port that the user has set is kept, as in the script.
    found = {"MASTER_PORT": str(port), **os.environ, ATTEMPT_VARIABLE: str(attempt)}
    lines = [f"export {name}={shlex.quote(found[name])}\n" for name in _FOR_RANKS if name in found]
    write_text(folder / f"{ENVIRONMENT_FILE}{os.environ['SLURM_JOB_ID']}", "".join(lines))


def enter_work_folder() -> None:
    """Go back to the folder of the submission, from which relative paths start."""
    os.chdir(os.environ[WORK_VARIABLE])


def attempt() -> int:
    """The number of the attempt that this process belongs to, from 1."""
    return int(os.environ[ATTEMPT_VARIABLE])


def failures_folder() -> Path:
    """The folder where the ranks of this attempt write their failures."""
    return Path(os.environ[FOLDER_VARIABLE]) / "failures" / f"{os.environ['SLURM_JOB_ID']}_attempt_{attempt()}"


def free_port() -> int:
    """A free port of this machine, rank 0's, outside of the range that the kernel gives to other programs."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("", port))
            return port
    raise OSError("no port between 20000 and 32767 is free on this machine")


def place_of(folder: Path) -> Place:
    """The job of a submission that SLURM's environment names.

    Args:
        folder: of submitit's files.

    Raises:
        JobError: the file that the submission wrote there is gone or damaged.
    """
    path = folder / _RUNS_FILE
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
        # A job that is no array may have inherited the variables of one.
        is_array = len(runs["runs"]) > 1
        index = int(os.environ["SLURM_ARRAY_TASK_ID"]) if is_array else 0
        job_id = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{index}" if is_array else os.environ["SLURM_JOB_ID"]
        entry = runs["runs"][index]
        numbers = int(runs["max_failures"]), int(runs["ranks"])
        return Place(folder, Path(entry["run"]), entry["finished"], *numbers, job_id)
    except (OSError, TypeError, ValueError, LookupError) as error:
        raise JobError(f"{path}: cannot be read ({error}): submit the same command again with --resume") from error
